"""Networks that say of a sample what its latent is, up to Gaussian noise."""

import abc
import itertools
import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from equinox import AbstractVar
from jaxtyping import Array, Float, PRNGKeyArray

from .._arguments import check_key, check_shape, check_whole, check_wholes
from ._conv import Conv2d
from ._diagonal_normal import DiagonalNormal
from ._linear import affine


class AbstractEncoder(eqx.Module):
    r"""A Gaussian encoder $q(z|x) = \mathcal{N}\bigl(z;\ m(x), \mathrm{diag}\,\sigma^2(x)\bigr)$. To add one, subclass
    this and state `shape`, `dim` and `features`.

    ??? cite "Source"
        Kingma and Welling, Auto-encoding variational Bayes (2014); Diffusion models are Kelly gamblers, Eq. (68).
    """

    shape: AbstractVar[tuple[int, ...]]
    dim: AbstractVar[int]
    head: AbstractVar[eqx.nn.Linear]

    @abc.abstractmethod
    def features(self, x: Float[Array, "*shape"]) -> Float[Array, " width"]:
        """What the means and deviations are affine functions of."""

    def __call__(self, x: Float[Array, "*shape"]) -> DiagonalNormal:
        """$q(z|x)$ for one sample.

        **Raises:** `ValueError` where `x` does not have the shape that the encoder was made for.
        """
        if x.shape != self.shape:
            raise ValueError(f"`x` must have the shape {self.shape} that the encoder was made for; got {x.shape}.")
        mean, log_std = jnp.split(affine(self.head, self.features(x)), 2)
        return DiagonalNormal(mean, log_std)


class MLPEncoder(AbstractEncoder):
    """Layers of SiLU over all numbers of a sample.

    **Arguments:**

    - `shape`: of a sample.
    - `dim`: of the latent.
    - `widths`: of the layers; none for an encoder that is linear.
    - `key`: for the initialisation.

    **Raises:** `ValueError` unless `dim`, `widths` and the sizes of `shape` are positive whole numbers.
    """

    layers: list[eqx.nn.Linear]
    head: eqx.nn.Linear
    shape: tuple[int, ...] = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    def __init__(self, shape: tuple[int, ...], dim: int, widths: Sequence[int] = (256, 256), *, key: PRNGKeyArray):
        check_shape("shape", shape)
        check_whole("dim", dim, least=1)
        widths = check_wholes("widths", widths, least=1)
        *layer_keys, head_key = jr.split(check_key(key), len(widths) + 1)
        widths = (math.prod(shape), *widths)
        self.layers = [
            eqx.nn.Linear(inputs, outputs, key=layer_key)
            for (inputs, outputs), layer_key in zip(itertools.pairwise(widths), layer_keys, strict=True)
        ]
        self.head = eqx.nn.Linear(widths[-1], 2 * dim, key=head_key)
        self.shape, self.dim = shape, dim

    def features(self, x: Float[Array, "*shape"]) -> Float[Array, " width"]:
        h = x.reshape(-1)
        for layer in self.layers:
            h = jax.nn.silu(affine(layer, h))
        return h


class ConvEncoder(AbstractEncoder):
    """Convolutions of 4 x 4 pixels, each with SiLU and half of the pixels of the one before: the more of them, the more
    of the image a feature sees.

    **Arguments:**

    - `shape`: of an image, `(channels, height, width)`.
    - `dim`: of the latent.
    - `widths`: the channels of each convolution.
    - `key`: for the initialisation.

    **Raises:** `ValueError` unless `dim`, `widths` and the sizes of `shape` are positive whole numbers and the image
        has pixels for all convolutions.
    """

    layers: list[Conv2d]
    head: eqx.nn.Linear
    shape: tuple[int, ...] = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    def __init__(self, shape: tuple[int, int, int], dim: int, widths: Sequence[int] = (32, 64), *, key: PRNGKeyArray):
        check_image("shape", shape)
        check_whole("dim", dim, least=1)
        widths = check_wholes("widths", widths, least=1)
        *layer_keys, head_key = jr.split(check_key(key), len(widths) + 1)
        channels, *pixels = shape
        if min(pixels) < 2 ** len(widths):
            raise ValueError(f"`widths`: {len(widths)} halvings want {2 ** len(widths)} pixels a side; got {shape}.")
        self.layers = [
            Conv2d(inputs, outputs, 4, stride=2, padding=(1, 1), key=layer_key)
            for (inputs, outputs), layer_key in zip(itertools.pairwise((channels, *widths)), layer_keys, strict=True)
        ]
        left = math.prod(side >> len(widths) for side in pixels)
        self.head = eqx.nn.Linear((channels, *widths)[-1] * left, 2 * dim, key=head_key)
        self.shape, self.dim = shape, dim

    def features(self, x: Float[Array, "*shape"]) -> Float[Array, " width"]:
        h = x
        for layer in self.layers:
            h = jax.nn.silu(layer(h))
        return h.reshape(-1)


def check_image(name: str, shape: tuple[int, int, int]) -> None:
    """Refuses what is not the shape of an image, channels first."""
    check_shape(name, shape)
    if len(shape) != 3:
        raise ValueError(f"`{name}` must be that of an image, (channels, height, width); got {shape}.")
