"""Multistep solvers of diffusion models, as solvers of Diffrax."""

import abc
import numbers
from collections.abc import Callable
from typing import Any, ClassVar

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree


class History(eqx.Module):
    """What a multistep solver remembers, the latest first.

    **Arguments:**

    - `times`: at which it was evaluated.
    - `values`: what it found there, with a leading axis of the length of `times`.
    - `known`: how many of them there have been.
    """

    times: Float[Array, " past"]
    values: PyTree[Array]
    known: Int[Array, ""]

    @staticmethod
    def empty(length: int, t: Any, y: PyTree[Array]) -> "History":
        """Nothing yet. The times are apart, so that no weight that is not used divides by zero."""
        times = t * (2.0 + jnp.arange(length, dtype=jnp.result_type(t)))
        return History(times, jax.tree.map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), y), jnp.array(0))

    def pushed(self, t: Any, value: PyTree[Array]) -> "History":
        """With one more evaluation; the oldest is forgotten."""
        push = lambda new, old: jnp.concatenate([jnp.asarray(new, old.dtype)[None], old[:-1]])
        return History(push(t, self.times), jax.tree.map(push, value, self.values), self.known + 1)

    def at(self, i: int) -> PyTree[Array]:
        """The `i`-th value, counted from the latest."""
        return jax.tree.map(lambda leaf: leaf[i], self.values)


class AbstractMultistep(dfx.AbstractSolver):
    r"""A solver that asks the network once a step and extrapolates from earlier steps.

    For constant step sizes or `diffrax.StepTo`. In the clock of the noise-to-signal ratio
    ([`entropax.NoiseRatio`][]), where $\mathrm{d}x/\mathrm{d}s = \hat\varepsilon$, time itself says what the noise is:
    the prediction of the data is where the tangent meets $t = 0$, $\hat x_0 = x - t\,\dot x$, whether the solve runs in
    $t = -s$ from noise to data or in $t = s$ back.
    """

    interpolation_cls: ClassVar[Callable[..., dfx.LocalLinearInterpolation]] = dfx.LocalLinearInterpolation

    @property
    @abc.abstractmethod
    def needs_noise_ratio(self) -> bool:
        """Whether it is for the clock of the noise-to-signal ratio alone."""


class AdamsBashforth(AbstractMultistep):
    r"""Integrates the polynomial through the last `steps` slopes over the next step, in whatever clock it is solved. In
    the clock of the noise-to-signal ratio it is DEIS ($\rho$AB).

    **Arguments:**

    - `steps`: how many slopes, 1 to 4; the order.

    **Raises:** `ValueError` for other numbers.

    ??? cite "Source"
        Zhang and Chen, Fast sampling of diffusion models with exponential integrator (2023).
    """

    steps: int = eqx.field(default=3, static=True)

    term_structure: ClassVar = dfx.AbstractTerm

    def __check_init__(self):
        check_steps(self.steps, 4)

    @property
    def needs_noise_ratio(self) -> bool:
        return False

    def order(self, terms):
        return self.steps

    def init(self, terms, t0, t1, y0, args):
        return History.empty(self.steps, t0, y0)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        history = solver_state.pushed(t0, slope(terms, t0, t1, y0, args))
        # The nodes beyond those that are known get no weight.
        branches = [
            lambda k=k: jnp.pad(_integral_weights(history.times[:k], t0, t1), (0, self.steps - k))
            for k in range(1, self.steps + 1)
        ]
        weights = jax.lax.switch(jnp.minimum(history.known, self.steps) - 1, branches)
        y1 = jax.tree.map(lambda y, values: y + jnp.tensordot(weights.astype(y.dtype), values, 1), y0, history.values)
        return y1, None, dict(y0=y0, y1=y1), history, dfx.RESULTS.successful

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


class DPMSolverPlusPlus(AbstractMultistep):
    r"""DPM-Solver++ (1, 2M, 3M): with $h = \log(s_0/s_1)$ and $\hat x_0$ the predictions of the data at this step and
    the ones before,

    $$x_1 = \frac{s_1}{s_0}\,x_0 + (1 - e^{-h})\,\hat x_0 + \text{differences of earlier } \hat x_0,$$

    for the clock of the noise-to-signal ratio. With one it is DDIM. With three it integrates the parabola through them
    exactly; published codes give the curvature half of that weight, which leaves them of second order.

    **Arguments:**

    - `steps`: how many predictions it uses, 1 to 3; the order.

    **Raises:** `ValueError` for other numbers.

    ??? cite "Source"
        Lu et al., DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models (2022), Algorithm
        2.
    """

    steps: int = eqx.field(default=2, static=True)

    term_structure: ClassVar = dfx.AbstractTerm

    def __check_init__(self):
        check_steps(self.steps, 3)

    @property
    def needs_noise_ratio(self) -> bool:
        return True

    def order(self, terms):
        return self.steps

    def init(self, terms, t0, t1, y0, args):
        return History.empty(self.steps, t0, y0)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        history = solver_state.pushed(t0, data_prediction(slope(terms, t0, t1, y0, args), t0, y0))
        ratio, h = t1 / t0, jnp.log(t0 / t1)
        branches = [
            lambda k=k: jnp.pad(_data_weights(history.times[:k], h), (0, self.steps - k))
            for k in range(1, self.steps + 1)
        ]
        weights = jax.lax.switch(jnp.minimum(history.known, self.steps) - 1, branches)
        y1 = jax.tree.map(
            lambda y, values: ratio * y + jnp.tensordot(weights.astype(y.dtype), values, 1), y0, history.values
        )
        return y1, None, dict(y0=y0, y1=y1), history, dfx.RESULTS.successful

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


def slope(terms, t0, t1, y, args) -> PyTree[Array]:
    """dy/dt of a term of one's own or of Diffrax.

    **Raises:** `ValueError` for the drift and noise of an SDE.
    """
    if isinstance(terms, dfx.MultiTerm):
        raise ValueError(
            "`solver` is for one ODE term; got a `diffrax.MultiTerm`. For the reverse SDE give SDEDPMSolverPlusPlus()."
        )
    step = terms.contr(t0, t1)
    return jax.tree.map(lambda moved: moved / step, terms.vf_prod(t0, y, args, step))


def data_prediction(slope: PyTree[Array], t: Any, y: PyTree[Array]) -> PyTree[Array]:
    r"""$\hat x_0 = x - t\,\dot x$: where the tangent of the flow meets no noise."""
    return jax.tree.map(lambda y, rate: y - t * rate, y, slope)


def _integral_weights(times, t0, t1):
    """∫ of each Lagrange polynomial on `times` over (t0, t1)."""
    # In units of the step, by Gauss's rule, which is exact for cubics.
    nodes, width = (times - t0) / (t1 - t0), t1 - t0
    points = 0.5 + jnp.asarray([-0.5, 0.5], nodes.dtype) / jnp.sqrt(jnp.asarray(3.0, nodes.dtype))
    weights = []
    for i in range(times.size):
        others = [j for j in range(times.size) if j != i]
        factors = [(points - nodes[j]) / (nodes[i] - nodes[j]) for j in others]
        weights.append(0.5 * width * jnp.sum(jnp.prod(jnp.stack([jnp.ones_like(points), *factors]), 0)))
    return jnp.stack(weights)


def _data_weights(times, h):
    """The weight of each prediction of the data over a step of h = log(s₀/s₁)."""
    first = -jnp.expm1(-h)
    if times.size == 1:
        return first[None]
    if times.size == 2:
        # The midpoint form.
        difference = 0.5 * first * h / jnp.log(times[1] / times[0])
        return jnp.stack([first + difference, -difference])
    r0, r1 = jnp.log(times[1] / times[0]) / h, jnp.log(times[2] / times[1]) / h
    # Of the parabola m₀ + D₁u + D₂u² at u = 0, −r₀, −r₀ − r₁, in units of the step: D₁ = D₁₀ + r₀D₂ and
    # D₂ = (D₁₀ − D₁₁)/(r₀ + r₁), on D₁₀ = (m₀ − m₁)/r₀, D₁₁ = (m₁ − m₂)/r₁.
    slopes, curvatures = phi(h)
    of_first = (slopes * (1 + r0 / (r0 + r1)) + curvatures / (r0 + r1)) / r0
    of_second = -(slopes * r0 / (r0 + r1) + curvatures / (r0 + r1)) / r1
    return jnp.stack([first + of_first, of_second - of_first, -of_second])


def phi(h: Array) -> tuple[Array, Array]:
    r"""What the exact step makes of $u$ and of $u^2$, $u$ going from 0 to 1 along it: $1 - \frac{1 - e^{-h}}{h}$ and
    $1 - 2\frac{e^{-h} - 1 + h}{h^2}$, without the cancellation at small $h$."""
    small = jnp.abs(h) < 0.1
    safe = jnp.where(small, 1.0, h)
    one = jnp.where(small, h / 2 - h**2 / 6 + h**3 / 24, 1 + jnp.expm1(-safe) / safe)
    two = jnp.where(small, h / 3 - h**2 / 12 + h**3 / 60, 1 - 2 * (jnp.expm1(-safe) + safe) / safe**2)
    return one, two


def check_steps(steps: int, most: int) -> None:
    """Refuses a number of earlier evaluations that a method does not have."""
    if isinstance(steps, bool) or not isinstance(steps, numbers.Integral) or not 1 <= steps <= most:
        raise ValueError(f"`steps` must be 1 to {most}, a whole number; got {steps!r}.")
