"""What a user may give as samples and conditions of a fit, and what is refused."""

import numbers
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree

from .._arrays import check_axes, plain_array, to_float64
from ..integral import as_samples


# Beside the largest standard deviation float32 has no number for the variance of one smaller than this share.
_LEAST_SHARE = 1e-15

# Standard deviations that float32 can square.
_STDS = 1e-18, 1e18

# Standard deviations and magnitudes of conditions whose inverses float32 has too.
_CONDITIONS = 1e-30, 1e30


def samples(x: Any) -> Float[Array | np.ndarray, "batch dim"]:
    """The samples of a fit as an array of floats: one of NumPy remains one, so that no digit of float64 is lost.

    **Raises:** `ValueError` that names `x`, what was found and what to give.
    """
    x = _array("x", x)
    if x.ndim < 2:
        raise ValueError(
            f"`x` must have shape (batch, dim); got {x.shape}. For samples of one number each give x[:, None]."
        )
    if x.ndim > 2:
        raise ValueError(
            f"`x` must have shape (batch, dim); got {x.shape}. Fit images with `ex.train` and a network such as "
            "`ex.nn.UNet`, or flatten the samples: x.reshape(len(x), -1)."
        )
    if x.shape[0] < 2 or x.shape[1] < 1:
        raise ValueError(
            f"`x` must have shape (batch, dim) with at least two samples of at least one number; got {x.shape}."
        )
    x = _floats("x", x)
    _check_finite("x", x)
    values = np.asarray(x, np.float64)
    low, high = values.min(0), values.max(0)
    constant = np.flatnonzero(low == high)
    if constant.size:
        raise ValueError(
            f"`x` must not have constant columns, which have no density; column {_few(constant)} of {x.shape[1]} is "
            f"{low[constant[0]]:g} in all {x.shape[0]} samples as {x.dtype}. Leave it out."
        )
    _check_scales(x, values)
    return x


def _check_scales(x, values):
    """Refuses what the numbers of a computation cannot hold."""
    size = np.abs(values).max(0)
    std = size * np.std(values / size, 0)
    mean = np.abs(size * np.mean(values / size, 0))
    # Half of a step between neighbouring numbers is the least that rounding may have moved them.
    lost = np.flatnonzero(std < np.spacing(mean.astype(x.dtype)).astype(np.float64))
    if lost.size:
        column = lost[0]
        raise ValueError(
            f"`x` must have more digits: column {_few(lost)} has mean {mean[column]:.6g} and standard deviation "
            f"{std[column]:.2g}, of which {x.dtype} keeps {len(np.unique(values[:, column]))} values. Subtract the "
            "mean where the numbers come from, or give a NumPy array of float64."
        )
    if jax.dtypes.canonicalize_dtype(np.float64) == np.float64:
        return
    wrong = np.flatnonzero((std < _STDS[0]) | (std > _STDS[1]) | (mean > 1e30))
    if wrong.size:
        column = wrong[0]
        raise ValueError(
            f"`x` must be of a size that float32 can square; column {_few(wrong)} has mean {mean[column]:.3g} and "
            f"standard deviation {std[column]:.3g}. Multiply the column by a constant."
        )
    if std.min() < _LEAST_SHARE * std.max():
        raise ValueError(
            f"`x` must have columns of comparable size; column {np.argmin(std)} has standard deviation "
            f"{std.min():.3g}, column {np.argmax(std)} {std.max():.3g}. Multiply one of them by a constant."
        )


def conditions(y: Any, num: int) -> Array | None:
    """The conditions of a fit: labels as integers, vectors as floats.

    **Raises:** `ValueError` that names `y`, what was found and what to give.
    """
    if y is None:
        return None
    y = _array("y", y)
    if y.dtype == bool:
        y = y.astype(np.int32)
    is_label = jnp.issubdtype(y.dtype, jnp.integer)
    if not (is_label and y.ndim == 1) and not (jnp.issubdtype(y.dtype, jnp.floating) and y.ndim == 2):
        hint = ""
        if is_label and y.ndim == 2:
            hint = (
                " For labels give y[:, 0], for counts y.astype(float)." if y.shape[1] == 1 else " Give y.astype(float)."
            )
        elif jnp.issubdtype(y.dtype, jnp.floating) and y.ndim == 1:
            hint = " For labels give y.astype(int), for one number a sample y[:, None]."
        raise ValueError(
            "`y` must be labels, integers of shape (batch,), or vectors, floats of shape (batch, dim); got "
            f"{y.dtype} of shape {y.shape}.{hint}"
        )
    if y.shape[0] != num:
        raise ValueError(f"`y` must hold as many samples as `x`, {num}; got shape {y.shape}.")
    if not is_label:
        y = _floats("y", y)
        _check_finite("y", y)
        if y.shape[1] < 1:
            raise ValueError(f"`y` must hold at least one number for each sample; got shape {y.shape}.")
        _check_size_of_conditions(np.asarray(y, np.float64))
        return jnp.asarray(y, jax.dtypes.canonicalize_dtype(np.asarray(y).dtype))
    if y.shape[0] > 1 and len(np.unique(np.asarray(y))) == y.shape[0]:
        raise ValueError(
            f"`y` must be labels that repeat; got {y.shape[0]} different ones of as many samples, of which nothing can "
            "be learnt. Merge them, leave them out, or give y[:, None].astype(float) if these are numbers."
        )
    low, high = int(y.min()), int(y.max())
    if low < 0:
        raise ValueError(f"`y` must be labels from 0 on; got {low}.")
    if high >= max(2 * num, 1000):
        raise ValueError(
            f"`y` must be labels 0, 1, 2, ... of classes; got {high} as a label of {num} samples. Number the classes "
            "(np.unique(y, return_inverse=True)[1]), or give y[:, None].astype(float) if these are numbers."
        )
    return jnp.asarray(y, jnp.int32)


def _check_size_of_conditions(values):
    """Refuses what the numbers of a computation cannot hold. A column that does not vary is no reason to refuse."""
    dtype = jax.dtypes.canonicalize_dtype(np.float64)
    size = np.maximum(np.abs(values).max(0), np.finfo(np.float64).tiny)
    mean, std = size * np.abs(np.mean(values / size, 0)), size * np.std(values / size, 0)
    varies = values.min(0) < values.max(0)
    wrong = np.flatnonzero((size > _CONDITIONS[1]) | (varies & (std < _CONDITIONS[0])))
    if dtype != np.float64 and wrong.size:
        raise ValueError(
            f"`y` must be of a size that {dtype} can hold; column {_few(wrong)} has mean {mean[wrong[0]]:.3g} and "
            f"standard deviation {std[wrong[0]]:.3g}. Multiply the column by a constant."
        )
    lost = np.flatnonzero(varies & (std < np.spacing(mean.astype(dtype)).astype(np.float64)))
    if lost.size:
        raise ValueError(
            f"`y` must have more digits: column {_few(lost)} has mean {mean[lost[0]]:.6g} and standard deviation "
            f"{std[lost[0]]:.2g}, which {dtype} does not resolve. Subtract the mean."
        )


def of_training(x: Any, y: PyTree | None, names: tuple[str, str], keep_integers: bool) -> tuple[Array, PyTree | None]:
    """Samples and conditions of a training, of any shape, as JAX arrays, read as integrals read theirs.

    **Arguments:**

    - `x`, `y`: what was given.
    - `names`: what errors call them.
    - `keep_integers`: whether integers in `x` shall stay what they are, for a transform that makes floats of them.

    **Raises:** `ValueError` that names what is wrong.
    """
    array = _array(names[0], x)
    floats, y = as_samples(array, y, names)
    is_whole = jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == bool
    return jnp.asarray(array) if keep_integers and is_whole else floats, y


def _array(name: str, value: Any) -> Array | np.ndarray:
    if isinstance(value, jax.Array) and not isinstance(value, Tracer):
        check_axes(value, name)
        return value
    text = isinstance(value, str | bytes | dict | set) or isinstance(value, numbers.Number) or value is None
    known = isinstance(value, Tracer | np.ndarray) or _reads_as_array(value)
    if text or isinstance(value, Iterator) or not known:
        raise ValueError(
            f"`{name}` must be an array; got {type(value).__name__}. Bring all samples together first, such as by "
            "np.concatenate(list(batches))."
        )
    array = plain_array(value, name)
    # JAX knows no float of more digits.
    return to_float64(array, name) if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array


def _reads_as_array(value: Any) -> bool:
    """Whether NumPy reads a value as an array."""
    return isinstance(value, list | tuple) or "__array__" in dir(type(value))


def _floats(name: str, value: Array | np.ndarray) -> Array | np.ndarray:
    kind = value.dtype
    if jnp.issubdtype(kind, jnp.floating):
        # Fewer digits than float32 are no digits to compute with.
        return value.astype(np.float32) if jnp.finfo(kind).bits < 32 else value
    if jnp.issubdtype(kind, jnp.integer) or kind == bool:
        return np.asarray(value).astype(np.float64)
    raise ValueError(f"`{name}` must be an array of real numbers; got {kind} of shape {value.shape}.")


def _check_finite(name: str, value: Array | np.ndarray) -> None:
    bad = ~np.isfinite(np.asarray(value, np.float64))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"`{name}` must be finite; it holds NaN or infinite entries, {int(bad.sum())} of them, the first in row "
            f"{row}, column {column}."
        )


def _few(columns: np.ndarray) -> str:
    return ", ".join(map(str, columns[:6])) + (", ..." if len(columns) > 6 else "")
