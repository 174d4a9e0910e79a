"""The probability flow and the clocks it can run in, against closed forms."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


MEAN, VARIANCE = np.array([0.5, -1.0]), np.array([0.3, 0.02])
DENOISER = ex.Gaussian(MEAN, np.diag(VARIANCE))
PROCESSES = {
    "VP": ex.VariancePreserving(),
    "sub-VP": ex.SubVariancePreserving(),
    "VE": ex.VarianceExploding(sigma_max=5.0),
    "straight line": ex.StraightLine(),
    "cosine": ex.Cosine(),
    "noise ratio": ex.NoiseRatio(T=5.0),
    "Brownian": ex.Brownian(T=25.0),
}


def _kernel(process, s):
    return jax.jit(lambda process, s: (process.mean_factor(s), process.std(s)))(process, jnp.asarray(s))


def _transport(process, x, s, end):
    """The flow of Gaussian data: each direction keeps its number of standard deviations."""
    (mu, std), (mu_end, std_end) = _kernel(process, s), _kernel(process, end)
    scale = np.sqrt((mu_end**2 * VARIANCE + std_end**2) / (mu**2 * VARIANCE + std**2))
    return mu_end * MEAN + scale * (x - mu * MEAN)


def _solve(term, solver, start, end, x, controller: dfx.AbstractStepSizeController = dfx.PIDController(1e-6, 1e-6)):
    out = jax.jit(
        lambda x: dfx.diffeqsolve(term, solver, start, end, None, x, stepsize_controller=controller, max_steps=4096)
    )(x)
    return out.ys[0]


@pytest.mark.parametrize(
    "process",
    [
        pytest.param(process, marks=[] if kind in ("VP", "VE") else pytest.mark.slow)
        for kind, process in PROCESSES.items()
    ],
    ids=PROCESSES,
)
def test_there_and_back(process, getkey):
    s_min, s_max = 1e-3 * process.T, 0.9 * process.T
    mu, std = _kernel(process, s_min)
    x = mu * (MEAN + np.sqrt(VARIANCE) * jr.normal(getkey(), (4, 2))) + std * jr.normal(getkey(), (4, 2))
    noised = _solve(ex.terms.probability_flow(process, DENOISER), dfx.Tsit5(), s_min, s_max, x)
    np.testing.assert_allclose(noised, _transport(process, x, s_min, s_max), rtol=1e-4, atol=1e-4)
    back = dfx.ODETerm(ex.terms.TimeReversed(ex.terms.ProbabilityFlow(process, DENOISER), process.T))
    start, end = process.T - s_max, process.T - s_min
    np.testing.assert_allclose(_solve(back, dfx.Tsit5(), start, end, noised), x, rtol=1e-3, atol=1e-3)
    # Churn zero is the same flow.
    none = dfx.ODETerm(ex.terms.ReverseDrift(process, DENOISER, 0.0))
    np.testing.assert_allclose(
        none.vf(jnp.asarray(start), noised, None), back.vf(jnp.asarray(start), noised, None), rtol=1e-4, atol=1e-5
    )


def test_euler_in_the_clock_of_the_noise_ratio_is_ddim(getkey):
    # x_{i+1} = μ_{i+1} x̂ + √Σ_{i+1} ε̂ in any process, here the variance-preserving one.
    process, clock = ex.VariancePreserving(), ex.NoiseRatio(T=40.0)
    ratios = jnp.geomspace(40.0, 0.02, 9)
    times = jax.vmap(process.time)(-2 * jnp.log(ratios))
    x = jr.normal(getkey(), (3, 2))

    state = x
    for s, after in zip(times[:-1], times[1:]):
        eps = -process.std(s) * ex.terms.batched_score(process, DENOISER, state, s, None)
        data = (state - process.std(s) * eps) / process.mean_factor(s)
        state = process.mean_factor(after) * data + process.std(after) * eps

    start, first = ex.change_clock(process, clock, x, times[0])
    np.testing.assert_allclose(first, ratios[0], rtol=1e-5)
    ts = clock.T - ratios
    field = ex.terms.TimeReversed(ex.terms.ProbabilityFlow(clock, DENOISER), clock.T)
    end = _solve(dfx.ODETerm(field), dfx.Euler(), ts[0], ts[-1], start, dfx.StepTo(ts))
    end, _ = ex.change_clock(clock, process, end, ratios[-1])
    np.testing.assert_allclose(end, state, rtol=1e-4, atol=1e-5)


def test_conditions_reach_the_denoiser_as_args(getkey):
    problem = ex.data.JointGaussian.random(jr.key(3), dim_x=5, dim_y=3, noise_std=0.7)
    x, y = problem.sample(getkey(), 3)
    process, denoiser = PROCESSES["VP"], problem.denoiser()
    field = ex.terms.ProbabilityFlow(process, denoiser)
    s = jnp.asarray(0.4)
    given = field(s, x, y)
    one = 0.5 * process.diffusion_squared(s) * ex.score(process, denoiser, x[1], s, y[1])
    np.testing.assert_allclose(given[1], process.drift_rate(s) * x[1] - one, rtol=1e-5)
    assert float(jnp.max(jnp.abs(given - field(s, x, None)))) > 0.01
