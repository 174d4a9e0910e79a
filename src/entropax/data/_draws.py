import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float64, PRNGKeyArray

from .._arguments import check_key


def standard_normal(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float64[np.ndarray, "..."]:
    """Float32 draws, the same whether or not x64 is on, as float64."""
    return np.asarray(jr.normal(check_key(key), shape, jnp.float32), np.float64)
