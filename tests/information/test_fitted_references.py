"""References that are fitted to the samples themselves: the fit adds nothing, and the error bar holds."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


SHARES, MEANS, STDS = np.array([0.3, 0.7]), np.array([-1.5, 1.0]), np.array([0.5, 0.8])
BIMODAL = ex.GaussianMixture(SHARES, MEANS[:, None], STDS[:, None, None] ** 2)

# Of few samples: a profile of 64 cells would need many.
FEW = ex.Integrator(nodes=ex.GaussLegendre(panels=4, order=5), log_snr_range=(-10.0, 14.0))


def bimodal(generator, n):
    component = (generator.uniform(size=n) > SHARES[0]).astype(int)
    return MEANS[component] + STDS[component] * generator.normal(size=n)


def bimodal_negentropy():
    x = np.linspace(-8, 8, 20_001)
    p = (SHARES / STDS * np.exp(-0.5 * ((x[:, None] - MEANS) / STDS) ** 2)).sum(1) / np.sqrt(2 * np.pi)
    mean = SHARES @ MEANS
    variance = SHARES @ (STDS**2 + MEANS**2) - mean**2
    return 0.5 * np.log(2 * np.pi * np.e * variance) + np.sum(p * np.log(p)) * (x[1] - x[0])


def deviations(estimate, problems):
    """Of the estimates of several problems, in standard errors."""
    found = []
    for seed in range(problems):
        found_here, exact = estimate(seed)
        found.append((float(found_here.value) - exact) / float(found_here.stderr))
    return np.array(found)


def assert_calibrated(deviations):
    assert 0.88 <= np.mean(np.abs(deviations) < 1.96) <= 0.99, deviations
    assert abs(deviations.mean()) < 0.35, deviations


def correlated(seed, n, dim):
    generator = np.random.default_rng(seed)
    factor = generator.normal(size=(dim, dim)) / np.sqrt(dim)
    cov = factor @ factor.T + 0.2 * np.eye(dim)
    x = generator.multivariate_normal(np.zeros(dim), cov, n)
    exact = 0.5 * (np.log(np.diag(cov)).sum() - np.linalg.slogdet(cov)[1])
    return ex.Gaussian(np.zeros(dim), cov), jnp.asarray(x, jnp.float32), exact


@pytest.mark.slow
def test_total_correlation_by_fitted_marginals_is_calibrated():
    def estimate(seed):
        law, x, exact = correlated(seed, 250, 3)
        return ex.total_correlation(law, x, key=jr.key(seed)), exact

    assert_calibrated(deviations(estimate, 60))


@pytest.mark.slow
def test_negentropy_by_a_fitted_gaussian_is_calibrated():
    exact = bimodal_negentropy()

    def estimate(seed):
        x = jnp.asarray(bimodal(np.random.default_rng(seed), 200)[:, None], jnp.float32)
        return ex.negentropy(BIMODAL, x, key=jr.key(seed)), exact

    assert_calibrated(deviations(estimate, 60))


def test_the_fit_adds_nothing_where_there_is_no_information():
    # Of 60 samples and 6 columns the fit alone adds 27 parameters / 120 = 0.22 nats.
    law = ex.Gaussian(np.zeros(6), np.eye(6))
    x = jr.normal(jr.key(1), (12, 60, 6))
    measures = lambda part, k: ex.negentropy(law, part, key=jr.key(k), integrator=FEW)
    values = np.array([float(measures(part, k).value) for k, part in enumerate(x)])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values)) + 0.03
    in_sample = ex.negentropy(law, x[0], key=jr.key(0), gaussian=ex.Gaussian.fit(x[0]))
    assert in_sample.value > 0.12


def test_any_reference_can_be_cross_fitted():
    edges = np.linspace(-1, 1, 9)
    law = ex.Histogram(edges, np.zeros((2, 8)))

    def estimate(seed):
        x = jr.uniform(jr.key(seed), (400, 2), minval=-1, maxval=1)
        marginals = lambda x: ex.Histogram.fit(x, edges, strength=0.1)
        return ex.total_correlation(law, x, key=jr.key(seed), marginals=marginals), 0.0

    found = [estimate(seed)[0] for seed in range(10)]
    values = np.array([float(part.value) for part in found])
    # Fitted to the samples that are measured, 14 parameters add 14 / 800 = 0.0175.
    assert abs(values.mean()) < 0.006
    fitted = ex.Histogram.fit(jr.uniform(jr.key(0), (400, 2), minval=-1, maxval=1), edges, strength=0.1)
    x = jr.uniform(jr.key(0), (400, 2), minval=-1, maxval=1)
    assert ex.total_correlation(law, x, key=jr.key(0), marginals=fitted).value > 0.008


def test_too_few_samples_to_fit_to():
    with pytest.raises(ValueError, match="`x` must hold 10 samples or more to fit a reference to; got 9"):
        ex.total_correlation(BIMODAL, jnp.zeros((9, 1)), key=jr.key(0))


def test_fitted_mixtures_are_as_near_as_their_parameters_allow():
    # Units of a thousand and of a thousandth; the fit of m parameters adds m / 2n to the divergence.
    generator, n = np.random.default_rng(0), 4_000
    x = np.stack([1e3 * bimodal(generator, n), generator.normal(3.0, 1e-3, n)], 1)
    fitted = ex.Product.fit(x).marginals
    assert isinstance(fitted, ex.GaussianMixture)
    grid = np.linspace(-6, 6, 6_001)
    normal = lambda x, means, stds: np.exp(-0.5 * ((x - means) / stds) ** 2) / (stds * np.sqrt(2 * np.pi))
    exact = ((SHARES * normal(grid[:, None], MEANS, STDS)).sum(1), normal(grid, 0.0, 1.0))
    for k, (p, scale, shift) in enumerate(zip(exact, (1e3, 1e-3), (0.0, 3.0))):
        weights = np.exp(np.asarray(fitted.log_weights[k], np.float64))
        means = (np.asarray(fitted.means[k, :, 0], np.float64) - shift) / scale
        stds = np.sqrt(np.asarray(fitted.variances[k, :, 0], np.float64)) / scale
        q = (weights * normal(grid[:, None], means, stds)).sum(1)
        divergence = np.sum(p * np.log(p / q)) * (grid[1] - grid[0])
        parameters = 3 * np.count_nonzero(weights) - 1
        assert divergence < 3 * parameters / (2 * n)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "n"), [(8, 3_000), (6, 2_500), (2, 300)])
def test_total_correlation_by_default_marginals_is_calibrated_in_more_columns(dim, n):
    def estimate(seed):
        law, x, exact = correlated(100 + seed, n, dim)
        return ex.total_correlation(law, x, key=jr.key(seed)), exact

    assert_calibrated(deviations(estimate, 60))


@pytest.mark.slow
def test_total_correlation_of_columns_that_are_not_gaussian_is_calibrated():
    # Each column is a mixture of four Gaussians that overlap. Of 1 000 samples the fit finds three of them, and the
    # mean deviation is 0.4 standard errors.
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    shares = np.outer(SHARES, SHARES).ravel()
    means = np.stack(np.meshgrid(MEANS, MEANS, indexing="ij"), -1).reshape(-1, 2) @ turn.T
    covs = np.stack([turn @ np.diag(pair) @ turn.T for pair in np.array([(a**2, b**2) for a in STDS for b in STDS])])
    law = ex.GaussianMixture(shares, means, covs)
    marginals = ex.Product(
        jax.tree.map(
            lambda *leaves: jnp.stack(leaves),
            *(ex.GaussianMixture(shares, means[:, [k]], covs[:, [k]][:, :, [k]]) for k in range(2)),
        )
    )
    samples = lambda seed, n: jnp.asarray(
        np.stack([bimodal(np.random.default_rng((seed, k)), n) for k in range(2)], 1) @ turn.T, jnp.float32
    )
    truth = ex.total_correlation(law, samples(10_000, 400_000), key=jr.key(0), marginals=marginals)
    assert_calibrated(
        deviations(
            lambda seed: (ex.total_correlation(law, samples(seed, 4_000), key=jr.key(seed)), float(truth.value)), 60
        )
    )
