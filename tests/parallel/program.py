"""What several devices and processes are held to: a training, an estimate, samples and log-densities.

    python tests/parallel/program.py RESULT all|training [DEVICES [COORDINATOR PROCESSES PROCESS]]

The first process writes RESULT, a .npz. DEVICES is how many of all the mesh has.
"""

import sys

import diffrax as dfx
import jax
import jax.random as jr
import numpy as np

import entropax as ex


def training(mesh):
    """A denoiser, its samples, and how it came about."""
    problem = ex.data.JointGaussian.random(jr.key(0), dim_x=3, dim_y=2, noise_std=0.7)
    x, y = problem.sample(jr.key(1), 256)
    settings = ex.Settings(steps=30, batch_size=64, chunk=15, learning_rate=2e-3)
    trained = ex.fit_with_history(x, y, key=jr.key(2), width=16, depth=1, settings=settings, mesh=mesh)
    return trained.denoiser, x, y, {"loss": trained.history.loss, "held_out": trained.history.held_out}


def measurements(denoiser, x, y, mesh):
    """Estimates, samples and log-densities."""
    found = {}
    # Several chunks, the last of them not full.
    integrator = ex.Integrator(chunk=2_000, mesh=mesh)
    for name, estimate in {
        "information": ex.mutual_information(denoiser, x, y, key=jr.key(3), integrator=integrator),
        "entropy": ex.neural_entropy(denoiser, x, key=jr.key(4), integrator=integrator),
    }.items():
        found[name] = np.stack([estimate.value, estimate.stderr])
        found[f"{name} by sample"] = estimate.pointwise
    process, fixed = ex.VariancePreserving(), ex.Sampler(steps=6, mesh=mesh)
    adaptive = ex.Sampler(dfx.Tsit5(), controller=dfx.PIDController(rtol=1e-6, atol=1e-6), mesh=mesh)
    for name, sampler in {"samples": fixed, "adaptive samples": adaptive}.items():
        found[name] = ex.sample(process, denoiser, (8, 3), y[:8], key=jr.key(5), sampler=sampler).x
    return found | {"log-density": ex.log_density(process, denoiser, x[:8], y[:8], mesh=mesh).value}


def main(result: str, what: str, devices: str = "", *job: str) -> None:
    if job:
        coordinator, processes, process = job
        ex.parallel.initialize(coordinator, int(processes), int(process), timeout=60)
    mesh = ex.parallel.make_mesh(jax.devices()[: int(devices)] if devices else None)
    denoiser, x, y, found = training(mesh)
    if what == "all":
        found |= measurements(denoiser, x, y, mesh)
    found = ex.parallel.gather(found)
    if ex.parallel.leads():
        np.savez(result, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
