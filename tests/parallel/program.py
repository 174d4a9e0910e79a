"""What several devices and processes are held to: a training, estimates, samples and log-densities.

    python tests/parallel/program.py RESULT training|estimates|all [DEVICES [COORDINATOR PROCESSES PROCESS]]

The first process writes RESULT, a .npz. DEVICES is how many of all the mesh has. Where no coordinator is named, the
processes that `srun` or `mpirun` has started find each other.
"""

import sys

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex


SETTINGS = ex.Settings(steps=30, batch_size=64, chunk=15, learning_rate=2e-3)


class Linear(ex.AbstractDenoiser):
    """Two matrices, which lie on a mesh as the dozens of a network do, and compile in a third of the time."""

    of_state: jax.Array
    of_condition: jax.Array

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -9.0, 9.0

    def __call__(self, z, log_snr, y=None):
        noise = jax.nn.sigmoid(-log_snr) * (self.of_state @ z)
        return noise if y is None else noise + self.of_condition @ y


def samples():
    """From NumPy, which has nothing to compile."""
    y, noise = np.split(np.random.default_rng(0).standard_normal((256, 5)), [2], axis=1)
    x = y @ np.array([[1.0, 0.5, 0.0], [0.0, -1.0, 0.3]]) + 0.7 * noise
    return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)


def training(mesh):
    """A denoiser, its samples, and how it came about."""
    x, y = samples()
    denoiser = Linear(jnp.eye(3), jnp.zeros((3, 2)))
    trained = ex.train(denoiser, x, y, held_out=(x[:32], y[:32]), key=jr.key(2), settings=SETTINGS, mesh=mesh)
    return trained.denoiser, x, y, {"loss": trained.history.loss, "held_out": trained.history.held_out}


def fitted(mesh):
    """The same of a network."""
    x, y = samples()
    trained = ex.fit_with_history(x, y, key=jr.key(2), width=16, depth=1, settings=SETTINGS, mesh=mesh)
    return trained.denoiser, x, y, {"loss": trained.history.loss, "held_out": trained.history.held_out}


def estimates(denoiser, x, y, mesh):
    """Information and entropy."""
    found = {}
    # Several chunks, the last of them not full.
    integrator = ex.Integrator(chunk=2_000, mesh=mesh)
    for name, estimate in {
        "information": ex.mutual_information(denoiser, x, y, key=jr.key(3), integrator=integrator),
        "entropy": ex.neural_entropy(denoiser, x, key=jr.key(4), integrator=integrator),
    }.items():
        found[name] = np.stack([estimate.value, estimate.stderr])
        found[f"{name} by sample"] = estimate.pointwise
    return found


def solves(denoiser, x, y, mesh):
    """Samples and log-densities."""
    found = {}
    process, fixed = ex.VariancePreserving(), ex.Sampler(steps=6, mesh=mesh)
    adaptive = ex.Sampler(dfx.Tsit5(), controller=dfx.PIDController(rtol=1e-6, atol=1e-6), mesh=mesh)
    for name, sampler in {"samples": fixed, "adaptive samples": adaptive}.items():
        found[name] = ex.sample(process, denoiser, (8, 3), y[:8], key=jr.key(5), sampler=sampler).x
    return found | {"log-density": ex.log_density(process, denoiser, x[:8], y[:8], mesh=mesh).value}


def main(result: str, what: str, devices: str = "", *job: str) -> None:
    if job:
        coordinator, processes, process = job
        ex.parallel.initialize(coordinator, int(processes), int(process), timeout=60)
    else:
        ex.parallel.initialize()
    mesh = ex.parallel.make_mesh(jax.devices()[: int(devices)] if devices else None)
    denoiser, x, y, found = (fitted if what == "all" else training)(mesh)
    if what != "training":
        found |= estimates(denoiser, x, y, mesh)
    if what == "all":
        found |= solves(denoiser, x, y, mesh)
    found = ex.parallel.gather(found)
    if ex.parallel.leads():
        np.savez(result, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
