"""Functionals of simulated paths against the integrals over λ and against closed forms."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.scipy.stats as jst
import numpy as np
import pytest

import entropax as ex


PROBLEM = ex.data.JointGaussian.random(jr.key(3), dim_x=5, dim_y=3, noise_std=0.7)
PROCESSES = {"VP": ex.VariancePreserving(), "cosine": ex.Cosine()}
VP = PROCESSES["VP"]
LAST = -12.0


def assert_close(estimate, exact):
    assert abs(float(estimate.value) - exact) < 4 * float(estimate.stderr), (str(estimate), exact)


def _covered(process, paths):
    """The λ that a simulation covers."""
    low, high = process.log_snr_range(paths.s_min)
    return max(low, LAST), high


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
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


@pytest.mark.parametrize("process", [VP, ex.SubVariancePreserving(), ex.StraightLine()], ids=["VP", "sub-VP", "SL"])
def test_the_path_integral_is_the_likelihood_of_each_sample(process, getkey):
    means, covs = np.array([[-1.0, 0.3], [1.2, -0.5]]), np.stack([0.2 * np.eye(2), 0.3 * np.eye(2) + 0.15])
    denoiser = ex.GaussianMixture(np.array([0.4, 0.6]), means, covs)
    points = jnp.asarray([[-1.0, 0.0], [0.3, 0.3], [1.5, -1.0]])
    parts = [np.log(w) + jst.multivariate_normal.logpdf(points, m, c) for w, m, c in zip((0.4, 0.6), means, covs)]
    exact = -jax.nn.logsumexp(jnp.stack(parts), 0)
    many = jnp.repeat(points, 1024, 0)
    values = ex.solve.path_nll(process, denoiser, many, key=getkey()).pointwise
    assert values is not None
    values = values.reshape(3, 1024)
    errors = jnp.std(values, 1) / 32
    assert bool(jnp.all(jnp.abs(jnp.mean(values, 1) - exact) < 4 * errors + 3e-3)), (values.mean(1), exact, errors)


def test_the_bound_is_met_by_the_optimal_control_and_by_no_other(getkey):
    x, _ = PROBLEM.sample(getkey(), 4000)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * PROBLEM.cov_x)[1]
    optimal = ex.solve.OptimalControl(VP, ex.Unconditional(PROBLEM.denoiser()))
    assert_close(ex.solve.path_nll(VP, PROBLEM.denoiser(), x, key=getkey()), entropy)
    assert_close(ex.solve.nll_bound(VP, optimal, x, key=getkey()), entropy)
    # The control of another law q costs KL(p‖q) more: the bound is −E log q.
    wrong = ex.Gaussian(np.zeros(5), 1.5 * PROBLEM.cov_x)
    bound = ex.solve.nll_bound(VP, ex.solve.OptimalControl(VP, wrong), x, key=getkey())
    assert_close(bound, entropy + 2.5 * (np.log(1.5) + 1 / 1.5 - 1))
    # No control at all: the density of a time-reversed free process.
    assert float(ex.solve.nll_bound(VP, _Free(VP), x, key=getkey()).value) > entropy


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
    gradients = jax.jit(jax.grad(produced, (0, 1)))(*at)
    produced = jax.jit(produced)
    for i, step in enumerate((3e-3, 0.3)):
        ends = [produced(*(value + side * step * (k == i) for k, value in enumerate(at))) for side in (1, -1)]
        np.testing.assert_allclose(gradients[i], (ends[0] - ends[1]) / (2 * step), rtol=2e-2, atol=1e-4)


def test_what_cannot_be_done_is_refused(getkey):
    x = jr.normal(getkey(), (4, 5))
    with pytest.raises(ValueError, match="has no .*equilibrium"):
        ex.solve.entropy_production(ex.VarianceExploding(), PROBLEM.denoiser(), x, key=getkey())
    with pytest.raises(ValueError, match=r"`s_min`, `s_max` must satisfy"):
        ex.solve.entropy_production(VP, PROBLEM.denoiser(), x, key=getkey(), paths=ex.solve.Paths(s_min=2.0))
    stiff = ex.solve.Paths(steps=3, s_min=1e-5, solver=dfx.Euler())
    with pytest.raises(RuntimeError, match="A path left all bounds under Euler in 3 steps"):
        ex.solve.information_injected(
            VP, ex.Gaussian(np.zeros(5), 1e-12 * np.eye(5)), 1e20 * x, key=getkey(), paths=stiff
        )
