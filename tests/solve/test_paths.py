"""Functionals of simulated paths against the integrals over λ and against closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

import entropax as ex


PROBLEM = ex.data.JointGaussian.random(jr.key(3), dim_x=5, dim_y=3, noise_std=0.7)
VP = ex.VariancePreserving()
LAST = -12.0
ENTROPY = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * PROBLEM.cov_x)[1]
BOUNDS = (ex.solve.nll_bound, ex.solve.denoising_bound)


def assert_close(estimate, exact):
    assert abs(float(estimate.value) - exact) < 4 * float(estimate.stderr), (str(estimate), exact)


def by_point(estimate, points):
    """What was found at each of the points that the samples repeat."""
    assert estimate.pointwise is not None
    return estimate.pointwise.reshape(points, -1)


def assert_means(values, exact):
    """Each row's mean within four standard errors."""
    means, errors = jnp.mean(values, 1), jnp.std(values, 1) / np.sqrt(values.shape[1])
    assert bool(jnp.all(jnp.abs(means - exact) < 4 * errors)), (means, exact, errors)


def _covered(process, paths):
    """The λ that a simulation covers."""
    low, high = process.log_snr_range(paths.s_min)
    return max(low, LAST), high


@pytest.mark.parametrize("process", [VP, pytest.param(ex.Cosine(), marks=pytest.mark.slow)], ids=["VP", "cosine"])
def test_entropy_is_produced_forwards_and_put_back_in_reverse(process, getkey):
    x, y = PROBLEM.sample(getkey(), 4000)
    paths, denoiser = ex.solve.Paths(steps=128, s_min=1e-3), PROBLEM.denoiser()
    low, high = _covered(process, paths)
    exact = PROBLEM.total_entropy_between(low, high)
    produced = ex.solve.entropy_production(process, denoiser, x, key=getkey(), paths=paths)
    assert_close(produced, exact)
    assert float(produced.stderr) < 0.05 * exact
    noise = process.equilibrium_std * jr.normal(getkey(), x.shape)
    injected = ex.solve.information_injected(process, denoiser, noise, key=getkey(), paths=paths)
    assert_close(injected, exact)
    # The same by the gap integral, over the same noise levels.
    integrator = ex.Integrator(log_snr_range=(low, high))
    by_gap = ex.neural_entropy(denoiser, x, key=getkey(), process=process, integrator=integrator)
    assert abs(float(by_gap.value - produced.value)) < 4 * float(jnp.hypot(by_gap.stderr, produced.stderr))


def test_conditional_entropy_is_produced_given_y(getkey):
    x, y = PROBLEM.sample(getkey(), 4000)
    paths = ex.solve.Paths(steps=128, s_min=1e-4)
    produced = ex.solve.entropy_production(VP, PROBLEM.denoiser(), x, y, key=getkey(), paths=paths)
    gained = PROBLEM.mutual_information_between(*_covered(VP, paths))
    assert_close(produced, PROBLEM.total_entropy_between(*_covered(VP, paths)) + gained)


@pytest.mark.parametrize(
    "process",
    [VP, *(pytest.param(other, marks=pytest.mark.slow) for other in (ex.SubVariancePreserving(), ex.StraightLine()))],
    ids=["VP", "sub-VP", "SL"],
)
def test_the_path_integral_is_the_likelihood_of_each_sample(process, getkey):
    means, covs = np.array([[-1.0, 0.3], [1.2, -0.5]]), np.stack([0.2 * np.eye(2), 0.3 * np.eye(2) + 0.15])
    denoiser = ex.GaussianMixture(np.array([0.4, 0.6]), means, covs)
    points = np.array([[-1.0, 0.0], [0.3, 0.3], [1.5, -1.0]])
    parts = [np.log(w) + multivariate_normal.logpdf(points, m, c) for w, m, c in zip((0.4, 0.6), means, covs)]
    exact = -np.asarray(logsumexp(parts, 0))
    many = jnp.repeat(jnp.asarray(points, jnp.float32), 1024, 0)
    values = by_point(ex.solve.path_nll(process, denoiser, many, key=getkey()), 3)
    errors = jnp.std(values, 1) / 32
    assert bool(jnp.all(jnp.abs(jnp.mean(values, 1) - exact) < 4 * errors + 3e-3)), (values.mean(1), exact, errors)


def test_the_path_integral_is_the_entropy(getkey):
    x, _ = PROBLEM.sample(getkey(), 4000)
    assert_close(ex.solve.path_nll(VP, PROBLEM.denoiser(), x, key=getkey()), ENTROPY)


@pytest.mark.parametrize("bound", BOUNDS, ids=["(30)", "(31)"])
def test_the_bound_is_met_by_the_optimal_control_and_by_no_other(bound, getkey):
    x, _ = PROBLEM.sample(getkey(), 4000)
    # The control of another law q costs KL(p‖q) more: the bound is −E log q.
    for scale in (1.0, 1.5):
        control = ex.solve.OptimalControl(VP, ex.Gaussian(np.zeros(5), scale * PROBLEM.cov_x))
        found = bound(VP, control, x, key=getkey())
        assert_close(found, ENTROPY + 2.5 * (np.log(scale) + 1 / scale - 1))


def test_no_control_at_all_costs_more(getkey):
    # The density of a time-reversed free process.
    x, _ = PROBLEM.sample(getkey(), 4000)
    assert float(ex.solve.nll_bound(VP, _Free(VP), x, key=getkey()).value) > ENTROPY


@pytest.mark.slow
@pytest.mark.parametrize("process", [VP, ex.StraightLine()], ids=["VP", "SL"])
def test_completing_the_square_changes_no_sample(process, getkey):
    points, key = np.array([[-0.8], [0.3], [1.5]]), getkey()
    many = jnp.repeat(jnp.asarray(points, jnp.float32), 4096, 0)
    # What the noise at the end still sees of the data.
    unseen = 0.5 * np.exp(_covered(process, ex.solve.Paths())[0]) * points[:, 0] ** 2
    # A Gaussian, and two; of one shape, to compile once.
    for means, variances in (
        (np.array([0.5, 0.5]), np.array([0.3, 0.3])),
        (np.array([-1.0, 1.2]), np.array([0.2, 0.05])),
    ):
        law = ex.GaussianMixture(np.array([0.4, 0.6]), means[:, None], variances[:, None, None])
        control = ex.solve.OptimalControl(process, law)
        # On the same paths: they differ by ∫ b₊·g + ∇·b₊, of mean zero at each sample.
        values = [by_point(bound(process, control, many, key=key), 3) for bound in BOUNDS]
        difference = values[0] - values[1] - unseen[:, None]
        assert_means(difference, 0.0)
        densities = norm.logpdf(points, means, np.sqrt(variances))
        exact = -np.asarray(logsumexp(densities, 1, b=np.array([0.4, 0.6])))
        for value in values:
            assert_means(value, exact)


class _Free(eqx.Module):
    """u = −b₊: the entropy-matching network that predicts nothing."""

    process: ex.AbstractProcess

    def __call__(self, t, x, y):
        return -self.process.drift_rate(t) * x


def test_gradients_in_the_process_and_in_the_denoiser(getkey):
    # S_tot of N(0, v) between two times, with derivative in v.
    x, key = jr.normal(getkey(), (256, 1)), getkey()
    paths = ex.solve.Paths(steps=32, s_min=1e-2)

    def produced(variance, beta_max):
        law = eqx.tree_at(lambda law: law.variances, ex.Gaussian(np.zeros(1), np.eye(1)), variance[None])
        process = eqx.tree_at(lambda process: process.beta_max, VP, beta_max)
        return ex.solve.entropy_production(process, law, jnp.sqrt(variance) * x, key=key, paths=paths).value

    at = (jnp.asarray(0.3), jnp.asarray(16.0))
    both = jax.jit(jax.value_and_grad(produced, (0, 1)))
    _, gradients = both(*at)
    for i, step in enumerate((3e-3, 0.3)):
        ends = [both(*(value + side * step * (k == i) for k, value in enumerate(at)))[0] for side in (1, -1)]
        np.testing.assert_allclose(gradients[i], (ends[0] - ends[1]) / (2 * step), rtol=2e-2, atol=1e-4)
