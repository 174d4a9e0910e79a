import math
from typing import NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float64

from .._arrays import as_float64


_Result = TypeVar("_Result", float, np.ndarray)


class Pair(NamedTuple):
    """Two sets of samples about a common centre, in units of `scale`, in which their largest entry is of order one."""

    x: Float64[np.ndarray, "batch dim"]
    y: Float64[np.ndarray, "other dim"]
    scale: float


def check_samples(x: Float[ArrayLike, "..."], name: str, least: int = 2) -> Float64[np.ndarray, "batch dim"]:
    """The samples as rows of float64, refused if they are too few, or not finite real numbers."""
    rows = as_float64(x, name)
    if rows.ndim == 0 or 0 in rows.shape:
        raise ValueError(f"`{name}` must hold samples along its first axis; got shape {rows.shape}.")
    if len(rows) < least:
        raise ValueError(f"`{name}` must hold at least {least} samples; got {len(rows)}.")
    bad = np.count_nonzero(~np.isfinite(rows))
    if bad:
        raise ValueError(f"`{name}` must be finite; {bad} of its {rows.size} entries are NaN or infinite.")
    return rows.reshape(len(rows), -1)


def check_pair(x: Float[ArrayLike, "..."], y: Float[ArrayLike, "..."], least: int = 2) -> Pair:
    """Both as rows, about a common centre, where rounding is least: what is compared here does not change if both
    move. Their unit is a power of two, so that squares neither overflow nor underflow and nothing is rounded.
    """
    rows_x, rows_y, units = check_columns(x, y, least)
    scale = float(units.max())
    return Pair(rows_x * (units / scale), rows_y * (units / scale), scale)


def check_columns(
    x: Float[ArrayLike, "..."], y: Float[ArrayLike, "..."], least: int = 2
) -> tuple[Float64[np.ndarray, "batch dim"], Float64[np.ndarray, "other dim"], Float64[np.ndarray, " dim"]]:
    """As [`check_pair`][], with each column in a unit of its own; those that do not vary have the least of these."""
    rows_x, rows_y = check_samples(x, "x", least), check_samples(y, "y", least)
    if np.shape(x)[1:] != np.shape(y)[1:]:
        raise ValueError(
            f"`y` must hold samples of the shape of those in `x`, {np.shape(x)[1:]}; got shape {np.shape(y)[1:]}."
        )
    first = np.array([unit_of(*columns) for columns in zip(rows_x.T, rows_y.T)])
    rows_x, rows_y = rows_x / first, rows_y / first
    centre = 0.5 * (rows_x.mean(0) + rows_y.mean(0))
    rows_x, rows_y = rows_x - centre, rows_y - centre
    second = np.array([unit_of(*columns) for columns in zip(rows_x.T, rows_y.T)])
    second = np.minimum(second, 2.0**1023 / np.maximum(first, 1.0))
    units, zero = first * second, (rows_x == 0).all(0) & (rows_y == 0).all(0)
    units[zero] = units[~zero].min(initial=np.inf) if not zero.all() else 1.0
    return rows_x / second, rows_y / second, units


def unit_of(*arrays: Float64[np.ndarray, "..."]) -> float:
    """The largest power of two that is not above the largest entry; one if all are zero."""
    largest = max(np.abs(array).max() for array in arrays)
    # Reciprocals of numbers below the least normal one overflow.
    range_of = np.finfo(np.float64)
    return 2.0 ** math.floor(math.log2(np.clip(largest, range_of.tiny, 2.0**1023))) if largest > 0 else 1.0


def in_units(value: _Result, unit: float, power: int, what: str) -> _Result:
    """A result in the unit of the samples, or in its square, by that in which it is of order one.

    **Raises:** `ValueError`, with `what` for its subject, if no float64 holds it.
    """
    scaled = np.asarray(value, np.float64)
    with np.errstate(over="ignore", under="ignore"):
        for _ in range(power):
            scaled = unit * scaled
    largest = np.abs(scaled).max()
    if not np.isfinite(largest) or (np.any(value) and largest < np.finfo(np.float64).tiny):
        raise ValueError(f"{what} is out of the range of float64. Give the samples in other units.")
    return scaled if isinstance(value, np.ndarray) else float(scaled)  # pyright: ignore[reportReturnType]


def to_jax(value: np.ndarray | np.floating | float) -> Float[Array, "..."]:
    """In the float that JAX has by default, whatever the setting of x64.

    **Raises:** `ValueError` if that float does not hold the number.
    """
    dtype = jnp.result_type(float)
    range_of, largest = jnp.finfo(dtype), np.abs(value).max()
    if largest > range_of.max or 0 < largest < range_of.tiny:
        raise ValueError(
            f"The result is of order {largest:.3g}, out of the range of {dtype}. Give `x`, and what it is compared "
            "with, in other units, or enable the 64-bit numbers of JAX."
        )
    return jnp.asarray(value, dtype)
