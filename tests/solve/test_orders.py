"""The empirical order of every ODE solver, in float64, on an exact score: nominal to 0.3."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

import entropax as ex


PROCESS = ex.VariancePreserving(beta_max=60.0)
# Multistep solvers begin at order one, where so much noise is left that the data's prediction hardly moves.
RANGE = (-14.0, 6.0)


def slow(solver):
    """Those whose kind another one stands for."""
    return pytest.param(solver, marks=pytest.mark.slow)


MULTISTEP = (
    slow(ex.solve.AdamsBashforth(1)),
    slow(ex.solve.AdamsBashforth(2)),
    slow(ex.solve.AdamsBashforth(3)),
    slow(ex.solve.AdamsBashforth(4)),
    slow(ex.solve.DPMSolverPlusPlus(1)),
    ex.solve.DPMSolverPlusPlus(2),
    ex.solve.DPMSolverPlusPlus(3),
    slow(ex.solve.UniPC(1)),
    ex.solve.UniPC(2),
    slow(ex.solve.UniPC(3)),
)
ONE_STEP = (
    slow(dfx.Euler()),
    dfx.Heun(),
    slow(dfx.Midpoint()),
    slow(dfx.Ralston()),
    slow(dfx.Bosh3()),
    dfx.Tsit5(),
    slow(dfx.Dopri5()),
    slow(dfx.Dopri8()),
)


def name(solver):
    return f"{type(solver).__name__}{getattr(solver, 'steps', '')}"


WEIGHTS, MEANS, STDS = np.array([0.4, 0.6]), np.array([-0.9, 0.7]), np.array([0.5, 0.3])


def mixture():
    return ex.GaussianMixture(WEIGHTS, MEANS[:, None], STDS[:, None, None] ** 2)


def distribution(z, log_snr):
    """The distribution function of the diffused mixture."""
    a = 1 / (1 + np.exp(-log_snr))
    spreads = np.sqrt(a * STDS**2 + 1 - a)
    return norm.cdf((z[:, None] - np.sqrt(a) * MEANS) / spreads) @ WEIGHTS


def exact_end(latent):
    """On the line the probability flow keeps every state's quantile."""
    quantiles = distribution(latent.ravel(), RANGE[0])
    ends = [brentq(lambda z: distribution(np.array([z]), RANGE[1])[0] - q, -5, 5, xtol=1e-14) for q in quantiles]
    return np.asarray(ends)[:, None]


def errors(solver, counts, clock=None):
    latent = jr.normal(jr.key(0), (8, 1), jnp.float64)
    denoiser, exact = mixture(), exact_end(np.asarray(latent))
    found = []
    for steps in counts:
        sampler = ex.Sampler(
            solver, steps=steps, grid=ex.solve.UniformLogSNR(), clock=clock, log_snr_range=RANGE, finish=None
        )
        x = np.asarray(ex.decode(PROCESS, denoiser, latent, sampler=sampler).x)
        # Without a finish the state is x₀ plus noise, in the units of the data: z over the signal.
        z = x * np.sqrt(1 / (1 + np.exp(-RANGE[1])))
        found.append(np.sqrt(np.mean((z - exact) ** 2)))
    return np.asarray(found)


@pytest.mark.parametrize("solver", MULTISTEP, ids=name)
def test_multistep(solver):
    with jax.enable_x64(True):
        coarse, fine = errors(solver, (192, 384))
        order = solver.order(None)
    assert abs(np.log2(coarse / fine) - order) < 0.3, (coarse, fine)


@pytest.mark.parametrize("solver", ONE_STEP, ids=name)
def test_one_step(solver):
    with jax.enable_x64(True):
        order = solver.order(None)
        coarse, fine = errors(solver, (192, 384) if order == 5 else (24, 48))
    assert abs(np.log2(coarse / fine) - order) < 0.3, (coarse, fine)


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver, clock",
    [(ex.solve.AdamsBashforth(3), ex.LogSNR()), (dfx.Heun(), PROCESS)],
    ids=["log-SNR", "native"],
)
def test_clocks(solver, clock):
    with jax.enable_x64(True):
        coarse, fine = errors(solver, (128, 256), clock)
    assert abs(np.log2(coarse / fine) - solver.order(None)) < 0.3, (coarse, fine)
