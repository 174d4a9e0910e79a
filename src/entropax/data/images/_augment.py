import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray, Shaped

from ..._arguments import check_key
from .._checks import check_whole


Batch = Shaped[Array, "batch channels height width"]


def random_flip(key: PRNGKeyArray, batch: Batch, probability: float = 0.5) -> Batch:
    """Each image mirrored, left for right, with some probability.

    **Arguments:**

    - `key`: which images.
    - `batch`: of any dtype.
    - `probability`: from 0 to 1; at one half the law of the result is symmetric.

    **Returns:** the batch, of the same shape and dtype.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"`probability` must be from 0 to 1; got {probability}.")
    flipped = jr.bernoulli(check_key(key), probability, (len(batch), 1, 1, 1))
    return jnp.where(flipped, batch[..., ::-1], batch)


def random_shift(key: PRNGKeyArray, batch: Batch, most: int) -> Batch:
    r"""Each image shifted by whole pixels, what comes in at an edge being the edge repeated,

    $$x'_{ij} = x_{i - a,\, j - b} \quad \text{(indices clipped to the image)}, \qquad
      a, b \sim \mathcal{U}\{-m, \dots, m\}.$$

    **Arguments:**

    - `key`: the offsets, drawn for each image and the same for its channels.
    - `batch`: of any dtype.
    - `most`: $m$, less than the height and the width.

    **Returns:** the batch, of the same shape and dtype.
    """
    height, width = batch.shape[2:]
    check_whole(most, "most")
    if not 0 <= most < min(height, width):
        raise ValueError(f"`most` must be at least 0 and less than {min(height, width)}, the least side; got {most}.")
    offsets = jr.randint(check_key(key), (2, len(batch), 1), -most, most + 1)
    rows = jnp.clip(jnp.arange(height) - offsets[0], 0, height - 1)
    columns = jnp.clip(jnp.arange(width) - offsets[1], 0, width - 1)
    return jax.vmap(lambda image, i, j: image[:, i[:, None], j])(batch, rows, columns)


def augment(key: PRNGKeyArray, batch: Batch, *, flip: float, shift: int) -> Batch:
    r"""[`entropax.data.images.random_shift`][] after [`entropax.data.images.random_flip`][]: for a batch within a
    training step, with a key of the step.

    The law of augmented images is another one than that of the images: a mixture over what was done to them. A model
    that is trained on it has the entropies of that mixture, and the likelihood of images as they are is still a bound
    on their code length, if not the best one.

    **Arguments:**

    - `key`: of this batch.
    - `batch`: of any dtype; pixels rather than dequantised values.
    - `flip`: the probability of a flip: 0 for none, as digits want it, 0.5 for photographs.
    - `shift`: the most that an image is shifted by; 0 for none.

    **Returns:** the batch, of the same shape and dtype.
    """
    flip_key, shift_key = jr.split(check_key(key))
    return random_shift(shift_key, random_flip(flip_key, batch, flip), shift)
