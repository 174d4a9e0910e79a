"""Directions of small variance come out with that variance, under every sampler and in every clock."""

import diffrax as dfx
import jax.numpy as jnp
import numpy as np
import pytest

import entropax as ex


PROCESS = ex.VariancePreserving()
MEAN = np.array([0.0, -1.0, 0.5, 2.0, 0.5])
VARIANCES = np.array([1.0, 1e-4, 1e-6, 1e-8, 1e-10])
LAW = ex.Gaussian(MEAN, np.diag(VARIANCES))
RANGE = (-8.0, 27.0)
CLOCKS = {
    "default": None,
    "ratio, short": ex.NoiseRatio(T=80.0),
    "ratio, long": ex.NoiseRatio(T=1e12),
    "variance": ex.Brownian(T=1e4),
    "log-SNR": ex.LogSNR(highest=30.0, T=40.0),
    "VP": PROCESS,
    "VP, wide": ex.VariancePreserving(beta_max=20.0, kappa=3.0),
    "VP, long": ex.VariancePreserving(beta_min=1e-4, beta_max=0.02, T=1000.0),
    "VP, short": ex.VariancePreserving(beta_min=1e5, beta_max=16e6, T=1e-6),
    "scheduled": ex.ScheduledVariancePreserving(log_rates=jnp.array([0.0, 1.0, 3.0])),
    "sub-VP": ex.SubVariancePreserving(),
    "VE": ex.VarianceExploding(sigma_max=60.0),
    "straight line": ex.StraightLine(),
    "cosine": ex.Cosine(),
}
MULTISTEP = {
    "DPM": (ex.solve.DPMSolverPlusPlus(), 150),
    "DPM, 1": (ex.solve.DPMSolverPlusPlus(1), 600),
    "DPM, 3": (ex.solve.DPMSolverPlusPlus(3), 150),
    "UniPC": (ex.solve.UniPC(), 150),
    "Adams-Bashforth": (ex.solve.AdamsBashforth(), 300),
}
every_clock = pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS)


def assert_spreads(variances):
    # The last denoised mean takes off the share of the noise that is left, 1/54 of the least variance.
    np.testing.assert_allclose(variances, VARIANCES, rtol=0.05)


def assert_a_flow_keeps_the_law(sampler, law=LAW):
    # The law is Gaussian, so that the sampler is affine: two opposite states say what it does.
    x = np.asarray(
        ex.decode(PROCESS, law, jnp.ones((2, 5)) * jnp.array([[1.0], [-1.0]]), sampler=sampler).x, np.float64
    )
    assert_spreads((0.5 * (x[0] - x[1])) ** 2)
    # The noise begins at e⁻⁴ of the mean away from 0, which the spread carries along.
    assert np.all(np.abs(x.mean(0) - law.mean) < 0.07 * np.sqrt(VARIANCES) + 1e-6)


def assert_draws_have_the_law(sampler, key, batch):
    x = np.asarray(ex.sample(PROCESS, LAW, (batch, 5), key=key, sampler=sampler).x, np.float64)
    np.testing.assert_allclose(x.var(0), VARIANCES, rtol=0.05 + 4 * np.sqrt(2 / batch))
    assert np.all(np.abs(x.mean(0) - MEAN) < (0.05 + 4 / np.sqrt(batch)) * np.sqrt(VARIANCES) + 1e-6)


@every_clock
def test_flows_in_every_clock(clock):
    assert_a_flow_keeps_the_law(ex.Sampler(dfx.Tsit5(), steps=150, clock=clock, log_snr_range=RANGE))


@pytest.mark.parametrize("clock", [None, ex.NoiseRatio(T=80.0), ex.NoiseRatio(T=1e12)])
@pytest.mark.parametrize("solver, steps", MULTISTEP.values(), ids=MULTISTEP)
def test_multistep_solvers(solver, steps, clock):
    assert_a_flow_keeps_the_law(ex.Sampler(solver, steps=steps, clock=clock, log_snr_range=RANGE))


@pytest.mark.parametrize("grid", [ex.solve.UniformLogSNR(), ex.solve.Karras()], ids=["λ", "Karras"])
def test_heun(grid):
    assert_a_flow_keeps_the_law(ex.Sampler(dfx.Heun(), steps=600, grid=grid, log_snr_range=RANGE))


@pytest.mark.parametrize("clock", ["default", "VP", "log-SNR", "cosine"])
def test_adaptive_flows(clock):
    # About 0, because a tolerance relative to a mean of 0.5 would not resolve a spread of 1e-5.
    centred = ex.Gaussian(np.zeros(5), np.diag(VARIANCES))
    controller = dfx.PIDController(rtol=1e-4, atol=1e-8)
    sampler = ex.Sampler(dfx.Tsit5(), clock=CLOCKS[clock], controller=controller, log_snr_range=RANGE)
    assert_a_flow_keeps_the_law(sampler, centred)


@every_clock
def test_noise_in_every_clock(clock, getkey):
    sampler = ex.Sampler(dfx.ShARK(), steps=250, clock=clock, churn=1.0, log_snr_range=RANGE)
    assert_draws_have_the_law(sampler, getkey(), 2_000)


@pytest.mark.parametrize("churn", [1.0, 0.3])
def test_noise_under_a_multistep_solver(churn, getkey):
    sampler = ex.Sampler(ex.solve.SDEDPMSolverPlusPlus(), steps=150, churn=churn, log_snr_range=RANGE)
    assert_draws_have_the_law(sampler, getkey(), 4_000)


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["default", "VP", "log-SNR"])
def test_noise_under_adaptive_steps(clock, getkey):
    # A tolerance relative to the state resolves a small spread about 0 only, and a loose one accepts a leap by chance.
    law = ex.Gaussian(np.zeros(1), np.array([[1e-8]]))
    controller = dfx.PIDController(rtol=0.02, atol=2e-6)
    sampler = ex.Sampler(dfx.ShARK(), clock=CLOCKS[clock], churn=1.0, controller=controller, log_snr_range=(-8.0, 22.0))
    x = np.asarray(ex.sample(PROCESS, law, (128, 1), key=getkey(), sampler=sampler).x, np.float64)
    assert abs(x.var() / 1e-8 - 1) < 0.05 + 4 * np.sqrt(2 / 128)
    assert abs(x.mean()) < 4e-4 / np.sqrt(128)


@pytest.mark.parametrize("T", [1.0, 80.0, 1e6, 1e12])
def test_the_diffusion_is_exact_at_all_times(T):
    for s in (1e-9, 1e-6, 1e-4, 1e-3, 0.1, 1.0):
        np.testing.assert_allclose(ex.NoiseRatio(T=T).diffusion_squared(jnp.asarray(s)), 2 * s, rtol=1e-5)
        np.testing.assert_allclose(ex.Brownian(T=T).diffusion_squared(jnp.asarray(s)), 1.0, rtol=1e-5)
        # A schedule that is stretched in time: β is that of its own time.
        long = ex.VariancePreserving(beta_min=0.1 / T, beta_max=16.0 / T, T=T)
        np.testing.assert_allclose(long.diffusion_squared(jnp.asarray(s)), (0.1 + 15.9 * s / T) / T, rtol=1e-5)


@every_clock
def test_the_diffusion_has_a_limit_at_time_0(clock):
    process = ex.NoiseRatio(T=1e6) if clock is None else clock
    early = process.time(jnp.asarray(29.0))
    at_0, beside = process.diffusion_squared(jnp.asarray(0.0)), process.diffusion_squared(early)
    # Where the diffusion vanishes at 0, it is proportional to time beside it.
    assert bool(jnp.isfinite(at_0))
    if not isinstance(process, (ex.NoiseRatio, ex.LogSNR)):
        np.testing.assert_allclose(at_0, beside, rtol=1e-3, atol=1e-5)
