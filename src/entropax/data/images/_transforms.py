import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float32, PRNGKeyArray

from ..._arguments import check_key
from ._images import Images


def on_grid(images: Images) -> Float32[Array, "num channels height width"]:
    r"""The pixels on equally spaced values from $-1$ to 1,

    $$x = \frac{2q}{L - 1} - 1, \qquad q \in \{0, \dots, L - 1\},$$

    which are those of `images.grid`, and as near to them as float32 comes. For the quantities of discrete data, such
    as [`entropax.discrete_nll`][]: $x$ has probabilities and no density.

    **Arguments:**

    - `images`: the images, or a batch of them.

    **Returns:** $x$, of the shape of the pixels.
    """
    return jnp.asarray(images.grid.values, jnp.float32)[jnp.asarray(images.pixels)]


def dequantise(images: Images, key: PRNGKeyArray) -> Float32[Array, "num channels height width"]:
    r"""The pixels with noise that fills their bins,

    $$x = 2\,\frac{q + u}{L} - 1, \qquad u \sim \mathcal{U}(0, 1),$$

    so that $x \in (-1, 1)$ has a density. The bins have the width $2/L$, and a density becomes a code length by
    `images.log_volume`. $q = \lfloor L (x + 1)/2 \rfloor$ gives the pixels back without exception, in float32 too: $u$
    is one of the $2^{12}$ values $(k + \frac12)/2^{12}$, of which rounding takes none out of its bin.

    Where images are to be augmented as well, augment first: else the edge that a shift repeats has its noise repeated.

    **Arguments:**

    - `images`: the images, or a batch of them.
    - `key`: the noise.

    **Returns:** $x$, of the shape of the pixels.
    """
    steps = jr.bits(check_key(key), images.pixels.shape, jnp.uint16) >> 4
    uniform = (steps.astype(jnp.float32) + 0.5) * 2.0**-12
    return (jnp.asarray(images.pixels, jnp.float32) + uniform) * images.bin_width - 1.0
