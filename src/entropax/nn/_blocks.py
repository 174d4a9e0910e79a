"""The parts of a U-Net that know nothing of the whole: residual blocks, and what leads from one resolution to the next.

All compute in the precision of the image that they are given and hold their parameters in float32."""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from einops import repeat
from jaxtyping import Array, Float, PRNGKeyArray

from .._arguments import check_whole
from ._conv import Conv2d
from ._dropout import Dropout
from ._group_norm import GroupNorm
from ._linear import affine, cast


def group_norm(channels: int, groups: int, eps: float) -> GroupNorm:
    """A group norm; where `groups` does not divide `channels`, of as many groups as divide both."""
    check_whole("groups", groups, least=1)
    return GroupNorm(math.gcd(groups, channels), channels, eps)


def zero_conv(inputs: int, outputs: int) -> Conv2d:
    """A 3 x 3 convolution whose output is zero until it is trained."""
    return jax.tree.map(jnp.zeros_like, Conv2d(inputs, outputs, 3, padding=(1, 1), key=jr.key(0)))


class AbstractModulation(eqx.Module):
    """How a residual block hears the noise level and the condition: at its second norm. To add one, subclass this; it
    is made by `Modulation(width, channels, key=key)`, with the width of the embedding."""

    @abc.abstractmethod
    def __call__(
        self,
        norm: GroupNorm,
        h: Float[Array, "channels height width"],
        embedding: Float[Array, " features"],
    ) -> Float[Array, "channels height width"]:
        """`h`, normalised and modulated."""


class Shift(AbstractModulation):
    r"""$h \mapsto \mathrm{norm}(h + b)$ with $b$ affine in the embedding, the same for all pixels.

    **Arguments:**

    - `width`: of the embedding.
    - `channels`: of the image.
    - `key`: for the initialisation.

    ??? cite "Source"
        Ho et al., Denoising diffusion probabilistic models (2020).
    """

    linear: eqx.nn.Linear

    def __init__(self, width: int, channels: int, *, key: PRNGKeyArray):
        self.linear = eqx.nn.Linear(width, channels, key=key)

    def __call__(
        self,
        norm: GroupNorm,
        h: Float[Array, "channels height width"],
        embedding: Float[Array, " features"],
    ) -> Float[Array, "channels height width"]:
        shift = affine(self.linear, embedding).astype(h.dtype)
        return norm(h + shift[:, None, None])


class ScaleShift(AbstractModulation):
    r"""$h \mapsto (1 + a)\,\mathrm{norm}(h) + b$ with $(a, b)$ affine in the embedding, the same for all pixels: FiLM.

    **Arguments:**

    - `width`: of the embedding.
    - `channels`: of the image.
    - `key`: for the initialisation.

    ??? cite "Source"
        Nichol and Dhariwal, Improved denoising diffusion probabilistic models (2021).
    """

    linear: eqx.nn.Linear

    def __init__(self, width: int, channels: int, *, key: PRNGKeyArray):
        self.linear = eqx.nn.Linear(width, 2 * channels, key=key)

    def __call__(
        self,
        norm: GroupNorm,
        h: Float[Array, "channels height width"],
        embedding: Float[Array, " features"],
    ) -> Float[Array, "channels height width"]:
        scale, shift = jnp.split(affine(self.linear, embedding).astype(h.dtype), 2)
        return norm(h) * (1 + scale[:, None, None]) + shift[:, None, None]


class ResidualBlock(eqx.Module):
    r"""Two convolutions beside a shortcut,

    $$h \mapsto \mathrm{shortcut}(h) + W_2\,\mathrm{dropout}\,\mathrm{silu}\bigl(\mathrm{modulation}(W_1\,
      \mathrm{silu}(\mathrm{norm}(h)))\bigr).$$

    $W_2$ starts at zero, so that the block starts as its shortcut: the identity, or a 1 x 1 convolution where the
    number of channels changes.

    **Arguments:**

    - `inputs`, `outputs`: the channels.
    - `modulation`: for `outputs` channels.
    - `groups`, `eps`: of the norms.
    - `dropout`: its rate.
    - `key`: for the initialisation.
    """

    first_norm: GroupNorm
    first: Conv2d
    modulation: AbstractModulation
    second_norm: GroupNorm
    dropout: Dropout
    second: Conv2d
    shortcut: Conv2d | eqx.nn.Identity

    def __init__(
        self,
        inputs: int,
        outputs: int,
        modulation: AbstractModulation,
        *,
        groups: int = 32,
        eps: float = 1e-5,
        dropout: float = 0.0,
        key: PRNGKeyArray,
    ):
        first_key, shortcut_key = jr.split(key)
        self.first_norm = group_norm(inputs, groups, eps)
        self.first = Conv2d(inputs, outputs, 3, padding=(1, 1), key=first_key)
        self.modulation = modulation
        self.second_norm = group_norm(outputs, groups, eps)
        self.dropout = Dropout(dropout)
        self.second = zero_conv(outputs, outputs)
        if inputs == outputs:
            self.shortcut = eqx.nn.Identity()
        else:
            self.shortcut = Conv2d(inputs, outputs, 1, key=shortcut_key)

    def __call__(
        self, h: Float[Array, "inputs height width"], embedding: Float[Array, " features"]
    ) -> Float[Array, "outputs height width"]:
        first, second, shortcut = cast((self.first, self.second, self.shortcut), h.dtype)
        inner = first(jax.nn.silu(self.first_norm(h)))
        inner = self.modulation(self.second_norm, inner, embedding)
        return shortcut(h) + second(self.dropout(jax.nn.silu(inner)))


class Downsample(eqx.Module):
    r"""A 3 x 3 convolution of every other pixel. With a pixel of padding on both sides an image of $n$ pixels becomes
    one of $\lceil n/2 \rceil$.

    **Arguments:**

    - `channels`: of the image.
    - `padding`: pixels of zeros before and after, along both axes.
    - `key`: for the initialisation.
    """

    conv: Conv2d

    def __init__(self, channels: int, padding: tuple[int, int] = (1, 1), *, key: PRNGKeyArray):
        self.conv = Conv2d(channels, channels, 3, stride=2, padding=padding, key=key)

    def __call__(self, h: Float[Array, "channels height width"]) -> Float[Array, "channels rows columns"]:
        return cast(self.conv, h.dtype)(h)


class Upsample(eqx.Module):
    """The nearest pixel, then a 3 x 3 convolution.

    **Arguments:**

    - `channels`: of the image.
    - `key`: for the initialisation.
    """

    conv: Conv2d

    def __init__(self, channels: int, *, key: PRNGKeyArray):
        self.conv = Conv2d(channels, channels, 3, padding=(1, 1), key=key)

    def __call__(
        self, h: Float[Array, "channels height width"], size: tuple[int, int]
    ) -> Float[Array, "channels rows columns"]:
        """The image at another size, twice its own or a pixel off that."""
        return cast(self.conv, h.dtype)(nearest(h, size))


def nearest(h: Float[Array, "channels height width"], size: tuple[int, int]) -> Float[Array, "channels rows columns"]:
    r"""The image at about twice its size: pixel $i$ of $n$ is pixel $\lfloor i\,m/n \rfloor$ of $m$.

    **Arguments:**

    - `h`: the image.
    - `size`: $n$ along either axis, from $2m - 1$ to $2m + 1$.
    """
    # Doubled, and then a row dropped at the end or repeated at the start: a gather would be slow, and slower backwards.
    doubled = repeat(h, "c y x -> c (y 2) (x 2)")[:, : size[0], : size[1]]
    missing = [(wanted - found, 0) for wanted, found in zip(size, doubled.shape[1:], strict=True)]
    return jnp.pad(doubled, [(0, 0), *missing], mode="edge") if any(map(any, missing)) else doubled
