"""What users pass for an array: as a NumPy array, or refused with advice. Numbers in float64 that nothing overflows."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Float64, Int, Shaped
from scipy.sparse import issparse


# Beyond it float64 has no longer every integer.
_WHOLE = 2**53

_TRACED = "is traced by JAX, and its values are needed: call this outside of jax.jit, jax.vmap and jax.grad."


def plain_array(value: Any, name: str) -> Shaped[np.ndarray, "..."]:
    """An array of real numbers, truth values or text, with the dtype that it came with.

    **Arguments:**

    - `value`: what stands for the array: an array of any library, a list of numbers.
    - `name`: what errors call it.

    **Raises:** `ValueError` where entries are masked, where the value is traced by JAX, and where it is a sparse
        matrix, an iterator, a mapping, or holds complex numbers, dates, records or Python objects.
    """
    advice = _advice(value, name)
    if advice is not None:
        raise ValueError(f"`{name}` {advice}")
    if isinstance(value, list | tuple) and any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value)):
        raise ValueError(f"`{name}` holds what {_TRACED}")
    if isinstance(value, list | tuple) and any(isinstance(entry, np.ma.MaskedArray) for entry in value):
        value = np.ma.array(value)
    masks = np.ma.getmaskarray(value) if isinstance(value, np.ma.MaskedArray) else np.zeros(0, bool)
    try:
        array = np.asarray(value)
    # Other libraries raise what they like, as tensors on another device do.
    except Exception as error:
        raise ValueError(f"`{name}` cannot be made an array, being a {type(value).__name__}: {error}") from error
    if masks.dtype == bool and masks.any():
        raise ValueError(
            f"`{name}` masks {int(masks.sum())} of {masks.size} entries, and what lies under a mask is no value. Leave "
            f"the rows out of all variables: rows = ~numpy.ma.getmaskarray({name}).reshape(len({name}), -1).any(1)."
        )
    wrong = _wrong_kind(array)
    if wrong is not None:
        raise ValueError(f"`{name}` must hold real numbers; {wrong}")
    return array


def to_float64(array: Shaped[np.ndarray, "..."], name: str) -> Float64[np.ndarray, "..."]:
    """Numbers as float64, in which they have the order and the ties that they had.

    **Arguments:**

    - `array`: as [`plain_array`][entropax._arrays.plain_array] returns it.
    - `name`: what errors call it.

    **Raises:** `ValueError` where the array holds text, numbers beyond the range of float64, or different numbers that
        float64 cannot tell apart.
    """
    if array.dtype.kind in "SU":
        raise ValueError(f"`{name}` must hold numbers; got text ({array.dtype}).")
    with np.errstate(over="ignore", under="ignore"):
        numbers = array.astype(np.float64)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        beyond = np.isfinite(array) & ~np.isfinite(numbers)
        if beyond.any():
            raise ValueError(f"`{name}` holds {array[beyond][0]}, beyond the range of float64. Divide it by its scale.")
    elif array.dtype.kind not in "iu" or array.size == 0 or max(abs(int(array.min())), int(array.max())) <= _WHOLE:
        return numbers
    columns = (lambda table: table.reshape(len(table), -1).T) if array.ndim else np.atleast_2d
    for exact, rounded in zip(columns(array), columns(numbers)):
        if len(np.unique(rounded)) < len(np.unique(exact)):
            raise ValueError(
                f"`{name}` holds different numbers of {array.dtype} that float64 cannot tell apart, near {exact[0]}. "
                f"Subtract an offset before they are converted: {name} - {name}.min(0)."
            )
    return numbers


def as_float64(value: Any, name: str) -> Float64[np.ndarray, "..."]:
    """What a user passes for an array of numbers, as float64.

    **Raises:** `ValueError` as [`plain_array`][entropax._arrays.plain_array] and
        [`to_float64`][entropax._arrays.to_float64].
    """
    return to_float64(plain_array(value, name), name)


def check_finite(numbers: Float64[np.ndarray, "..."], name: str) -> None:
    """Refuses NaN and infinity, saying where.

    **Raises:** `ValueError` as above.
    """
    bad = ~np.isfinite(numbers)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        nans = int(np.isnan(numbers).sum())
        place = f"row {first[0]}, column {first[1]}" if len(first) == 2 else f"place {first}"
        raise ValueError(
            f"`{name}` must be finite; it holds {nans} NaN and {int(bad.sum()) - nans} infinite values, the first in "
            f"{place} (counted from 0)."
        )


def as_known(value: Any, name: str) -> Float64[np.ndarray, "..."]:
    """What a user passes for an array of finite numbers, as float64.

    **Raises:** `ValueError` as [`as_float64`][entropax._arrays.as_float64] and
        [`check_finite`][entropax._arrays.check_finite].
    """
    numbers = as_float64(value, name)
    check_finite(numbers, name)
    return numbers


def as_floats(value: Any, name: str, *, finite: bool = True) -> Float[Array, "..."]:
    """What a user passes for an array of numbers, as a JAX array. Floats keep their precision, where JAX has it, and
    all else becomes floats of its default one. An array whose numbers this process cannot read, because JAX traces it
    or other processes hold a part of it, passes, if it is one of real numbers.

    **Arguments:**

    - `value`: what was given.
    - `name`: what errors call it.
    - `finite`: whether NaN and infinity are refused.

    **Raises:** `ValueError` as [`as_known`][entropax._arrays.as_known], and where a number is beyond the range of the
        precision.
    """
    if isinstance(value, jax.Array):
        wrong = _wrong_kind(value)
        if wrong is not None:
            raise ValueError(f"`{name}` must hold real numbers; {wrong}")
        check_axes(value, name)
        array = value if jnp.issubdtype(value.dtype, jnp.floating) else value.astype(float)
        if finite and _is_readable(array) and not _is_finite(array):
            check_finite(np.asarray(array, np.float64), name)
        return array
    array = plain_array(value, name)
    numbers = to_float64(array, name)
    if finite:
        check_finite(numbers, name)
    own = array.dtype if jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.itemsize <= 8 else np.float64
    return jnp.asarray(rounded(numbers, name, jax.dtypes.canonicalize_dtype(own)))


def rounded(numbers: Float64[np.ndarray, "..."], name: str, dtype: Any = None) -> Float[np.ndarray, "..."]:
    """Numbers in a precision, by default that which JAX calculates in.

    **Raises:** `ValueError` where a finite one is beyond its range, and where all become zero that are not.
    """
    dtype = jax.dtypes.canonicalize_dtype(np.float64) if dtype is None else dtype
    with np.errstate(over="ignore", under="ignore"):
        found = numbers.astype(dtype)
    beyond = np.isfinite(numbers) & ~np.isfinite(found)
    if beyond.any():
        raise ValueError(
            f"`{name}` holds {numbers[beyond][0]:.3g}, beyond the range of {found.dtype.name}. Divide it by its scale."
        )
    if numbers.any() and not found.any():
        raise ValueError(
            f"`{name}` must not vanish in {found.dtype.name}; its largest entry is {np.nanmax(np.abs(numbers)):.3g}. "
            "Divide it by its scale."
        )
    return found


def check_axes(array: Array, name: str) -> None:
    """Refuses an array that is spread over mesh axes of type Explicit, the default of `jax.make_mesh`: JAX cannot index
    such an array without a sharding for the result.

    **Raises:** `ValueError` that says how to spread the array over axes of type Auto.
    """
    over = [axis for axis in jax.typeof(array).sharding.spec if axis is not None]
    if over:
        raise ValueError(
            f"`{name}` must not be spread over mesh axes of type Explicit; it is over {', '.join(map(str, over))}. "
            f"Write entropax.parallel.shard({name}, entropax.parallel.make_mesh())."
        )


def as_integers(value: Any, name: str) -> Int[Array, "..."]:
    """What a user passes for an array of integers, such as labels, as a JAX array. What is traced passes, if it is one
    of integers.

    **Raises:** `ValueError` where it is none, is masked, or holds integers that JAX does not have.
    """
    array = plain_array(value, name) if _is_readable(value) else value
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(
            f"`{name}` must hold integers; got {array.dtype} of shape {array.shape}. Number labels from 0 on, as "
            "numpy.unique(..., return_inverse=True) does."
        )
    if isinstance(value, jax.Array):
        check_axes(value, name)
        return value
    limits = np.iinfo(jax.dtypes.canonicalize_dtype(array.dtype))
    if array.size and not limits.min <= int(array.min()) <= int(array.max()) <= limits.max:
        raise ValueError(f"`{name}` must hold integers of {limits.dtype}; got {array.min()} to {array.max()}.")
    return jnp.asarray(array)


def check_spread(numbers: Float64[np.ndarray, "batch ..."], name: str) -> None:
    """Refuses samples whose values, or whose variances, are beyond the range of the precision that JAX calculates in by
    default: too large for it, or so small that it takes them for zero.

    **Raises:** `ValueError` that says how large they are.
    """
    limits = np.finfo(jax.dtypes.canonicalize_dtype(np.float64))
    rounded(numbers, name)
    if (numbers.max(0) == numbers.min(0)).all():
        return
    centred = numbers - numbers.mean(0)
    largest = np.abs(centred).max()
    std = float(largest * np.sqrt(np.mean((centred / largest) ** 2, 0)).max())
    if not np.sqrt(limits.tiny) <= std < np.sqrt(limits.max):
        raise ValueError(
            f"`{name}` must have a variance within the range of {limits.dtype}; its standard deviation is {std:.3g}, "
            f"too {'large' if std > 1 else 'small'} to be squared. Use other units: divide `{name}` by its scale."
        )


def of_unit_size(
    numbers: Float64[np.ndarray, " num *shape"],
) -> tuple[Float64[np.ndarray, " num *shape"], Int[np.ndarray, "*shape"]]:
    r"""Each coordinate divided by the power of two that brings its largest magnitude into $[\tfrac12, 1)$: squares
    neither overflow nor vanish, and moments are, to the bit, those of the numbers themselves in other units.

    **Returns:** the quotients and the exponents.
    """
    _, exponents = np.frexp(np.abs(numbers).max(0))
    return np.ldexp(numbers, -exponents), exponents


def _is_finite(array: Array) -> bool:
    # On its device, as samples may be many; and now, even where JAX traces what is around.
    with jax.ensure_compile_time_eval():
        return bool(jnp.all(jnp.isfinite(array)))


def _is_readable(value: Any) -> bool:
    """Whether the numbers of an array are known to this process."""
    return not isinstance(value, Tracer) and (not isinstance(value, jax.Array) or value.is_fully_addressable)


def _advice(value: Any, name: str) -> str | None:
    """What to do with a value that NumPy would take for something else."""
    if value is None:
        return "must be an array; got None."
    if isinstance(value, Tracer):
        return _TRACED
    if issparse(value):
        return f"must be a dense array; got a sparse matrix. Pass {name}.toarray()."
    if isinstance(value, Iterator):
        return f"must be an array; got an iterator, which can be read only once. Pass numpy.stack(list({name}))."
    if isinstance(value, Mapping | Set):
        return f"must be an array; got a {type(value).__name__}. Pass its numbers, a row a sample."
    return None


def _wrong_kind(array: np.ndarray | Array) -> str | None:
    if jnp.issubdtype(array.dtype, jax.dtypes.extended):
        return f"got dtype {array.dtype}, of keys of jax.random."
    kind = array.dtype.kind
    if kind == "O":
        found = sorted({type(entry).__name__ for entry in array.reshape(-1)[:1000]})
        return (
            f"got Python objects ({', '.join(found[:4])}). Leave out what is missing, and pass columns of one kind as "
            "numbers: numpy.asarray(column, dtype=float), or column.to_numpy(dtype=float) of a table."
        )
    if kind in "mM":
        return f"got dtype {array.dtype}, of dates or times. Pass numbers: (t - t[0]) / numpy.timedelta64(1, 's')."
    if kind == "c":
        return f"got dtype {array.dtype}. Pass real and imaginary parts as two columns."
    # bfloat16 and its kin are of no kind that NumPy knows.
    if kind == "V" and (array.dtype.names is not None or not jnp.issubdtype(array.dtype, np.number)):
        return f"got dtype {array.dtype}, of records. Pass their fields as columns."
    return None
