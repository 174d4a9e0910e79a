import abc
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._arguments import check_instance, check_not_negative
from ..denoiser import AbstractDenoiser, score
from ..process import AbstractProcess


# Diffrax says that a time may be any real scalar; what it hands to a field is an array.
Time: TypeAlias = Any


_NO_SCORE = (
    "A score was asked for at the forward time s = 0, where the log-SNR is infinite: data without noise have no score. "
    "Begin a solve in the forward time at a later one, such as s_min = 1e-5, with the state μ(s_min) x + √Σ(s_min) ε; "
    "end a reverse one at t = T − s_min, and take entropax.denoised_mean there."
)


class AbstractField(eqx.Module):
    r"""A vector field over a batch of states, as [`diffrax.ODETerm`][] takes it: `field(t, x, y)`, with the conditions
    as Diffrax's `args`. To add one, subclass this, or give any function of the same signature."""

    @abc.abstractmethod
    def __call__(self, t: Time, x: Float[Array, " batch *shape"], y: PyTree) -> Float[Array, " batch *shape"]:
        """The field at time `t`.

        **Arguments:**

        - `t`: the time of the solve, which increases.
        - `x`: the states, shape `(batch, *shape)`.
        - `y`: their conditions, a pytree with the same leading axis, or `None`.
        """


class ForwardDrift(AbstractField):
    r"""The drift of the forward SDE, $b_+(x, s) = \varphi(s)\,x$.

    **Arguments:**

    - `process`: what diffuses the data.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (2).
    """

    process: AbstractProcess

    def __check_init__(self):
        check_instance("process", self.process, AbstractProcess)

    def __call__(self, t, x, y):
        del y
        return self.process.drift_rate(t) * x


class ProbabilityFlow(AbstractField):
    r"""The probability flow in the forward time $s$: the ODE whose solutions have the marginals of the forward SDE,

    $$\frac{\mathrm{d}x}{\mathrm{d}s} = b_+(x, s) - \tfrac12\sigma(s)^2\,\nabla\log p_s(x|y).$$

    **Arguments:**

    - `process`: what diffuses the data.
    - `denoiser`: what knows the score.

    ??? cite "Source"
        Song et al., Score-based generative modeling through SDEs (2021), Eq. (13).
    """

    process: AbstractProcess
    denoiser: AbstractDenoiser

    def __check_init__(self):
        check_model(self.process, self.denoiser)

    def __call__(self, t, x, y):
        drift = self.process.drift_rate(t) * x
        return drift - 0.5 * self.process.diffusion_squared(t) * batched_score(self.process, self.denoiser, x, t, y)


class ReverseDrift(AbstractField):
    r"""The drift of the reverse SDE in the generative time $t = T - s$, which increases,

    $$-b_+(x, T - t) + \tfrac12(1 + \eta^2)\,\sigma(T - t)^2\,\nabla\log p_{T - t}(x|y),$$

    with the noise $\eta\,\sigma(T - t)\,\mathrm{d}B_t$. The churn $\eta$ leaves the marginals of an exact score as they
    are: $\eta = 1$ reverses the forward SDE, $\eta = 0$ is the probability flow.

    **Arguments:**

    - `process`: what diffuses the data.
    - `denoiser`: what knows the score.
    - `churn`: $\eta$, a number or a function of $\lambda$.
    - `start`: the forward time at which $t = 0$; $T$ where it is not given. From `start=0.0`, $t = -s$, and times near
        the data keep all their digits.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (3) and (5), for $\eta = 1$.
    """

    process: AbstractProcess
    denoiser: AbstractDenoiser
    churn: float | Array | Callable[[Array], Array] = 1.0
    start: float | None = None

    def __check_init__(self):
        check_model(self.process, self.denoiser)
        check_churn(self.churn)
        check_start(self.start)

    def __call__(self, t, x, y):
        s = forward_time(self.process, self.start, t)
        strength = 0.5 * (1 + churn_at(self.churn, self.process, s) ** 2) * self.process.diffusion_squared(s)
        return strength * batched_score(self.process, self.denoiser, x, s, y) - self.process.drift_rate(s) * x


class TimeReversed(AbstractField):
    r"""A field of the forward time $s$ in the clock $t = T - s$: $-f(T - t, x)$. Solves run in increasing time only,
    since several SDE solvers of Diffrax are wrong in the other direction.

    **Arguments:**

    - `field`: the field.
    - `T`: the end of the forward time.

    **Raises:** `ValueError` where `field` is no function, or `T` is negative or not finite.
    """

    field: Callable
    T: float

    def __check_init__(self):
        if not callable(self.field):
            raise ValueError(f"`field` must be a function, field(t, x, y); got {type(self.field).__name__}.")
        check_not_negative(T=self.T)

    def __call__(self, t, x, y):
        return jax.tree.map(jnp.negative, self.field(self.T - t, x, y))


def batched_score(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    x: Float[Array, " batch *shape"],
    s: Float[Array, ""],
    y: PyTree | None,
) -> Float[Array, " batch *shape"]:
    """[`entropax.score`][] of a batch at one time.

    **Raises:** `ValueError` where the states or the conditions are no batch; a runtime error, by
        [`equinox.error_if`][], at a time that is not positive.
    """
    _check_batch(x, y)
    s = eqx.error_if(s, jnp.asarray(s) <= 0, _NO_SCORE)
    return jax.vmap(lambda x, y: score(process, denoiser, x, s, y))(x, y)


def forward_time(process: AbstractProcess, start: float | None, t: Time) -> Time:
    """The forward time at a generative one."""
    return (process.T if start is None else start) - t


def churn_at(
    churn: float | Array | Callable[[Array], Array], process: AbstractProcess, s: Float[Array, ""]
) -> Array | float:
    """The churn at a forward time."""
    return churn(process.log_snr(s)) if callable(churn) else churn


def check_model(process: AbstractProcess, denoiser: AbstractDenoiser) -> None:
    """Refuses a process or a denoiser that is none, such as a class or a function."""
    check_instance("process", process, AbstractProcess)
    check_instance(
        "denoiser",
        denoiser,
        AbstractDenoiser,
        "Make a subclass of entropax.AbstractDenoiser, whose `__call__(self, z, log_snr, y=None)` predicts the noise "
        "and whose property `log_snr_range` says where it is trusted, and give an instance of it.",
    )


def check_churn(churn: float | Array | Callable[[Array], Array]) -> None:
    """Refuses a churn that is no number and no function, or a number that is negative or not finite."""
    if inspect.isclass(churn):
        raise ValueError(f"`churn` must be a number or a function of λ; got a class, {churn}.")
    if not callable(churn):
        check_not_negative(churn=churn)


def check_start(start: float | None) -> None:
    """Refuses a forward time that is negative or not finite."""
    if start is not None:
        check_not_negative(start=start)


def _check_batch(x, y):
    if jnp.ndim(x) < 2:
        raise ValueError(
            f"`x` must be a batch of states, of shape (batch, *shape); got shape {jnp.shape(x)}. Give a single state "
            "as x[None], and states of one coordinate as x[:, None]."
        )
    for leaf in jax.tree.leaves(y):
        if jnp.ndim(leaf) == 0 or jnp.shape(leaf)[0] != x.shape[0]:
            raise ValueError(
                f"`y` must hold one condition for each of the {x.shape[0]} states; got shape {jnp.shape(leaf)}. It is "
                "given to a solve as Diffrax's `args`."
            )
