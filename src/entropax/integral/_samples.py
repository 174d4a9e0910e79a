"""Samples as integrals take them. What no estimate could be made of is refused here, for all of them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Inexact, PyTree, Shaped

from .._arrays import check_axes, to_float64
from ..denoiser import check_conditions


def as_samples(
    x: Shaped[ArrayLike, "..."], y: PyTree | None = None, names: tuple[str, str] = ("x", "y")
) -> tuple[Inexact[Array, " batch *shape"], PyTree | None]:
    """Samples and their conditions as JAX arrays. In `x`, lists, integers, truth values and floats of half precision
    become floats of JAX's default precision; in `y`, lists become arrays, floats of 8 bits those of the default
    precision, and truth values and unsigned integers signed integers. Values that are traced are not checked.

    **Arguments:**

    - `x`: the samples, shape `(batch, *shape)`.
    - `y`: their conditions, a pytree of arrays with the same leading axis.
    - `names`: what errors call them.

    **Returns:** both.

    **Raises:** `ValueError` where `x` holds no samples or `y` another number of them, and where one of them holds
        anything but real numbers, is masked, or is NaN or infinite in the precision that JAX calculates in.
    """
    of_x, of_y = names
    x = _as_array(x, of_x)
    if not jnp.issubdtype(x.dtype, jnp.floating) or jnp.finfo(x.dtype).bits < 32:
        x = x.astype(jnp.result_type(float))
    if x.ndim < 1 or 0 in x.shape:
        raise ValueError(f"`{of_x}` must hold at least one sample along its first axis; got shape {x.shape}.")
    _check_finite(x, of_x)
    y = jax.tree.map(lambda leaf: _as_condition(leaf, of_y), y, is_leaf=is_list_of_numbers)
    check_conditions(x, y, names)
    return x, y


def _as_condition(values, name) -> Array:
    array = _as_array(values, name)
    # What has 8 bits does not mix with other floats.
    if jnp.issubdtype(array.dtype, jnp.floating) and jnp.finfo(array.dtype).bits < 16:
        array = array.astype(jnp.result_type(float))
    if array.dtype == jnp.bool_ or jnp.issubdtype(array.dtype, jnp.unsignedinteger):
        return array.astype(jnp.int32)
    _check_finite(array, name)
    return array


def _as_array(values, name) -> Array:
    if isinstance(values, jax.Array):
        check_axes(values, name)
        array = values
    else:
        host = _on_host(values, name)
        # JAX knows of no floats of more than 64 bits.
        if host.dtype.kind == "f" and host.dtype.itemsize > 8:
            host = to_float64(host, name)
        # What is too large becomes infinite, and is refused as such.
        with np.errstate(over="ignore"):
            array = jnp.asarray(host.astype(jax.dtypes.canonicalize_dtype(host.dtype)))
        # In compiled code even what is known is traced, once JAX has it.
        if isinstance(array, Tracer):
            return array
        if jnp.issubdtype(host.dtype, jnp.integer) and not np.array_equal(array, host):
            raise ValueError(
                f"`{name}` must hold integers of {array.dtype.name}; got {host.min()} to {host.max()}. Number labels "
                "from 0 on, as `numpy.unique(..., return_inverse=True)` does, or convert numbers to floats."
            )
        # A denoiser would see samples that are all equal.
        if host.dtype == np.float64 and host.any() and not np.asarray(array).any():
            raise ValueError(
                f"`{name}` must not vanish in {array.dtype.name}; its largest entry is {np.abs(host).max():.3g}. Use "
                "other units."
            )
    if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
        raise ValueError(f"`{name}` must hold real numbers; got {array.dtype}.")
    return array


def _on_host(values, name) -> np.ndarray:
    if np.ma.is_masked(values):
        raise ValueError(
            f"`{name}` must hold values for every sample; got a masked array in which {np.ma.count_masked(values)} of "
            f"{np.ma.size(values)} entries are missing. Leave those samples out."
        )
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"`{name}` must be an array; got a {type(values).__name__}: {error}") from None
    if array.dtype.kind in "US":
        raise ValueError(
            f"`{name}` must hold numbers; got text, {array.dtype}. Labels are integers from 0 on, as "
            "`numpy.unique(..., return_inverse=True)` makes them."
        )
    if array.dtype.kind not in "biufV" or (array.dtype.kind == "V" and not jnp.issubdtype(array.dtype, jnp.floating)):
        raise ValueError(f"`{name}` must hold real numbers; got {array.dtype}, from a {type(values).__name__}.")
    return array


def is_list_of_numbers(node) -> bool:
    """Lists, of lists, of numbers: what users mean as one array, and JAX takes for a tree of them."""
    if not isinstance(node, list):
        return False
    return all(isinstance(part, bool | int | float | str) or is_list_of_numbers(part) for part in node)


def _check_finite(array, name) -> None:
    if isinstance(array, Tracer) or not jnp.issubdtype(array.dtype, jnp.floating):
        return
    finite = jnp.isfinite(array)
    if isinstance(finite, Tracer) or bool(jnp.all(finite)):
        return
    bad = np.argwhere(~np.asarray(finite))
    first = tuple(int(k) for k in bad[0])
    raise ValueError(
        f"`{name}` must be finite; {name}{list(first)} = {array[first]} in {array.dtype.name}, and {len(bad)} of "
        f"{array.size} entries are NaN or infinite."
    )
