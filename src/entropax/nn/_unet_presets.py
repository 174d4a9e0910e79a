"""U-Nets of known sizes: plain functions of the condition, whose width is that of the embedding."""

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray
from numpy.typing import DTypeLike

from ._condition import AbstractCondition
from ._unet import UNet


def unet_digits(
    condition: AbstractCondition, *, dropout: float = 0.0, dtype: DTypeLike = jnp.float32, key: PRNGKeyArray
) -> UNet:
    """For images of shape (1, 8, 8), small enough for two processor cores: 0.46 million parameters with a condition of
    width 128. Attention is at 4 x 4.

    **Arguments:**

    - `condition`: as [`entropax.nn.UNet`][].
    - `dropout`, `dtype`: as [`entropax.nn.UNet`][].
    - `key`: for the initialisation.
    """
    return UNet(1, condition, (32, 32), attention=(1,), groups=8, dropout=dropout, dtype=dtype, key=key)


def unet_mnist(
    condition: AbstractCondition, *, dropout: float = 0.0, dtype: DTypeLike = jnp.float32, key: PRNGKeyArray
) -> UNet:
    """For images of shape (1, 28, 28), which go 28, 14, 7 and back: 1.14 million parameters with a condition of width
    128. Attention is in the middle.

    **Arguments:**

    - `condition`: as [`entropax.nn.UNet`][].
    - `dropout`, `dtype`: as [`entropax.nn.UNet`][].
    - `key`: for the initialisation.

    ??? cite "Source"
        The size of the network on MNIST of Diffusion models are Kelly gamblers, 1.12 million.
    """
    return UNet(1, condition, (32, 64, 64), depth=1, groups=8, dropout=dropout, dtype=dtype, key=key)


def unet_cifar10(
    condition: AbstractCondition, *, dropout: float = 0.2, dtype: DTypeLike = jnp.float32, key: PRNGKeyArray
) -> UNet:
    """For images of shape (3, 32, 32): 41.9 million parameters with a condition of width 1024. Attention is at 16 x 16
    and at 8 x 8.

    **Arguments:**

    - `condition`: as [`entropax.nn.UNet`][].
    - `dropout`, `dtype`: as [`entropax.nn.UNet`][]; `jnp.bfloat16` on a GPU.
    - `key`: for the initialisation.

    ??? cite "Source"
        The network on CIFAR-10 of Diffusion models are Kelly gamblers, 42.1 million.
    """
    return UNet(3, condition, (256, 256, 256), attention=(1, 2), dropout=dropout, dtype=dtype, key=key)
