"""Networks that say of a latent which sample it is."""

import itertools
import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from .._arguments import check_key, check_shape, check_whole, check_wholes
from ._blocks import nearest
from ._conv import Conv2d
from ._encoder import check_image
from ._linear import affine


class MLPDecoder(eqx.Module):
    """Layers of SiLU, the mirror of [`entropax.nn.MLPEncoder`][].

    **Arguments:**

    - `dim`: of the latent.
    - `shape`: of a sample.
    - `widths`: of the layers; none for a decoder that is linear.
    - `key`: for the initialisation.

    **Raises:** `ValueError` unless `dim`, `widths` and the sizes of `shape` are positive whole numbers.
    """

    layers: list[eqx.nn.Linear]
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, dim: int, shape: tuple[int, ...], widths: Sequence[int] = (256, 256), *, key: PRNGKeyArray):
        check_whole("dim", dim, least=1)
        check_shape("shape", shape)
        check_key(key)
        widths = check_wholes("widths", widths, least=1)
        widths = (dim, *widths, math.prod(shape))
        self.layers = [
            eqx.nn.Linear(inputs, outputs, key=layer_key)
            for (inputs, outputs), layer_key in zip(
                itertools.pairwise(widths), jr.split(key, len(widths) - 1), strict=True
            )
        ]
        self.shape = shape

    def __call__(self, z: Float[Array, " dim"]) -> Float[Array, "*shape"]:
        for layer in self.layers[:-1]:
            z = jax.nn.silu(affine(layer, z))
        return affine(self.layers[-1], z).reshape(self.shape)


class ConvDecoder(eqx.Module):
    """The mirror of [`entropax.nn.ConvEncoder`][]: the nearest pixel and a convolution of 3 x 3, with SiLU, at twice
    the pixels each time.

    **Arguments:**

    - `dim`: of the latent.
    - `shape`: of an image, `(channels, height, width)`.
    - `widths`: the channels from the full resolution down, as the encoder has them.
    - `key`: for the initialisation.

    **Raises:** `ValueError` unless `dim`, `widths` and the sizes of `shape` are positive whole numbers and the image
        has pixels for all doublings.
    """

    first: eqx.nn.Linear
    layers: list[Conv2d]
    output: Conv2d
    sizes: tuple[tuple[int, int], ...] = eqx.field(static=True)

    def __init__(self, dim: int, shape: tuple[int, int, int], widths: Sequence[int] = (32, 64), *, key: PRNGKeyArray):
        check_whole("dim", dim, least=1)
        check_image("shape", shape)
        widths = check_wholes("widths", widths, least=1)
        if min(shape[1:]) < 2 ** len(widths):
            raise ValueError(f"`widths`: {len(widths)} doublings want {2 ** len(widths)} pixels a side; got {shape}.")
        first_key, output_key, *layer_keys = jr.split(check_key(key), len(widths) + 2)
        channels, height, width = shape
        # From the fewest pixels up.
        self.sizes = tuple((height >> level, width >> level) for level in reversed(range(len(widths) + 1)))
        deepest = (channels, *widths)[-1]
        self.first = eqx.nn.Linear(dim, deepest * math.prod(self.sizes[0]), key=first_key)
        upwards = (*reversed(widths), (channels, *widths)[1 if widths else 0])
        self.layers = [
            Conv2d(inputs, outputs, 3, padding=(1, 1), key=layer_key)
            for (inputs, outputs), layer_key in zip(itertools.pairwise(upwards), layer_keys, strict=True)
        ]
        self.output = Conv2d(upwards[-1], channels, 3, padding=(1, 1), key=output_key)

    def __call__(self, z: Float[Array, " dim"]) -> Float[Array, "channels height width"]:
        h = jax.nn.silu(affine(self.first, z)).reshape(-1, *self.sizes[0])
        for layer, size in zip(self.layers, self.sizes[1:], strict=True):
            h = jax.nn.silu(layer(nearest(h, size)))
        return self.output(h)
