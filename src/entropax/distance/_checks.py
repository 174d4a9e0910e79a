import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float64

from .._arrays import plain_array, to_float64


def check_samples(x: Float[ArrayLike, "..."], name: str, least: int = 2) -> Float64[np.ndarray, "batch dim"]:
    """The samples as rows of float64, refused where they are too few or not finite."""
    x = to_float64(plain_array(x, name), name)
    if x.ndim == 0 or 0 in x.shape:
        raise ValueError(f"`{name}` must hold samples along its first axis; got shape {x.shape}.")
    if len(x) < least:
        raise ValueError(f"`{name}` must hold at least {least} samples; got {len(x)}.")
    bad = np.count_nonzero(~np.isfinite(x))
    if bad:
        raise ValueError(f"`{name}` must be finite; {bad} of its {x.size} entries are NaN or infinite.")
    return x.reshape(len(x), -1)


def check_pair(
    x: Float[ArrayLike, "..."], y: Float[ArrayLike, "..."], least: int = 2
) -> tuple[Float64[np.ndarray, "batch dim"], Float64[np.ndarray, "other dim"]]:
    """Both as rows, about a common centre: what is compared here does not change when both move, and rounding is least
    there."""
    rows_x, rows_y = check_samples(x, "x", least), check_samples(y, "y", least)
    if np.shape(x)[1:] != np.shape(y)[1:]:
        raise ValueError(
            f"`y` must hold samples of the shape of those in `x`, {np.shape(x)[1:]}; got shape {np.shape(y)[1:]}."
        )
    centre = 0.5 * (rows_x.mean(0) + rows_y.mean(0))
    return rows_x - centre, rows_y - centre


def to_jax(value: np.ndarray | np.floating | float) -> Float[Array, "..."]:
    """In the float that JAX has by default, whatever the setting of x64."""
    return jnp.asarray(value, jnp.result_type(float))
