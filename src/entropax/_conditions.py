"""What a condition of one sample must be for a model. It is checked at trace time, because a condition of another shape
would be broadcast to any number of coordinates, and answered."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, PyTree


def check_vector(y: PyTree, shape: tuple[int, ...], dtype: DTypeLike, what: str = "") -> Float[Array, "..."]:
    """The condition as an array of floats.

    **Arguments:**

    - `y`: the condition of one sample.
    - `shape`: that it must have.
    - `dtype`: what integers and floats of less precision are converted to.
    - `what`: words for the error that say what it is.

    **Raises:** `ValueError` where it is not one array of real numbers of that shape.
    """
    array = _as_array(y, jnp.floating, jnp.integer, jnp.bool_)
    if array is None or array.shape != shape:
        raise ValueError(f"`y` must {what or 'have'} shape {shape} for each sample; got {_found(y, array)}.")
    exact = jnp.issubdtype(array.dtype, jnp.floating) and jnp.finfo(array.dtype).bits >= jnp.finfo(dtype).bits
    return array if exact else array.astype(dtype)


def check_label(y: PyTree, dtype: DTypeLike) -> Int[Array, ""]:
    """The label as an integer of this dtype.

    **Raises:** `ValueError` where it is not one integer.
    """
    array = _as_array(y, jnp.integer, jnp.bool_)
    if array is None or array.shape != ():
        found = _found(y, array) if array is None else f"shape {array.shape}"
        raise ValueError(
            f"`y` must be a label, one integer for each sample; got {found}. For labels that are held as "
            "floats, pass `y.astype(int)`; for labels in a column, `y[:, 0]`."
        )
    return array.astype(dtype)


def _as_array(y, *kinds) -> Array | None:
    array = jnp.asarray(y) if _is_array(y) else None
    return array if array is not None and any(jnp.issubdtype(array.dtype, kind) for kind in kinds) else None


def _is_array(y) -> bool:
    return isinstance(y, jax.Array | np.ndarray | np.generic | bool | int | float)


def _found(y, array) -> str:
    if array is not None:
        return f"{array.shape}"
    if _is_array(y):
        return f"{jnp.result_type(y)} of shape {jnp.shape(y)}"
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(y) if _is_array(leaf)]
    return f"a {type(y).__name__} of {len(shapes)} arrays, of shapes {shapes}"
