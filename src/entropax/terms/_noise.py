from collections.abc import Callable
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..process import AbstractProcess
from ._field import churn_at, Time


class GridBrownianPath(dfx.AbstractBrownianPath):
    r"""Brownian motion on a fixed grid of times: increments over its cells, keyed by their index.

    It has no tree to walk, so that a solve costs what a hand-written scan does, and it can be differentiated in
    reverse. The steps of the solve must be the cells of the grid: give it the times that
    `stepsize_controller=diffrax.StepTo(ts)` is given. An increment over anything else is NaN, never a wrong draw. For
    adaptive steps there is [`diffrax.VirtualBrownianTree`][].

    **Arguments:**

    - `ts`: the grid, increasing, shape `(times,)`.
    - `key`: all randomness.
    - `shape`: of an increment; that of the state, with its batch axis.
    - `levy_area`: `diffrax.BrownianIncrement`, or `diffrax.SpaceTimeLevyArea`, which is what Diffrax's stochastic
        Runge–Kutta solvers ask for.
    """

    ts: Float[Array, " times"]
    key: PRNGKeyArray
    shape: tuple[int, ...] = eqx.field(static=True)
    levy_area: type = eqx.field(static=True)

    def __init__(
        self,
        ts: Float[Array, " times"],
        key: PRNGKeyArray,
        shape: tuple[int, ...],
        levy_area: type = dfx.SpaceTimeLevyArea,
    ):
        if ts.ndim != 1 or ts.size < 2:
            raise ValueError(f"`ts` must hold at least two times along one axis; got shape {ts.shape}.")
        if levy_area not in (dfx.BrownianIncrement, dfx.SpaceTimeLevyArea):
            raise ValueError(
                f"`levy_area` must be diffrax.BrownianIncrement or diffrax.SpaceTimeLevyArea; got {levy_area.__name__}."
            )
        self.ts, self.key, self.shape, self.levy_area = ts, key, shape, levy_area

    @property
    def t0(self):
        return self.ts[0]

    @property
    def t1(self):
        return self.ts[-1]

    def evaluate(self, t0, t1=None, left=True, use_levy=False) -> Any:
        del left
        if t1 is None:
            raise ValueError("`GridBrownianPath` has increments only: `evaluate` needs both `t0` and `t1`.")
        ts = jax.lax.stop_gradient(self.ts)
        t0, t1 = jax.lax.stop_gradient((jnp.asarray(t0, ts.dtype), jnp.asarray(t1, ts.dtype)))
        step = t1 - t0
        cell = jnp.clip(jnp.searchsorted(ts, t0 + 0.5 * step) - 1, 0, ts.size - 2)
        width = ts[cell + 1] - ts[cell]
        # Diffrax's own arithmetic on times costs some units in the last place of T.
        slack = 1e-3 * width + 8 * jnp.finfo(ts.dtype).eps * jnp.max(jnp.abs(ts))
        step = jnp.where(jnp.abs(step - width) <= slack, step, jnp.nan)
        increment_key, area_key = jr.split(jr.fold_in(self.key, cell))
        w = jnp.sqrt(step) * jr.normal(increment_key, self.shape, ts.dtype)
        if not use_levy:
            return w
        if self.levy_area is dfx.BrownianIncrement:
            return dfx.BrownianIncrement(dt=step, W=w)
        h = jnp.sqrt(step / 12) * jr.normal(area_key, self.shape, ts.dtype)
        return dfx.SpaceTimeLevyArea(dt=step, W=w, H=h)


class IsotropicNoise(dfx.AbstractTerm):
    r"""The noise $\sigma(t)\,\mathrm{d}B_t$, the same in all directions.

    The scale stays a number: as a structured operator, it would cost Diffrax's additive-noise solvers their order.

    **Arguments:**

    - `scale`: $\sigma$, a function of the time of the solve.
    - `path`: [`entropax.terms.GridBrownianPath`][] or any Brownian path of Diffrax.
    """

    scale: Callable[[Time], Array]
    path: dfx.AbstractBrownianPath

    def vf(self, t, y, args):
        del y, args
        return self.scale(t)

    def contr(self, t0, t1, **kwargs):
        return self.path.evaluate(t0, t1, **kwargs)

    def prod(self, vf, control):
        return jax.tree.map(lambda increment: vf * increment, control)


class ForwardScale(eqx.Module):
    r"""$\sigma(s)$ of the forward SDE.

    **Arguments:**

    - `process`: what diffuses the data.
    """

    process: AbstractProcess

    def __call__(self, t: Time) -> Float[Array, ""]:
        return jnp.sqrt(self.process.diffusion_squared(t))


class ReverseScale(eqx.Module):
    r"""$\eta\,\sigma(T - t)$ of the reverse SDE.

    **Arguments:**

    - `process`: what diffuses the data.
    - `churn`: $\eta$, a number or a function of $\lambda$.
    """

    process: AbstractProcess
    churn: float | Callable[[Array], Array] = 1.0

    def __call__(self, t: Time) -> Float[Array, ""]:
        s = self.process.T - t
        return churn_at(self.churn, self.process, s) * jnp.sqrt(self.process.diffusion_squared(s))
