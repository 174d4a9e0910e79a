from collections.abc import Callable
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray

from .._arguments import check_instance, check_key, check_shape
from .._arrays import as_floats
from ..process import AbstractProcess
from ._field import check_churn, check_start, churn_at, forward_time, Time


_OFF_GRID = (
    "A step of the solve is not a cell of the grid `ts` of its `GridBrownianPath`, which has increments over those "
    "only. Give the solve `t0=ts[0]`, `t1=ts[-1]` and `stepsize_controller=diffrax.StepTo(ts)` with the same `ts`; for "
    "other or adaptive steps, give the terms a `diffrax.VirtualBrownianTree`."
)
_BACKWARDS = (
    "A stochastic Runge–Kutta solver of Diffrax was run from `t0` to a smaller `t1`, and in that direction they go "
    "wrong. Solve in increasing time: the reverse SDE has the clock t = T − s, from t0 = T − s_max to t1 = T − s_min."
)


class GridBrownianPath(dfx.AbstractBrownianPath):
    r"""Brownian motion on a fixed grid of times: increments over its cells, keyed by their index.

    It has no tree to walk, so that a solve costs what a hand-written scan does, and it can be differentiated in
    reverse. The steps of the solve must be the cells of the grid: give it the times that
    `stepsize_controller=diffrax.StepTo(ts)` is given. For adaptive steps there is [`diffrax.VirtualBrownianTree`][].

    **Arguments:**

    - `ts`: the grid, increasing, shape `(times,)`.
    - `key`: all randomness.
    - `shape`: of an increment; that of the state, with its batch axis.
    - `levy_area`: `diffrax.BrownianIncrement`, or `diffrax.SpaceTimeLevyArea`, which is what Diffrax's stochastic
        Runge–Kutta solvers ask for.

    **Raises:** `ValueError` for times that do not increase; a runtime error, by [`equinox.error_if`][], in a solve
        whose steps are not the cells.
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
        if not isinstance(ts, (jax.Array, np.ndarray)) or not jnp.issubdtype(ts.dtype, jnp.floating):
            raise ValueError(f"`ts` must be an array of floats; got {type(ts).__name__}, {ts}.")
        ts = as_floats(ts, "ts", finite=False)
        if ts.ndim != 1 or ts.size < 2:
            raise ValueError(f"`ts` must hold at least two times along one axis; got shape {ts.shape}.")
        check_key(key)
        check_shape("shape", shape)
        check_instance("levy_area", levy_area, type)
        if levy_area not in (dfx.BrownianIncrement, dfx.SpaceTimeLevyArea):
            raise ValueError(
                f"`levy_area` must be diffrax.BrownianIncrement or diffrax.SpaceTimeLevyArea; got {levy_area.__name__}."
            )
        if not isinstance(ts, Tracer):
            _check_increasing(np.asarray(ts))
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
        on_grid = jnp.abs(step - width) <= slack
        # NaN for those who turn errors off: never a wrong draw.
        step = eqx.error_if(jnp.where(on_grid, step, jnp.nan), ~on_grid, _OFF_GRID)
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

    **Raises:** under Diffrax's stochastic Runge–Kutta solvers, `ValueError` where the path has no space-time Lévy area,
        and a runtime error, by [`equinox.error_if`][], from `t0` to a smaller `t1`, where they would go wrong.
    """

    scale: Callable[[Time], Array]
    path: dfx.AbstractBrownianPath

    def __check_init__(self):
        if not callable(self.scale):
            raise ValueError(f"`scale` must be a function of time; got {type(self.scale).__name__}, {self.scale}.")
        check_instance("path", self.path, dfx.AbstractBrownianPath)

    def vf(self, t, y, args):
        del y, args
        return self.scale(t)

    def contr(self, t0, t1, **kwargs):
        increment = self.path.evaluate(t0, t1, **kwargs)
        if kwargs.get("use_levy", False) and not isinstance(increment, dfx.AbstractSpaceTimeLevyArea):
            # Diffrax's own message names neither the solver, which a term cannot see either, nor the argument.
            raise ValueError(
                "The solver asks for a space-time Lévy area, as SEA, SRA1, ShARK, SPaRK, GeneralShARK and SlowRK do, "
                f"and the {type(self.path).__name__} has `levy_area` = {type(increment).__name__}, without one: give "
                "it `levy_area=diffrax.SpaceTimeLevyArea`, or solve with diffrax.Euler, diffrax.Heun or a Milstein one."
            )
        if isinstance(increment, dfx.SpaceTimeLevyArea):
            return _Onwards(increment)
        return increment

    def prod(self, vf, control):
        return jax.tree.map(lambda increment: vf * increment, control)


class _Onwards(dfx.AbstractSpaceTimeLevyArea):
    """A Brownian increment with its area that is not to be had in decreasing time.

    Solving so, Diffrax asks for the increment over the same cell and then takes its negative, and that of `dt` and of
    the area, whose sign should stay (patrick-kidger/diffrax#598). The sign of `dt` is all that tells the two apart.
    """

    area: dfx.SpaceTimeLevyArea

    def __init__(self, area: dfx.SpaceTimeLevyArea):
        self.area = area

    @property
    def dt(self):
        return self.area.dt

    @property
    def W(self):
        return eqx.error_if(self.area.W, jax.tree.leaves(self.dt)[0] < 0, _BACKWARDS)

    @property
    def H(self):
        return self.area.H


class ForwardScale(eqx.Module):
    r"""$\sigma(s)$ of the forward SDE.

    **Arguments:**

    - `process`: what diffuses the data.
    """

    process: AbstractProcess

    def __check_init__(self):
        check_instance("process", self.process, AbstractProcess)

    def __call__(self, t: Time) -> Float[Array, ""]:
        return jnp.sqrt(self.process.diffusion_squared(t))


class ReverseScale(eqx.Module):
    r"""$\eta\,\sigma(T - t)$ of the reverse SDE.

    **Arguments:**

    - `process`: what diffuses the data.
    - `churn`: $\eta$, a number or a function of $\lambda$.
    - `start`: the forward time at which $t = 0$; $T$ where it is not given.
    """

    process: AbstractProcess
    churn: float | Array | Callable[[Array], Array] = 1.0
    start: float | None = None

    def __check_init__(self):
        check_instance("process", self.process, AbstractProcess)
        check_churn(self.churn)
        check_start(self.start)

    def __call__(self, t: Time) -> Float[Array, ""]:
        s = forward_time(self.process, self.start, t)
        return churn_at(self.churn, self.process, s) * jnp.sqrt(self.process.diffusion_squared(s))


def _check_increasing(ts):
    increases = np.diff(ts) > 0
    if not increases.all():
        i = int(np.argmin(increases))
        raise ValueError(
            f"`ts` must increase; got ts[{i}] = {ts[i]}, ts[{i + 1}] = {ts[i + 1]}. Solves run in increasing time, "
            "reverse ones in t = T − s: give `process.T - uniform_in_log_snr(...)`. Times that fall together are too "
            "close for their dtype: give fewer steps, or a later `s_min`."
        )
