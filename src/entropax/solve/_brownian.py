from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray


# The shortest step that a tree can resolve, as a share of its cell.
_RESOLUTION = 2.0**-14


class CellwiseBrownianPath(dfx.AbstractBrownianPath):
    r"""Brownian motion at any times, for adaptive steps: a [`diffrax.VirtualBrownianTree`][] for each cell of a grid.

    One tree over the whole interval measures time in units of that interval, and cannot distinguish the last noise
    levels of a sampler, whose times are a billionth of the first one. Here each tree measures time in units of its own
    cell. Increments of several cells are joined by Chen's relation.

    **Arguments:**

    - `ts`: the ends of the cells, increasing, shape `(times,)`.
    - `key`: all randomness.
    - `shape`: of an increment.
    """

    ts: Float[Array, " times"]
    key: PRNGKeyArray
    shape: tuple[int, ...] = eqx.field(static=True)
    levy_area: type = eqx.field(static=True, default=dfx.SpaceTimeLevyArea)

    @property
    def t0(self):
        return self.ts[0]

    @property
    def t1(self):
        return self.ts[-1]

    def evaluate(self, t0, t1=None, left=True, use_levy=False):
        del left
        if t1 is None:
            raise ValueError("`CellwiseBrownianPath` has increments only: `evaluate` needs both `t0` and `t1`.")
        ts = jax.lax.stop_gradient(self.ts)
        t0, t1 = jax.lax.stop_gradient((jnp.asarray(t0, ts.dtype), jnp.asarray(t1, ts.dtype)))
        first = jnp.clip(jnp.searchsorted(ts, t0, side="right") - 1, 0, ts.size - 2)
        nothing = dfx.SpaceTimeLevyArea(dt=jnp.zeros_like(t0), W=self._zeros(), H=self._zeros())

        def more(carry):
            cell, _ = carry
            return (cell < ts.size - 1) & (ts[cell] < t1)

        def add(carry):
            cell, sofar = carry
            return cell + 1, _joined(sofar, self._within(ts, cell, t0, t1))

        _, total = jax.lax.while_loop(more, add, (first, nothing))
        return total if use_levy else total.W

    def _within(self, ts, cell, t0, t1):
        """The increment over the part of [t0, t1] that lies in a cell."""
        start, end = jnp.maximum(t0, ts[cell]), jnp.minimum(t1, ts[cell + 1])
        width = ts[cell + 1] - ts[cell]
        place = lambda t: jnp.clip((t - ts[cell]) / width, 0, 1)
        tree = dfx.VirtualBrownianTree(
            0.0, 1.0, _RESOLUTION, self.shape, jr.fold_in(self.key, cell), dfx.SpaceTimeLevyArea
        )
        unit: Any = tree.evaluate(place(start), place(end), use_levy=True)
        return dfx.SpaceTimeLevyArea(dt=end - start, W=jnp.sqrt(width) * unit.W, H=jnp.sqrt(width) * unit.H)

    def _zeros(self):
        return jnp.zeros(self.shape, self.ts.dtype)


def _joined(first, second):
    """The increment of two intervals, one after the other. With I = ∫(W − W₀) dt = h(H + W/2), I adds as I₁ + I₂ +
    h₂W₁."""
    h = first.dt + second.dt
    areas = first.dt * first.H + second.dt * second.H + 0.5 * (second.dt * first.W - first.dt * second.W)
    return dfx.SpaceTimeLevyArea(dt=h, W=first.W + second.W, H=areas / jnp.where(h > 0, h, 1))
