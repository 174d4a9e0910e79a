"""Training speed. `just bench train`

Steps per second of the default network on the seed-10 problem, compile time apart, and the share of the wall time that
is spent outside of the step function: a chunk of steps is one jitted scan, so that the host is only heard between
chunks. Expected: at most 5 % outside. Absolute times depend on the machine; quote them with its name.
"""

import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import rich.console
import rich.table

import entropax as ex
from entropax.train import _train


STEPS, CHUNK = 2_000, 500


def main() -> None:
    problem = ex.data.JointGaussian.random(jr.key(10), dim_x=25, dim_y=15, noise_std=1.0)
    x, y = problem.sample(jr.key(0), 20_000)
    inside: list[float] = []
    run_chunk = _train.run_chunk

    def timed(*args):
        start = time.perf_counter()
        state = jax.block_until_ready(run_chunk(*args))
        inside.append(time.perf_counter() - start)
        return state

    # From the first observation on, all is compiled.
    marks: list[float] = []
    _train.run_chunk = timed
    try:
        settings = ex.Settings(steps=STEPS, chunk=CHUNK)
        start = time.perf_counter()
        ex.fit_with_history(
            x, y, key=jr.key(1), settings=settings, observe=lambda *_: marks.append(time.perf_counter())
        )
    finally:
        _train.run_chunk = run_chunk
    wall = marks[-1] - marks[0]
    steps = STEPS - CHUNK
    stepping = float(np.sum(inside[1:]))
    compiling = inside[0] - stepping / (len(inside) - 1)
    table = rich.table.Table(
        "figure", "value", title=f"Training on {jax.devices()[0].device_kind} × {jax.device_count()}"
    )
    table.add_row("steps/s", f"{steps / wall:.1f}")
    table.add_row("samples/s", f"{settings.batch_size * steps / wall:,.0f}")
    table.add_row("compile time, apart", f"{compiling:.1f} s")
    table.add_row("set-up before the first chunk", f"{marks[0] - start - inside[0]:.1f} s")
    table.add_row("share of time outside the step function", f"{1 - stepping / wall:.2%}")
    table.add_row("parameters", f"{_parameters(problem):,}")
    rich.console.Console().print(table)


def _parameters(problem) -> int:
    condition = ex.nn.VectorCondition(problem.sample(jr.key(0), 100)[1], 128, key=jr.key(0))
    net = ex.nn.MLP(problem.dim_x, condition, (-9.0, 9.0), key=jr.key(1))
    return sum(leaf.size for leaf in jax.tree.leaves(net) if isinstance(leaf, jnp.ndarray))


if __name__ == "__main__":
    main()
