import itertools
import numbers
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree
from numpy.typing import DTypeLike

from .._arguments import check_dtype, check_instance, check_key, check_whole, check_wholes
from ._attention import SelfAttention
from ._blocks import AbstractModulation, Downsample, group_norm, ResidualBlock, ScaleShift, Upsample, zero_conv
from ._condition import AbstractCondition, Embedding
from ._conv import Conv2d
from ._group_norm import GroupNorm
from ._linear import at_least_float32, cast
from ._log_snr_embedding import AbstractLogSNREmbedding, LogSNREmbedding
from ._network import AbstractConditionalNetwork


class _Level(eqx.Module):
    """The blocks at one resolution, with or without attention after each, and what leads to the next resolution."""

    blocks: list[ResidualBlock]
    attentions: list[SelfAttention | None]
    resample: Downsample | Upsample | None


class UNet(AbstractConditionalNetwork):
    r"""A U-Net for images, channels first, unbatched: residual blocks at ever lower resolution and back, self-attention
    where it is asked for and in the middle, and a skip from each block on the way down to one on the way up. All blocks
    hear $\mathrm{silu}\bigl(\mathrm{embed}(\lambda) + \mathrm{embed}(y)\bigr)$. The output starts at zero.

    Images may be of any size. Each level has half the pixels of the one before, rounded up; on the way up an image is
    doubled and cut to the size of the skip that it meets, so that 28 pixels go 28, 14, 7, 4 and back.

    A condition is heard through its embedding alone. There are no difference weights here, as
    [`entropax.nn.MLP`][] has them, so that the `contrast` of an [`entropax.nn.Embedding`][] is ignored.

    Parameters are in float32 and remain there, and so do the embedding, the statistics of norms, the softmax of
    attention and the output. What lies between the first and the last convolution is computed in `dtype`. These two are
    in float32 as well, since bfloat16 cannot hold the noise in a state at high $\lambda$, while it can hold what a
    filter makes of it.

    **Arguments:**

    - `channels`: of the image.
    - `condition`: [`entropax.nn.NoCondition`][], [`entropax.nn.VectorCondition`][] or
        [`entropax.nn.LabelCondition`][]; its width is that of the embedding.
    - `widths`: the channels at each level, from the full resolution down.
    - `log_snr_embedding`: what the network is told of $\lambda$; [`entropax.nn.LogSNREmbedding`][] where it is not
        given.
    - `depth`: the number of blocks at each level; one more on the way up.
    - `attention`: the levels, from 0 at the full resolution, whose blocks are followed by self-attention.
    - `heads`: of attention: one number, or one for each level; the middle has those of the last.
    - `modulation`: how a block hears the embedding: [`entropax.nn.ScaleShift`][] or [`entropax.nn.Shift`][].
    - `groups`, `eps`: of the group norms; where `groups` does not divide the channels, as many as divide both.
    - `dropout`: its rate in each block, see [`entropax.nn.Dropout`][].
    - `padding`: pixels of zeros before and after an image whose resolution is halved.
    - `dtype`: `jnp.float32`, or `jnp.bfloat16` for speed.
    - `key`: for the initialisation.

    **Raises:** `ValueError` where these do not fit together, or, when it is called, an image does not fit.

    ??? cite "Source"
        Ho et al., Denoising diffusion probabilistic models (2020); Nichol and Dhariwal, Improved denoising diffusion
        probabilistic models (2021).
    """

    inputs: Conv2d
    log_snr_embedding: AbstractLogSNREmbedding
    condition: AbstractCondition
    down: list[_Level]
    middle: _Level
    up: list[_Level]
    norm: GroupNorm
    output: Conv2d
    dtype: DTypeLike = eqx.field(static=True)

    def __init__(
        self,
        channels: int,
        condition: AbstractCondition,
        widths: Sequence[int],
        *,
        log_snr_embedding: AbstractLogSNREmbedding | None = None,
        depth: int = 2,
        attention: Sequence[int] = (),
        heads: int | Sequence[int] = 1,
        modulation: Callable[..., AbstractModulation] = ScaleShift,
        groups: int = 32,
        eps: float = 1e-5,
        dropout: float = 0.0,
        padding: tuple[int, int] = (1, 1),
        dtype: DTypeLike = jnp.float32,
        key: PRNGKeyArray,
    ):
        check_whole("channels", channels, least=1)
        check_instance("condition", condition, AbstractCondition)
        check_instance("log_snr_embedding", log_snr_embedding, (AbstractLogSNREmbedding, type(None)))
        if not callable(modulation):
            raise ValueError(f"`modulation` must be a class such as entropax.nn.ScaleShift; got {modulation!r}.")
        widths, attention, padding, heads = _checked(widths, depth, attention, padding, heads)
        dtype = check_dtype("dtype", dtype)
        check_key(key)
        features = condition.width
        if log_snr_embedding is not None and log_snr_embedding.width != features:
            raise ValueError(
                f"`log_snr_embedding` and `condition` must have the same width; got {log_snr_embedding.width} and "
                f"{features}."
            )
        keys = (jr.fold_in(key, place) for place in itertools.count())
        last = len(widths) - 1

        def block(inputs, outputs):
            modulated = modulation(features, outputs, key=next(keys))
            return ResidualBlock(inputs, outputs, modulated, groups=groups, eps=eps, dropout=dropout, key=next(keys))

        def attend(level):
            norm = group_norm(widths[level], groups, eps)
            return SelfAttention(widths[level], norm, heads=heads[level], key=next(keys))

        def chosen(level, num):
            return [attend(level) if level in attention else None for _ in range(num)]

        self.inputs = Conv2d(channels, widths[0], 3, padding=(1, 1), key=next(keys))
        self.log_snr_embedding = log_snr_embedding or LogSNREmbedding(features, key=next(keys))
        self.condition = condition
        # The channels of what the way up will find, in the order in which it is laid down.
        skips = [widths[0]]
        self.down = []
        for level, width in enumerate(widths):
            blocks = [block(skips[-1] if i == 0 else width, width) for i in range(depth)]
            resample = Downsample(width, padding, key=next(keys)) if level < last else None
            self.down.append(_Level(blocks, chosen(level, depth), resample))
            skips += [width] * (depth + (level < last))
        width = widths[-1]
        self.middle = _Level([block(width, width), block(width, width)], [attend(last), None], None)
        self.up = []
        for level in reversed(range(len(widths))):
            blocks = []
            for _ in range(depth + 1):
                blocks.append(block(width + skips.pop(), widths[level]))
                width = widths[level]
            resample = Upsample(width, key=next(keys)) if level > 0 else None
            self.up.append(_Level(blocks, chosen(level, depth + 1), resample))
        self.norm = group_norm(width, groups, eps)
        self.output = zero_conv(width, channels)
        self.dtype = dtype

    def embed(self, y: PyTree | None) -> Embedding:
        return self.condition(y)

    def trunk(
        self, z: Float[Array, "channels height width"], log_snr: Float[Array, ""], embedding: Embedding
    ) -> Float[Array, "channels height width"]:
        if z.ndim != 3 or z.shape[0] != self.inputs.in_channels:
            raise ValueError(
                f"`z` must be an image of shape ({self.inputs.in_channels}, height, width), unbatched; got {z.shape}."
            )
        level_vector = self.log_snr_embedding(log_snr)
        told = jax.nn.silu(level_vector + embedding.vector.astype(level_vector.dtype))
        precise = at_least_float32(z.dtype)
        h = cast(self.inputs, precise)(z.astype(precise)).astype(self.dtype)
        skips = [h]
        for level in self.down:
            for block, attention in zip(level.blocks, level.attentions, strict=True):
                h = _through(block, attention, h, told)
                skips.append(h)
            if isinstance(level.resample, Downsample):
                h = level.resample(h)
                skips.append(h)
        for block, attention in zip(self.middle.blocks, self.middle.attentions, strict=True):
            h = _through(block, attention, h, told)
        for level in self.up:
            for block, attention in zip(level.blocks, level.attentions, strict=True):
                h = _through(block, attention, jnp.concatenate([h, skips.pop()]), told)
            if isinstance(level.resample, Upsample):
                h = level.resample(h, skips[-1].shape[1:])
        return cast(self.output, precise)(jax.nn.silu(self.norm(h.astype(precise))))


def _through(block, attention, h, told):
    h = block(h, told)
    return h if attention is None else attention(h)


def _checked(widths, depth, attention, padding, heads):
    """The sizes as tuples of whole numbers, the heads one for each level."""
    widths = check_wholes("widths", widths, least=1)
    if not widths:
        raise ValueError("`widths` must be one positive number or more; got none.")
    check_whole("depth", depth, least=1)
    attention = check_wholes("attention", attention, least=0)
    if not set(attention) <= set(range(len(widths))):
        raise ValueError(f"`attention` must name levels from 0 to {len(widths) - 1}; got {attention}.")
    padding = check_wholes("padding", padding, least=0)
    if len(padding) != 2:
        raise ValueError(f"`padding` must be two numbers of pixels, before and after; got {padding}.")
    if isinstance(heads, numbers.Integral):
        check_whole("heads", heads, least=1)
        return widths, attention, padding, (int(heads),) * len(widths)
    heads = check_wholes("heads", heads, least=1)
    if len(heads) != len(widths):
        raise ValueError(f"`heads` must be one number, or {len(widths)}, one for each level; got {heads}.")
    return widths, attention, padding, heads
