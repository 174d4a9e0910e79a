from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray


def check_key(key: Any) -> PRNGKeyArray:
    """One key of JAX, typed or raw.

    **Raises:** `ValueError` where it is anything else, above all an integer.
    """
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.ndim == 0:
            return key
        raise ValueError(f"`key` must be one key; got an array of keys of shape {key.shape}.")
    if isinstance(key, jax.Array | np.ndarray) and key.dtype == np.uint32 and key.ndim == 1 and key.size in (2, 4):
        return key  # pyright: ignore[reportReturnType]
    found = repr(key) if isinstance(key, int | float | str | None) else f"a {type(key).__name__}"
    whole = isinstance(key, int) and not isinstance(key, bool)
    raise ValueError(f"`key` must be a key of JAX; got {found}. Pass jax.random.key({key if whole else 0}).")
