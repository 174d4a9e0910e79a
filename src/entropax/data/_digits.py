import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float32, Int32, PRNGKeyArray

from .._arguments import check_key
from . import images


def digits(
    key: PRNGKeyArray,
) -> tuple[Float32[Array, "1797 64"], Int32[Array, " 1797"]]:
    r"""The 8 x 8 handwritten digits that come with scikit-learn, dequantised,

    $$x = 2\,\frac{q + u}{17} - 1, \qquad q \in \{0, \dots, 16\}, \qquad
      u \sim \mathcal{U}[0, 1),$$

    so that $x \in [-1, 1]$ has a density. Nothing is downloaded.

    **Arguments:**

    - `key`: the dequantisation and the order of the samples.

    **Returns:** `x`, shape `(1797, 64)`, an image a row, and the labels `y`, shape
    `(1797,)`, 0 to 9.
    """
    key_noise, key_order = jr.split(check_key(key))
    found = images.digits()
    assert found.labels is not None
    pixels = found.pixels.reshape(len(found), -1)
    uniform = np.asarray(jr.uniform(key_noise, pixels.shape, jnp.float32), np.float64)
    order = np.asarray(jr.permutation(key_order, len(pixels)))
    x = (pixels + uniform)[order] * (2 / 17) - 1
    return jnp.asarray(x, jnp.float32), jnp.asarray(found.labels[order], jnp.int32)
