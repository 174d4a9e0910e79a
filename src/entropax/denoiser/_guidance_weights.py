import inspect
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from .._arrays import as_floats


class Interval(eqx.Module):
    r"""A guidance weight on an interval of noise levels,

    $$w(\lambda) = \begin{cases} \mathrm{weight}(\lambda) & \mathrm{low} < \lambda < \mathrm{high} \\
      0 & \text{elsewhere.} \end{cases}$$

    At high noise guidance drives samples towards a few modes, at low noise it does next to nothing. With noise levels
    $\sigma$ of a unit of data, $\lambda = -2\log\sigma$: what is said in the source of $(\sigma_\mathrm{lo},
    \sigma_\mathrm{hi}]$ is the interval from $-2\log\sigma_\mathrm{hi}$ to $-2\log\sigma_\mathrm{lo}$.

    **Arguments:**

    - `weight`: inside; a number, a scalar array or a function of $\lambda$.
    - `low`, `high`: the ends; one of them may be infinite. Arrays may be traced.

    **Raises:** `ValueError` where one of them is no scalar, the weight is not finite, or `low` is not less than `high`.

    ??? cite "Source"
        Kynkäänniemi et al., Applying guidance in a limited interval improves sample and distribution quality in
        diffusion models (2024).
    """

    weight: Float[Array, ""] | Callable[[Array], ArrayLike]
    low: Float[Array, ""]
    high: Float[Array, ""]

    def __init__(self, weight: ArrayLike | Callable[[Array], ArrayLike], low: ArrayLike, high: ArrayLike):
        self.weight = as_weight(weight, "weight")
        self.low, self.high = as_scalar(low, "low"), as_scalar(high, "high")
        ends = known(low), known(high)
        # NaN is less than nothing, and refused here too.
        if ends[0] is not None and ends[1] is not None and not ends[0] < ends[1]:
            raise ValueError(f"`low` must be less than `high`; got {ends[0]} and {ends[1]}.")

    def __call__(self, log_snr: Float[Array, ""]) -> Float[Array, ""]:
        weight = weight_at(self.weight, log_snr)
        inside = (self.low.astype(log_snr.dtype) < log_snr) & (log_snr < self.high.astype(log_snr.dtype))
        return jnp.where(inside, weight, jnp.zeros_like(weight))


def known(value: ArrayLike) -> float | None:
    """A number, `None` while it is traced."""
    return None if isinstance(value, Tracer) else np.asarray(value, np.float64).item()


def as_scalar(value: ArrayLike, name: str) -> Float[Array, ""]:
    """A number as an array, so that compiled code serves all of them.

    **Raises:** `ValueError` that names it where it is no scalar.
    """
    if not isinstance(value, jax.Array | np.ndarray | np.generic | int | float):
        raise ValueError(f"`{name}` must be a number; got {value!r}.")
    scalar = as_floats(value, name, finite=False)
    if scalar.shape != ():
        raise ValueError(
            f"`{name}` must be a scalar; got shape {scalar.shape}. For several values, make one object of each, "
            "or `jax.vmap` over them."
        )
    return scalar.astype(float)


def as_weight(
    weight: ArrayLike | Callable[[Array], ArrayLike], name: str
) -> Float[Array, ""] | Callable[[Array], ArrayLike]:
    """A guidance weight as a scalar array, or the function that it is.

    **Raises:** `ValueError` that names it where it is neither, or is known and not finite.
    """
    if inspect.isclass(weight):
        raise ValueError(f"`{name}` must be a number or a function of the log-SNR; got {weight!r}.")
    if callable(weight):
        return weight
    scalar, number = as_scalar(weight, name), known(weight)
    if number is not None and not math.isfinite(number):
        raise ValueError(
            f"`{name}` must be finite; got {number}. A weight that depends on the noise level is a function of "
            "it, such as Interval."
        )
    return scalar


def weight_at(weight: Float[Array, ""] | Callable[[Array], ArrayLike], log_snr: Float[Array, ""]) -> Float[Array, ""]:
    r"""The guidance weight at $\lambda$.

    **Raises:** `ValueError` where a function returns no scalar.
    """
    value = weight(log_snr) if callable(weight) else weight
    if jnp.shape(value) != ():
        raise ValueError(
            f"`weight` must return a scalar for each noise level; {type(weight).__name__} returns shape "
            f"{jnp.shape(value)}."
        )
    return jnp.asarray(value, log_snr.dtype)
