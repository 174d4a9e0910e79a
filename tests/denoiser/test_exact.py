"""Exact denoisers against the scores of the densities that they denoise, written down independently."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.scipy.special import logsumexp
from jax.scipy.stats import multivariate_normal

import entropax as ex


DIM = 3
PROCESSES = [
    ex.VariancePreserving(),
    ex.VariancePreserving(kappa=0.3),
    ex.SubVariancePreserving(),
    ex.VarianceExploding(),
    ex.StraightLine(),
    ex.Cosine(),
]


def _covariance(seed, dim=DIM):
    root = np.random.default_rng(seed).normal(size=(dim, dim))
    return root @ root.T / dim + 0.05 * np.eye(dim)


def _noise_from_density(log_density, z, log_snr):
    # ε̂ = -√sigmoid(-λ) ∇ log p(z).
    return -jnp.sqrt(jax.nn.sigmoid(-log_snr)) * jax.grad(log_density)(z)


def _diffused(mean, cov, log_snr):
    a = jax.nn.sigmoid(log_snr)
    return jnp.sqrt(a) * jnp.asarray(mean, jnp.float32), a * jnp.asarray(cov, jnp.float32) + (1 - a) * jnp.eye(
        len(mean)
    )


@pytest.mark.parametrize("log_snr", [-6.0, -1.0, 2.0, 5.0])
def test_gaussian(log_snr):
    log_snr, z = jnp.asarray(log_snr), jr.normal(jr.key(0), (DIM,))
    mean, cov = np.array([1.0, -2.0, 0.5]), _covariance(0)
    expected = _noise_from_density(lambda z: multivariate_normal.logpdf(z, *_diffused(mean, cov, log_snr)), z, log_snr)
    np.testing.assert_allclose(ex.Gaussian(mean, cov)(z, log_snr), expected, rtol=2e-4, atol=1e-5)


def test_equilibrium_is_the_isotropic_gaussian():
    z, log_snr = jr.normal(jr.key(0), (DIM,)), jnp.asarray(1.3)
    expected = ex.Gaussian(np.zeros(DIM), 0.3**2 * np.eye(DIM))(z, log_snr)
    np.testing.assert_allclose(ex.Equilibrium(0.3)(z, log_snr), expected, rtol=1e-5)


def test_conditional_gaussian_is_the_posterior_given_y():
    problem = ex.data.JointGaussian.random(jr.key(0), dim_x=DIM, dim_y=2, noise_std=0.5)
    (x,), (y,) = problem.sample(jr.key(1), 1)
    z, log_snr = ex.diffuse(x, jnp.asarray(1.0), jr.normal(jr.key(2), (DIM,))), jnp.asarray(1.0)
    # Conditioning of the joint covariance, by the textbook.
    joint = np.block(
        [[problem.cov_x, problem.cov_x @ problem.matrix_a.T], [problem.matrix_a @ problem.cov_x, problem.cov_y]]
    )
    cross = joint[:DIM, DIM:]
    mean = cross @ np.linalg.inv(joint[DIM:, DIM:]) @ np.asarray(y, np.float64)
    cov = joint[:DIM, :DIM] - cross @ np.linalg.inv(joint[DIM:, DIM:]) @ cross.T
    denoiser = problem.denoiser()
    np.testing.assert_allclose(denoiser(z, log_snr, y), ex.Gaussian(mean, cov)(z, log_snr), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(denoiser(z, log_snr), ex.Gaussian(np.zeros(DIM), problem.cov_x)(z, log_snr), rtol=1e-5)
    np.testing.assert_array_equal(ex.Unconditional(denoiser)(z, log_snr, y), denoiser(z, log_snr))


@pytest.mark.parametrize("log_snr", [-3.0, 1.0, 4.0])
@pytest.mark.parametrize("label", [None, 1])
def test_mixture(log_snr, label):
    log_snr, z = jnp.asarray(log_snr), jr.normal(jr.key(3), (DIM,))
    weights, means = np.array([0.2, 0.5, 0.3]), np.random.default_rng(0).normal(size=(3, DIM))
    covs, labels = np.stack([_covariance(k) for k in range(3)]), np.array([0, 1, 1])
    kept = [k for k in range(3) if label is None or labels[k] == label]

    def log_density(z):
        return logsumexp(
            jnp.stack(
                [
                    np.float32(np.log(weights[k]))
                    + multivariate_normal.logpdf(z, *_diffused(means[k], covs[k], log_snr))
                    for k in kept
                ]
            )
        )

    denoiser = ex.GaussianMixture(weights, means, covs, labels)
    y = None if label is None else jnp.asarray(label)
    np.testing.assert_allclose(
        denoiser(z, log_snr, y), _noise_from_density(log_density, z, log_snr), rtol=1e-3, atol=1e-4
    )


def test_a_far_point_of_a_mixture_belongs_to_its_nearest_component():
    # Plain exponentials would give 0/0 here.
    denoiser = ex.GaussianMixture(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), 1e-4 * np.ones((2, 1, 1)))
    z, log_snr = jnp.array([40.0]), jnp.asarray(8.0)
    alone = ex.Gaussian(np.array([1.0]), 1e-4 * np.eye(1))(z, log_snr)
    np.testing.assert_allclose(denoiser(z, log_snr), alone, rtol=1e-5)


def test_empirical_is_the_mixture_of_its_points():
    points = jr.normal(jr.key(0), (5, DIM))
    labels = jnp.array([0, 1, 0, 1, 1])
    empirical = ex.Empirical(points, labels)
    mixture = ex.GaussianMixture(np.full(5, 0.2), np.asarray(points), np.zeros((5, DIM, DIM)), np.asarray(labels))
    z, log_snr = jr.normal(jr.key(1), (DIM,)), jnp.asarray(1.0)
    for y in (None, jnp.asarray(1)):
        np.testing.assert_allclose(empirical(z, log_snr, y), mixture(z, log_snr, y), rtol=1e-4, atol=1e-5)


def test_product_denoises_each_coordinate_by_itself():
    z, log_snr = jr.normal(jr.key(1), (DIM,)), jnp.asarray(0.7)
    cov = np.diag([0.1, 1.0, 3.0])
    stack = [ex.Gaussian(np.zeros(1), cov[k : k + 1, k : k + 1]) for k in range(DIM)]
    product = ex.Product(jax.tree.map(lambda *leaves: jnp.stack(leaves), *stack))
    np.testing.assert_allclose(product(z, log_snr), ex.Gaussian(np.zeros(DIM), cov)(z, log_snr), rtol=1e-5)
    labelled = ex.GaussianMixture(np.full(3, 1 / 3), np.zeros((3, 1)), np.diag(cov)[:, None, None])
    np.testing.assert_allclose(ex.LearnedProduct(labelled)(z, log_snr), product(z, log_snr), rtol=1e-5)


def test_product_fits_mixtures_to_columns():
    generator = np.random.default_rng(0)
    n = 20_000
    bimodal = np.where(generator.uniform(size=n) < 0.3, -2.0, 1.0) + 0.3 * generator.normal(size=n)
    product = ex.Product.fit(np.stack([bimodal, generator.normal(size=n)], 1), components=2)
    exact = ex.GaussianMixture(np.array([0.3, 0.7]), np.array([[-2.0], [1.0]]), 0.09 * np.ones((2, 1, 1)))
    for level, value in [(-2.0, 0.3), (0.0, -0.5), (3.0, 1.2)]:
        log_snr, z = jnp.asarray(level), jnp.array([value, value])
        fitted = product(z, log_snr)
        np.testing.assert_allclose(fitted[0], exact(z[:1], log_snr)[0], atol=0.05)
        np.testing.assert_allclose(fitted[1], ex.Equilibrium()(z, log_snr)[1], atol=0.05)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: type(process).__name__)
@pytest.mark.parametrize("s", [0.05, 0.5, 0.9])
def test_score_and_denoised_mean_of_a_gaussian_under_every_process(process, s):
    mean, cov = np.array([1.0, -2.0, 0.5]), _covariance(1)
    denoiser, s = ex.Gaussian(mean, cov), jnp.asarray(s)
    mu, var = float(process.mean_factor(s)), float(process.std(s)) ** 2
    x = np.sqrt(mu**2 + var) * np.array([0.3, -1.0, 2.0])
    spread = mu**2 * cov + var * np.eye(DIM)
    score = -np.linalg.solve(spread, x - mu * mean)
    posterior_mean = mean + mu * cov @ np.linalg.solve(spread, x - mu * mean)
    x = jnp.asarray(x, jnp.float32)
    np.testing.assert_allclose(ex.score(process, denoiser, x, s), score, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(ex.denoised_mean(process, denoiser, x, s), posterior_mean, rtol=2e-3, atol=2e-3)


def test_the_entropy_field_vanishes_at_equilibrium_and_is_the_score_less_that_of_equilibrium():
    x, s = jnp.array([0.3, -1.0, 2.0]), jnp.asarray(0.3)
    process = ex.VariancePreserving(kappa=0.3)
    at_rest = ex.entropy_field(process, ex.Equilibrium(0.3), x, s)
    np.testing.assert_allclose(at_rest, np.zeros(DIM), atol=1e-4)
    denoiser = ex.Gaussian(np.zeros(DIM), _covariance(1))
    expected = ex.score(process, denoiser, x, s) + x / 0.09
    np.testing.assert_allclose(ex.entropy_field(process, denoiser, x, s), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="VarianceExploding has no equilibrium"):
        ex.entropy_field(ex.VarianceExploding(), denoiser, x, s)


def test_bad_covariances_and_weights_are_refused():
    with pytest.raises(ValueError, match="`cov` must be symmetric"):
        ex.Gaussian(np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="`cov` must be positive semi-definite"):
        ex.Gaussian(np.zeros(2), np.diag([1.0, -0.5]))
    with pytest.raises(ValueError, match=r"`weights` must be non-negative with sum 1; their sum is 1.5"):
        ex.GaussianMixture(np.array([1.0, 0.5]), np.zeros((2, 1)), np.ones((2, 1, 1)))
    with pytest.raises(ValueError, match="without `labels`"):
        ex.Empirical(jnp.zeros((2, 1)))(jnp.zeros(1), jnp.asarray(0.0), jnp.asarray(0))


@pytest.mark.parametrize("length", [1, DIM + 1])
def test_a_state_of_another_shape_is_refused(length):
    # One of a single coordinate would be broadcast, and answered.
    law = ex.Gaussian(np.zeros(DIM), _covariance(1))
    mixture = ex.GaussianMixture(np.ones(2) / 2, np.zeros((2, DIM)), np.stack([_covariance(1)] * 2))
    grids = [ex.Histogram((0.0, 1.0), np.zeros((DIM, 1))), ex.GridPosterior(ex.Grid(0.0, 1.0, 2), np.zeros((DIM, 2)))]
    denoisers = [law, mixture, ex.Empirical(jnp.zeros((2, DIM))), *grids]
    whitening = ex.Whitening(law.mean, law.variances, law.axes)
    inputs = [whitening, ex.Standardising(law.mean, law.variances), ex.FourierFeatures(whitening, jnp.zeros((4, DIM)))]
    for made in denoisers + inputs:
        with pytest.raises(ValueError, match=rf"`z` must have the shape \({DIM},\) .* got \({length},\)"):
            made(jnp.zeros(length), jnp.asarray(0.0))
    joint = ex.ConditionalGaussian(cov_x=2 * np.eye(DIM), gain=np.eye(DIM), cov_x_given_y=np.eye(DIM))
    for y in (None, jnp.zeros(DIM)):
        with pytest.raises(ValueError, match=rf"`z` must have the shape \({DIM},\)"):
            joint(jnp.zeros(length), jnp.asarray(0.0), y)
    with pytest.raises(ValueError, match=rf"`z` must have the shape \({DIM},\)"):
        ex.neural_entropy(law, jnp.zeros((8, length)), key=jr.key(0))


@pytest.mark.parametrize("label", [-1, 2, 7])
def test_an_unknown_label_has_no_prediction(label):
    means = np.random.default_rng(0).normal(size=(3, DIM))
    mixture = ex.GaussianMixture(np.full(3, 1 / 3), means, np.stack([np.eye(DIM)] * 3), np.array([0, 1, 1]))
    empirical = ex.Empirical(jnp.asarray(means, jnp.float32), jnp.array([0, 1, 1]))
    for denoiser in (mixture, empirical):
        assert np.all(np.isnan(denoiser(jnp.ones(DIM), jnp.asarray(0.0), jnp.asarray(label))))


def test_a_mask_that_hides_nothing_is_no_mask(getkey):
    x = np.asarray(jr.normal(getkey(), (40, 2)))
    masked = np.ma.array(x, mask=False)
    makers = {
        "gaussian": ex.Gaussian.fit,
        "conditional": lambda x: ex.ConditionalGaussian.fit(x, x[:, :1]),
        "product": ex.Product.fit,
        "whitening": ex.Whitening.fit,
        "standardising": ex.Standardising.fit,
        "moments": ex.Moments.fit,
        "empirical": ex.Empirical,
        "histogram": lambda x: ex.Histogram.fit(x, np.linspace(-9, 9, 4)),
    }
    for make in makers.values():
        assert eqx.tree_equal(make(x), make(masked))
    at = lambda x: ex.score(ex.VariancePreserving(), ex.Equilibrium(), x, 0.5)
    assert (at(x[0]) == at(masked[0])).all()


def test_what_y_decides_has_no_variance_left_in_any_units():
    x = np.linspace(-1, 1, 20)[:, None]
    for scale in (1.0, 1e-4, 1e-8):
        law = ex.ConditionalGaussian.fit(scale * x, 3 * x)
        assert float(law.residual.variances[0]) < 1e-12 * float(law.marginal.variances[0])
