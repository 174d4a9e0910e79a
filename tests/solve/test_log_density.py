"""Log-densities by probability flow against closed forms, per sample."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

import entropax as ex
from tests.trusted import Trusted


PROCESSES = {
    "VP": ex.VariancePreserving(),
    "sub-VP": ex.SubVariancePreserving(),
    "VE": ex.VarianceExploding(),
    "straight line": ex.StraightLine(),
    "cosine": ex.Cosine(),
}
VP = PROCESSES["VP"]
every_process = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)


def assert_bits_per_dim(found, exact, dim, tolerance=1e-3):
    np.testing.assert_allclose(found, exact, atol=tolerance * dim * np.log(2))


def _mixture(dim):
    """Two components with unlike, full covariances."""
    rng = np.random.default_rng(dim)
    means = np.stack([-1.0 * np.ones(dim), 1.5 * np.eye(dim)[0]])
    roots = 0.4 * rng.normal(size=(2, dim, dim)) / np.sqrt(dim)
    covs = roots @ roots.transpose(0, 2, 1) + 0.05 * np.eye(dim)
    return ex.GaussianMixture(np.array([0.3, 0.7]), means, covs), (np.array([0.3, 0.7]), means, covs)


@every_process
@pytest.mark.parametrize("std", [1.0, 0.1, 0.01, 1 / 256])
def test_gaussians_down_to_a_grey_level(process, std, getkey):
    x = std * jr.normal(getkey(), (16, 2))
    found = ex.log_density(process, ex.Gaussian(np.zeros(2), std**2 * np.eye(2)), x)
    assert_bits_per_dim(found.value, norm.logpdf(x, scale=std).sum(1), 2)
    assert int(jnp.max(found.steps)) < 60
    # What was made up for: half the share of noise in each variance, times what the sample's own square adds.
    # The flow begins at λ = 20 in units in which the data are near 1.
    unit = 1.0 if std > 0.125 else 2.0 ** round(np.log2(std))
    ratio = np.exp(-20.0) * (unit / std) ** 2
    np.testing.assert_allclose(found.truncation, 0.5 * ratio * (2 - jnp.sum((x / std) ** 2, 1)), rtol=2e-3, atol=1e-7)


@every_process
@pytest.mark.parametrize("dim", [pytest.param(1, marks=pytest.mark.slow), 2, 8])
def test_mixtures(process, dim, getkey):
    denoiser, (weights, means, covs) = _mixture(dim)
    x, _ = ex.data.GaussianMixture(weights, means, covs).sample(getkey(), 16)
    parts = [np.log(w) + multivariate_normal.logpdf(x, m, c) for w, m, c in zip(weights, means, covs)]
    assert_bits_per_dim(ex.log_density(process, denoiser, x).value, logsumexp(parts, 0), dim)


def test_conditions(getkey):
    problem = ex.data.JointGaussian.random(jr.key(3), dim_x=5, dim_y=3, noise_std=0.7)
    x, y = problem.sample(getkey(), 2000)
    difference = ex.log_density(VP, problem.denoiser(), x, y).value - ex.log_density(VP, problem.denoiser(), x).value
    # E log p(x|y)/p(x) = I(X;Y).
    error = 4 * float(jnp.std(difference)) / np.sqrt(2000)
    assert abs(float(jnp.mean(difference)) - problem.mutual_information) < error


def test_the_value_does_not_depend_on_the_solver(getkey):
    denoiser, (weights, means, covs) = _mixture(2)
    x, _ = ex.data.GaussianMixture(weights, means, covs).sample(getkey(), 16)
    values = [ex.log_density(VP, denoiser, x, solver=solver).value for solver in (dfx.Tsit5(), dfx.Dopri8())]
    np.testing.assert_allclose(values[0], values[1], atol=1e-3)


@pytest.mark.parametrize("divergence", [ex.solve.Hutchinson(8), ex.solve.HutchPlusPlus(2, 6)], ids=["plain", "++"])
def test_random_divergences_are_unbiased(divergence, getkey):
    denoiser, (weights, means, covs) = _mixture(8)
    x, _ = ex.data.GaussianMixture(weights, means, covs).sample(getkey(), 16)
    exact = float(ex.log_density(VP, denoiser, x).value[0])
    many = jnp.repeat(x[:1], 100, 0)
    values = ex.log_density(VP, denoiser, many, key=getkey(), divergence=divergence).value
    assert abs(float(jnp.mean(values)) - exact) < 4 * float(jnp.std(values)) / 10
    assert float(jnp.std(values)) > 0


def test_a_sketch_of_the_whole_space_is_exact(getkey):
    field = lambda x: jnp.stack([x[0] * x[1], jnp.sin(x[2]), x[0] ** 2 + 3 * x[2]])
    x = jnp.asarray([0.3, -0.7, 1.1])
    exact = x[1] + 3
    for divergence in (ex.solve.ExactDivergence(), ex.solve.HutchPlusPlus(sketch=5, num=1)):
        value, found = divergence(field, x, divergence.probes(getkey(), x))
        np.testing.assert_allclose(value, field(x))
        np.testing.assert_allclose(found, exact, rtol=1e-4)


def test_gradients_are_the_score_and_finite_differences(getkey):
    std = 0.3
    law = ex.Gaussian(np.zeros(2), std**2 * np.eye(2))
    x = std * jr.normal(getkey(), (4, 2))

    def total(x, variance):
        scaled = eqx.tree_at(lambda law: law.variances, law, jnp.full(2, variance))
        return jnp.sum(ex.log_density(VP, scaled, x).value)

    variance = jnp.asarray(std**2)
    of_x, of_variance = jax.jit(jax.grad(total, (0, 1)))(x, variance)
    np.testing.assert_allclose(of_x, -x / std**2, rtol=5e-3, atol=5e-3)
    slope = jnp.sum(0.5 * (x**2 / variance - 1) / variance)
    np.testing.assert_allclose(of_variance, slope, rtol=5e-3)


@pytest.mark.parametrize("law", ["Gaussian", "mixture"])
def test_the_truncation_is_removed_to_first_order_in_the_noise(law):
    # What remains of noise of variance e^{−λ} falls with its square; without the correction, with the variance itself.
    if law == "Gaussian":
        denoiser, x = ex.Gaussian(np.zeros(1), np.eye(1)), jnp.array([[0.2], [2.5]])
        exact = norm.logpdf(np.asarray(x)).sum(1)
    else:
        denoiser = ex.GaussianMixture(np.array([0.4, 0.6]), np.array([[-1.0], [1.5]]), np.array([[[0.8]], [[1.2]]]))
        x = jnp.array([[0.3], [3.5]])
        exact = np.log(0.4 * norm.pdf(x[:, 0], -1.0, 0.8**0.5) + 0.6 * norm.pdf(x[:, 0], 1.5, 1.2**0.5))
    without, remaining = [], []
    for variance in (0.1, 0.025):
        found = ex.log_density(VP, Trusted(denoiser, (-16.0, -np.log(variance))), x)
        without.append(np.abs(found.value - found.truncation - exact))
        remaining.append(np.abs(found.value - exact))
    np.testing.assert_allclose(np.log(without[0] / without[1]) / np.log(4), 1, atol=0.25)
    np.testing.assert_allclose(np.log(remaining[0] / remaining[1]) / np.log(4), 2, atol=0.25)
