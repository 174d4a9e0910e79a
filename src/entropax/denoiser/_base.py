import abc
import dataclasses
import math
import types
from collections.abc import Callable
from typing import Annotated, get_args, get_origin, Union

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._arguments import check_callable, check_instance
from .._arrays import as_floats, plain_array


def signal(log_snr: Float[Array, ""]) -> Float[Array, ""]:
    r"""$\sqrt{\mathrm{sigmoid}(\lambda)}$, the factor of the data in $z = \sqrt{\mathrm{sigmoid}(\lambda)}\,x +
    \sqrt{\mathrm{sigmoid}(-\lambda)}\,\varepsilon$."""
    return jnp.exp(0.5 * jax.nn.log_sigmoid(log_snr))


def noise(log_snr: Float[Array, ""]) -> Float[Array, ""]:
    r"""$\sqrt{\mathrm{sigmoid}(-\lambda)}$, the factor of the noise in $z$; exact where $\lambda$ is large."""
    return jnp.exp(0.5 * jax.nn.log_sigmoid(-log_snr))


def diffuse(
    x: Float[Array, "*shape"], log_snr: Float[Array, ""], eps: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    r"""The diffused state in variance-preserving units, $z = \sqrt{\mathrm{sigmoid}(\lambda)}\,x +
    \sqrt{\mathrm{sigmoid}(-\lambda)}\,\varepsilon$."""
    return signal(log_snr) * x + noise(log_snr) * eps


def check_state(z: Float[Array, "*shape"], shape: tuple[int, ...]) -> None:
    """A state of one coordinate would be broadcast to any number of them, and answered."""
    if z.shape != shape:
        raise ValueError(
            f"`z` must have the shape {shape} of the data that the denoiser is made for; got {z.shape}. Samples `x` "
            "have one axis more in front, of the batch."
        )


# What to write where something else stands for a model.
_MODEL = (
    "A model is an instance of a class of your own: `class Model(ex.AbstractDenoiser):` with a method `__call__(self, "
    "z, log_snr, y=None)` that returns the predicted noise of one sample, and with `log_snr_range = (-9.0, 9.0)`, "
    "where it can be trusted."
)


def check_denoiser(value: object, name: str, kind: type | tuple[type, ...] | None = None) -> None:
    """Refuses what is no denoiser, or not one of these classes, and says how to make one of a function.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    check_instance(name, value, kind or AbstractDenoiser, _MODEL)


def check_parts(module: eqx.Module) -> None:
    """Refuses fields that must be denoisers, by their annotation, and are something else."""
    for field in dataclasses.fields(module):
        kinds = _classes(field.type)
        if any(issubclass(kind, AbstractDenoiser) for kind in kinds):
            check_denoiser(getattr(module, field.name), field.name, kinds)


def _classes(annotation) -> tuple[type, ...]:
    """The classes that an annotation allows."""
    if get_origin(annotation) is Annotated:
        return _classes(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return sum(map(_classes, get_args(annotation)), ())
    return (annotation,) if isinstance(annotation, type) and get_origin(annotation) is None else ()


def check_range(log_snr_range: tuple[float, float], name: str = "`log_snr_range`") -> tuple[float, float]:
    """A range of log-SNR as two numbers.

    **Arguments:**

    - `log_snr_range`: the range; its ends may be infinite.
    - `name`: what the error calls it.

    **Raises:** `ValueError` unless it is two numbers that increase.
    """
    try:
        low, high = log_snr_range
        ordered = isinstance(low, Tracer) or isinstance(high, Tracer) or bool(low < high)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be two numbers, the least log-SNR and the greatest; got {log_snr_range!r}."
        ) from None
    if not ordered:
        raise ValueError(f"{name} must increase, from the least log-SNR to the greatest; got ({low}, {high}).")
    return low, high


def as_batch(x: Float[ArrayLike, " batch *shape"]) -> Float[Array, " batch *shape"]:
    """Samples as a JAX array.

    **Raises:** `ValueError` where there are none, or they are not finite numbers where they are known.
    """
    x = as_floats(x, "x")
    if x.ndim < 1 or 0 in x.shape:
        raise ValueError(f"`x` must hold at least one sample along its first axis; got shape {x.shape}.")
    return x


def as_log_probabilities(log_probabilities: Float[ArrayLike, "*shape values"]) -> Float[Array, "*shape values"]:
    """The logarithm of a distribution along the last axis, normalised: `-inf` is one, unless it is all. Traced values
    pass.

    **Raises:** `ValueError` that names the first coordinate that has none.
    """
    array = as_floats(log_probabilities, "log_probabilities", finite=False)
    if array.ndim < 1 or 0 in array.shape:
        raise ValueError(f"`log_probabilities` must have shape (*shape, values); got {array.shape}.")
    if isinstance(array, Tracer):
        return jax.nn.log_softmax(array)
    values = np.asarray(array)
    wrong = ~(np.max(values, -1) > -np.inf) | (np.max(values, -1) == np.inf)
    if wrong.any():
        place = [int(k) for k in np.argwhere(wrong)[0]]
        found = np.max(values[tuple(place)])
        found = "it holds NaN" if np.isnan(found) else f"its greatest is {found}"
        raise ValueError(
            f"`log_probabilities`{place} must hold a finite number, and no NaN or positive infinity: {found}. A value "
            "that does not occur has -inf, but one must occur."
        )
    return jax.nn.log_softmax(array)


class AbstractDenoiser(eqx.Module):
    r"""What predicts the noise $\varepsilon$ from the diffused state $z$: the one kind of model that Entropax knows.

    A denoiser is independent of the process it was trained under, because $z$ is in variance-preserving units and time
    is the log-SNR. To add one, subclass this and state `log_snr_range` and `__call__`.

    **Raises:** `ValueError` where `log_snr_range` does not increase, or where a field that must be a denoiser is not.
    """

    def __check_init__(self):
        check_parts(self)
        check_range(self.log_snr_range, f"`log_snr_range` of {type(self).__name__}")

    @property
    @abc.abstractmethod
    def log_snr_range(self) -> tuple[float, float]:
        r"""The $\lambda$ where the denoiser can be trusted: unbounded for an exact one, the trained range for a
        network."""

    @abc.abstractmethod
    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        r"""$\hat\varepsilon(z, \lambda, y)$, for one sample; `jax.vmap` it over a batch.

        **Arguments:**

        - `z`: the diffused state, $\sqrt{\mathrm{sigmoid}(\lambda)}\,x + \sqrt{\mathrm{sigmoid}(-\lambda)}\,
            \varepsilon$.
        - `log_snr`: $\lambda$.
        - `y`: what the data are conditioned on: a label, a vector, any pytree; `None` for the unconditional prediction.

        **Returns:** the predicted noise, of the shape of `z`.
        """

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        r"""The dimension of the distribution at one value of the data,

        $$\lim_{\lambda\to\infty} \mathbb{E}_\varepsilon\|\varepsilon - \hat\varepsilon(z, \lambda, y)\|^2.$$

        It decides whether an integral over all noise levels is finite: it is the number of coordinates where the
        distribution has a density, 0 at a value of positive probability, and infinite where $x$ has probability zero,
        because it lies away from all values that occur.

        **Arguments:**

        - `x`: the value.
        - `y`: what the data are conditioned on.

        **Returns:** a non-negative number; NaN where it is not known, which is the default and right for a network.

        ??? cite "Source"
            Wu and Verdú, MMSE dimension (2011).
        """
        del x, y
        return jnp.full((), jnp.nan)


class Unconditional(AbstractDenoiser):
    r"""A denoiser that forgets its condition: $\hat\varepsilon(z, \lambda)$ whatever $y$ is.

    **Arguments:**

    - `denoiser`: the denoiser to call with `y=None`.
    """

    denoiser: AbstractDenoiser

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        del y
        return self.denoiser(z, log_snr, None)

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        return self.denoiser.dimension(x)


class Conditioned(AbstractDenoiser):
    r"""A denoiser whose condition is fixed: $\hat\varepsilon(z, \lambda, y)$ with the `y` that it was made with,
    whatever it is called with.

    As the `reference` of [`entropax.Guided`][] it is what guidance leads away from, a negative prompt.

    **Arguments:**

    - `denoiser`: the denoiser to call.
    - `y`: its condition, of one sample; arrays of it may be traced.

    **Raises:** `ValueError` where a leaf of `y` is masked or holds no numbers.
    """

    denoiser: AbstractDenoiser
    y: PyTree

    def __init__(self, denoiser: AbstractDenoiser, y: PyTree | None):
        self.denoiser = denoiser
        # Arrays, so that compiled code serves all conditions.
        self.y = jax.tree.map(_as_condition, y)

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        del y
        return self.denoiser(z, log_snr, self.y)

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        return self.denoiser.dimension(x, self.y)


def _as_condition(leaf) -> Array:
    """A leaf of a condition as an array of numbers, of the kind that it came in."""
    if isinstance(leaf, jax.Array):
        return leaf
    array = plain_array(leaf, "y")
    if array.dtype.kind in "SU":
        raise ValueError(f"`y` must hold numbers; got text ({array.dtype}).")
    return jnp.asarray(array)


class Given(AbstractDenoiser):
    r"""A denoiser that hears a part of the condition: $\hat\varepsilon(z, \lambda, \mathrm{select}(y))$. Where there
    is no condition there is none to select from: `y=None` remains what it is.

    Of a network that was trained with and without $y$ beside $c$, `Given(model, lambda y: (None, y[1]))` is the one
    that knows $c$ alone, where conditions come as `(y, c)`.

    **Arguments:**

    - `denoiser`: the denoiser to call with a part of the condition.
    - `select`: a function of the condition, or a module.
    """

    denoiser: AbstractDenoiser
    select: Callable[[PyTree], PyTree]

    def __check_init__(self):
        check_callable("select", self.select, "the condition")

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        return self.denoiser(z, log_snr, None if y is None else self.select(y))

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        return self.denoiser.dimension(x, None if y is None else self.select(y))


class Zero(AbstractDenoiser):
    r"""$\hat\varepsilon = 0$: the baseline of score and noise matching."""

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        del log_snr, y
        return jnp.zeros_like(z)

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        return jnp.asarray(x.size, x.dtype)
