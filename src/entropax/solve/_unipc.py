import math
from typing import ClassVar

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ._multistep import AbstractMultistep, check_steps, data_prediction, History, slope


class _State(eqx.Module):
    """The history, and the state from which the last step began."""

    history: History
    start: PyTree[Array]


class UniPC(AbstractMultistep):
    r"""UniPC with $B(h) = e^h - 1$: a predictor of the order of its steps, and a corrector that uses each evaluation a
    second time, for the state at which it was made, before the next step begins there. Once a step the network is
    asked, the end is a prediction.

    For the clock of the noise-to-signal ratio, as [`entropax.solve.DPMSolverPlusPlus`][].

    **Arguments:**

    - `steps`: how many predictions the predictor uses, 1 to 3.

    **Raises:** `ValueError` for other numbers.

    ??? cite "Source"
        Zhao et al., UniPC: a unified predictor-corrector framework for fast sampling of diffusion models (2023),
        Algorithms 5 to 7.
    """

    steps: int = eqx.field(default=2, static=True)

    term_structure: ClassVar = dfx.AbstractTerm

    def __check_init__(self):
        check_steps(self.steps, 3)

    @property
    def needs_noise_ratio(self) -> bool:
        return True

    def order(self, terms):
        # The corrector adds one to that of the predictor.
        return self.steps + 1

    def init(self, terms, t0, t1, y0, args):
        # The corrector looks one step further back than the predictor.
        return _State(History.empty(self.steps + 1, t0, y0), y0)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        found = data_prediction(slope(terms, t0, t1, y0, args), t0, y0)
        history = solver_state.history.pushed(t0, found)
        y0 = self._corrected(history, solver_state.start, y0)
        y1 = self._predicted(history, t1, y0)
        return y1, None, dict(y0=y0, y1=y1), _State(history, y0), dfx.RESULTS.successful

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def _predicted(self, history, t1, y0):
        t0 = history.times[0]
        branches = [
            lambda k=k: self._padded(_predictor_weights(history.times[:k], t1)) for k in range(1, self.steps + 1)
        ]
        weights = jax.lax.switch(jnp.minimum(history.known, self.steps) - 1, branches)
        return _moved(y0, t1 / t0, weights, history)

    def _corrected(self, history, start, y0):
        """The last step once more, with what was found at its end; no step before the first."""
        t1, t0 = history.times[0], history.times[1]
        branches = [
            lambda k=k: self._padded(_corrector_weights(history.times[: k + 1])) for k in range(1, self.steps + 1)
        ]
        weights = jax.lax.switch(jnp.clip(history.known - 1, 1, self.steps) - 1, branches)
        again = _moved(start, t1 / t0, weights, history)
        return jax.tree.map(lambda old, new: jnp.where(history.known > 1, new, old), y0, again)

    def _padded(self, weights):
        return jnp.pad(weights, (0, self.steps + 1 - weights.size))


def _moved(y, ratio, weights, history):
    move = lambda y, values: ratio * y + jnp.tensordot(weights.astype(y.dtype), values, 1)
    return jax.tree.map(move, y, history.values)


def _predictor_weights(times: Float[Array, " k"], t1) -> Float[Array, " k"]:
    """Of the predictions at `times`, the latest first, over the step from times[0] to t1."""
    h = jnp.log(times[0] / t1)
    k = times.size
    first = -jnp.expm1(-h)
    if k == 1:
        return first[None]
    ratios = jnp.log(times[0] / times[1:]) / h
    # At order two the method fixes the weight, whatever the steps.
    solved = jnp.full(1, 0.5, times.dtype) if k == 2 else _solve(ratios, h)
    differences = first * solved / ratios
    return jnp.concatenate([(first - jnp.sum(differences))[None], differences])


def _corrector_weights(times: Float[Array, " k"]) -> Float[Array, " k"]:
    """Of the predictions at `times`, the end of the step first, over the step from times[1] to times[0]."""
    h = jnp.log(times[1] / times[0])
    first = -jnp.expm1(-h)
    # The places of all others, in units of the step from times[1]; that of its end is 1.
    ratios = jnp.concatenate([jnp.log(times[1] / times[2:]) / h, jnp.ones(1, times.dtype)])
    solved = jnp.full(1, 0.5, times.dtype) if times.size == 2 else _solve(ratios, h)
    differences = first * solved / ratios
    earlier, end = differences[:-1], differences[-1]
    return jnp.concatenate([end[None], (first - jnp.sum(differences))[None], earlier])


def _solve(ratios, h):
    """The weights under which the expansion in h agrees with that of the exact step."""
    order = ratios.size
    matrix = jnp.stack([ratios**i for i in range(order)])
    # ψ_{k+1} = ψ_k/(−h) − 1/k!, from ψ_1 = e^{−h} − 1.
    target, psi = [], jnp.expm1(-h) / -h - 1
    for i in range(1, order + 1):
        target.append(psi * math.factorial(i) / jnp.expm1(-h))
        psi = psi / -h - 1 / math.factorial(i + 1)
    return jnp.linalg.solve(matrix, jnp.stack(target))
