"""Multistep solvers, step for step, beside the schedulers of diffusers on the same denoiser and grid: the states in
golden/diffusers.npz, which golden/make_diffusers.py made."""

import pathlib

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import entropax as ex


GOLDEN = np.load(pathlib.Path(__file__).parents[1] / "golden" / "diffusers.npz")
PROCESS = ex.VariancePreserving()
DENOISER = ex.GaussianMixture(
    np.full(2, 0.5), GOLDEN["means"], np.stack([std**2 * np.eye(2) for std in GOLDEN["stds"]])
)


@pytest.mark.parametrize(
    "name, solver",
    [
        ("dpm1", ex.solve.DPMSolverPlusPlus(1)),
        ("dpm2", ex.solve.DPMSolverPlusPlus(2)),
        ("unipc1", ex.solve.UniPC(1)),
        ("unipc2", ex.solve.UniPC(2)),
        ("unipc3", ex.solve.UniPC(3)),
    ],
)
def test_flow(name, solver):
    sampler = ex.Sampler(solver, grid=ex.solve.Nodes(GOLDEN[f"{name}_log_snr"]))
    path = ex.trajectory(PROCESS, DENOISER, jnp.asarray(GOLDEN["start"], jnp.float32), sampler=sampler)
    np.testing.assert_allclose(path.z, GOLDEN[f"{name}_states"], atol=1e-4)


class Recorded(dfx.AbstractBrownianPath):
    """The noise that diffusers was given."""

    ts: jax.Array
    noise: jax.Array
    levy_area: type = dfx.BrownianIncrement

    @property
    def t0(self):
        return self.ts[0]

    @property
    def t1(self):
        return self.ts[-1]

    def evaluate(self, t0, t1=None, left=True, use_levy=False):
        assert t1 is not None
        cell = jnp.argmin(jnp.abs(self.ts - t0))
        return self.noise[cell] * jnp.sqrt(t1 - t0)


@pytest.mark.parametrize("steps", [1, 2])
def test_reverse_sde(steps):
    log_snr = jnp.asarray(GOLDEN[f"sde{steps}_log_snr"], jnp.float32)
    clock = ex.NoiseRatio(T=1e6)
    ts = -jnp.exp(-0.5 * log_snr)
    path = Recorded(ts=ts, noise=jnp.asarray(GOLDEN["noise"], jnp.float32))
    scales = jnp.sqrt(1 + ts**2)[:, None, None]
    out = dfx.diffeqsolve(
        ex.terms.reverse(clock, DENOISER, path, start=0.0),
        ex.solve.SDEDPMSolverPlusPlus(steps),
        ts[0],
        ts[-1],
        None,
        jnp.asarray(GOLDEN["start"], jnp.float32) * scales[0],
        stepsize_controller=dfx.StepTo(ts),
        saveat=dfx.SaveAt(t0=True, steps=True),
        max_steps=ts.size - 1,
    )
    np.testing.assert_allclose(np.asarray(out.ys) / scales, GOLDEN[f"sde{steps}_states"], atol=1e-4)
