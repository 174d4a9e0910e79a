import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Inexact, PyTree

from .._arrays import plain_array
from ._samples import as_samples


def read_samples(
    x: object, y: PyTree | None = None, names: tuple[str, str] = ("x", "y")
) -> tuple[Inexact[Array, " batch *shape"], PyTree | None]:
    """As [`entropax.integral.as_samples`][], within compiled code too, under other names.

    **Arguments:**

    - `x`, `y`: what was given.
    - `names`: what errors call them.

    **Raises:** `ValueError` as there.
    """
    if isinstance(jnp.zeros(()), Tracer):
        # Of arrays that compiled code closes over the values are known, but not what is computed from them: they are
        # taken as they come.
        x, y = plain_array(x, names[0]) if isinstance(x, list | tuple) else x, jax.tree.map(_within, y)
        x = _within(x)
    try:
        return as_samples(x, y)  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        if names == ("x", "y"):
            raise
        message = str(error)
        for here, there in zip(("x", "y"), names):
            # By itself, and before the place of an entry.
            message = message.replace(f"`{here}`", f"`{there}`").replace(f"; {here}[", f"; {there}[")
        raise ValueError(message) from None


def _within(leaf):
    if isinstance(leaf, np.ndarray) and not np.ma.is_masked(leaf):
        leaf = jnp.asarray(np.asarray(leaf))
    return jnp.copy(leaf) if isinstance(leaf, jax.Array) else leaf
