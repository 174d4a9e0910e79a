"""The cost of a solve by Diffrax on our terms. `just bench solve`

The reverse SDE of an untrained default network, 64 dimensions, 256 samples, 128 Euler steps, and its gradient in all
parameters: our terms with the grid Brownian path, a `lax.scan` written by hand, and our terms with Diffrax's
`VirtualBrownianTree`, in turns in one process. Expected: at most 1.1 times the scan in time and 1.2 times in memory.
"""

import functools as ft
import time

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import rich.console
import rich.table

import entropax as ex


DIM, BATCH, STEPS, ROUNDS = 64, 256, 128, 9
PROCESS = ex.VariancePreserving()
TIMES = PROCESS.T - ex.solve.uniform_in_log_snr(PROCESS, STEPS, 1e-3)


def by_hand(denoiser, x, key):
    """Euler–Maruyama as one would write it."""

    def step(x, inputs):
        t, width, index = inputs
        s = PROCESS.T - t
        strength = PROCESS.diffusion_squared(s)
        score = jax.vmap(lambda x: ex.score(PROCESS, denoiser, x, s))(x)
        noise = jnp.sqrt(strength * width) * jr.normal(jr.fold_in(key, index), x.shape)
        return x + width * (strength * score - PROCESS.drift_rate(s) * x) + noise, None

    return jax.lax.scan(step, x, (TIMES[:-1], jnp.diff(TIMES), jnp.arange(STEPS)))[0]


def by_diffrax(path, denoiser, x, key):
    """The same by Diffrax, all steps kept for the gradient, as the scan does."""
    out = dfx.diffeqsolve(
        ex.terms.reverse(PROCESS, denoiser, path(key, x.shape)),
        dfx.Euler(),
        TIMES[0],
        TIMES[-1],
        None,
        x,
        stepsize_controller=dfx.StepTo(TIMES),
        adjoint=dfx.RecursiveCheckpointAdjoint(checkpoints=STEPS),
        max_steps=STEPS,
        throw=False,
    )
    assert out.ys is not None
    return out.ys[0]


def grid(key, shape):
    return ex.terms.GridBrownianPath(TIMES, key, shape, dfx.BrownianIncrement)


def tree(key, shape):
    return dfx.VirtualBrownianTree(0.0, PROCESS.T, float(np.diff(np.asarray(TIMES)).min()) / 2, shape, key)


WAYS = {
    "lax.scan by hand": by_hand,
    "our terms, grid path": ft.partial(by_diffrax, grid),
    "our terms, VirtualBrownianTree": ft.partial(by_diffrax, tree),
}


def main() -> None:
    net = ex.nn.MLP(DIM, ex.nn.NoCondition(128), (-9.0, 9.0), key=jr.key(0))
    parameterisation = ex.entropy_matching()
    white = ex.Whitening.fit(jr.normal(jr.key(4), (1000, DIM)))
    model = ex.Neural(net, parameterisation.baseline, parameterisation.scale, white, (-9.0, 9.0))
    x = jr.normal(jr.key(1), (BATCH, DIM))

    table = rich.table.Table("solve", "time", "of the scan", "memory", "of the scan", title=_device())
    for label, kind in (("forward", lambda f: f), ("gradient", _gradient)):
        compiled = {name: _compile(kind(way), model, x) for name, way in WAYS.items()}
        # In turns, so that what else the machine does falls on all alike.
        times = np.array([[_time(run, model, x) for run in compiled.values()] for _ in range(ROUNDS)])
        median = np.median(times, 0)
        ratio = np.median(times / times[:, :1], 0)
        memory = np.array([run.compiled.memory_analysis().temp_size_in_bytes for run in compiled.values()])
        for i, name in enumerate(WAYS):
            cells = f"{1e3 * median[i]:.0f} ms", f"{ratio[i]:.2f}", f"{memory[i] / 2**20:.1f} MiB"
            table.add_row(f"{name}, {label}", *cells, f"{memory[i] / memory[0]:.2f}", end_section=i == len(WAYS) - 1)
    rich.console.Console().print(table)


def _gradient(way):
    return eqx.filter_grad(lambda model, x, key: jnp.mean(way(model, x, key) ** 2))


def _compile(function, model, x):
    lower = eqx.filter_jit(function).lower  # pyright: ignore[reportFunctionMemberAccess]
    return lower(model, x, jr.key(2)).compile()


def _time(run, model, x) -> float:
    start = time.perf_counter()
    jax.block_until_ready(run(model, x, jr.key(2)))
    return time.perf_counter() - start


def _device() -> str:
    return f"{DIM} dimensions, {BATCH} samples, {STEPS} steps on {jax.devices()[0].device_kind}"


if __name__ == "__main__":
    main()
