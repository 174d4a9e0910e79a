import os
from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from einops import rearrange
from jaxtyping import Float32
from numpy.typing import DTypeLike

from .._arguments import check_whole, check_wholes
from ..denoiser import Neural
from ..nn import AbstractModulation, NoCondition, ScaleShift, SelfAttention, StepEmbedding, UNet
from ._denoiser import as_schedule, in_discrete_time, sines_first
from ._file import read_tensors
from ._fill import fill, layer, Names, Part, residual
from ._schedules import cosine_log_snrs


_NAMES = Names("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection")

# Whatever the number of steps, the network is told them on a scale of so many.
_TOLD_STEPS = 1000


def load_iddpm(
    path: str | os.PathLike,
    log_snrs: Float32[np.ndarray, " steps"] | None = None,
    *,
    channels: int = 3,
    widths: Sequence[int] = (128, 256, 256, 256),
    depth: int = 3,
    attention: Sequence[int] = (1, 2),
    heads: int = 4,
    modulation: Callable[..., AbstractModulation] = ScaleShift,
    groups: int = 32,
    dropout: float = 0.0,
    dtype: DTypeLike = jnp.float32,
) -> Neural:
    r"""An unconditional checkpoint of improved-diffusion as a denoiser in $\lambda$. What is not said is that of its
    CIFAR-10 models of 500 000 iterations, which have a cosine schedule of 4 000 steps.

    Such a checkpoint predicts a variance for each pixel beside the noise, in as many channels again, the later ones of
    `out.2.weight` and `out.2.bias`: these are left out. The reverse process has its variance from elsewhere here.

    **Arguments:**

    - `path`: the weights, a .safetensors file on this machine; those published are pickles, to be converted first.
    - `log_snrs`: $\lambda$ at each step of its schedule; [`entropax.weights.cosine_log_snrs`][] of 4 000 steps where it
        is not given. Steps are told to the network on a scale of 1 000, its `rescale_timesteps`.
    - `channels`, `widths`, `depth`, `attention`, `heads`, `modulation`, `groups`, `dropout`, `dtype`: of the
        [`entropax.nn.UNet`][]. Attention is by level: its resolutions 16 and 8 of images of 32 pixels are levels 1
        and 2.

    **Returns:** a [`entropax.Neural`][] without a baseline, trusted from the last step's $\lambda$ to the first's. It
    is of images, channels first, in $[-1, 1]$.

    **Raises:** `ValueError` where the file is none, or its tensors are not those that the arguments describe.
    """
    check_whole("channels", channels, least=1)
    widths = check_wholes("widths", widths, least=1)
    if not widths:
        raise ValueError("`widths` must be one positive number or more; got none.")
    tensors = _without_variances(read_tensors(path), channels)
    log_snrs = cosine_log_snrs(4000) if log_snrs is None else as_schedule(log_snrs)

    def network():
        features = 4 * widths[0]
        scale = _TOLD_STEPS / len(log_snrs)
        embedding = StepEmbedding(log_snrs, features, waves=widths[0] // 2, scale=scale, key=jr.key(0))
        return UNet(
            channels,
            NoCondition(features),
            widths,
            log_snr_embedding=embedding,
            depth=depth,
            attention=attention,
            heads=heads,
            modulation=modulation,
            groups=groups,
            dropout=dropout,
            dtype=dtype,
            key=jr.key(0),
        )

    skeleton = eqx.filter_eval_shape(network)
    net = fill(skeleton, _parts(skeleton), tensors, [(skeleton.log_snr_embedding.log_snrs, log_snrs)])
    return in_discrete_time(net, log_snrs)


def _without_variances(tensors: dict[str, np.ndarray], channels: int) -> dict[str, np.ndarray]:
    outputs = {name: tensors[name] for name in ("out.2.weight", "out.2.bias") if name in tensors}
    if all(tensor.shape[:1] == (2 * channels,) for tensor in outputs.values()):
        outputs = {name: tensor[:channels] for name, tensor in outputs.items()}
    return tensors | outputs


def _parts(net: UNet) -> list[Part]:
    embedding = net.log_snr_embedding
    assert isinstance(embedding, StepEmbedding)
    first, bias = layer(embedding.first, "time_embed.0")
    parts = [first._replace(arrange=sines_first), bias, *layer(embedding.second, "time_embed.2")]
    parts += layer(net.inputs, "input_blocks.0.0") + layer(net.norm, "out.0") + layer(net.output, "out.2")
    place = 1
    for level in net.down:
        for block, attention in zip(level.blocks, level.attentions, strict=True):
            parts += residual(block, f"input_blocks.{place}.0", _NAMES)
            parts += _attention(attention, f"input_blocks.{place}.1")
            place += 1
        if level.resample is not None:
            parts += layer(level.resample.conv, f"input_blocks.{place}.0.op")
            place += 1
    before, after = net.middle.blocks
    parts += residual(before, "middle_block.0", _NAMES) + residual(after, "middle_block.2", _NAMES)
    parts += _attention(net.middle.attentions[0], "middle_block.1")
    place = 0
    for level in net.up:
        for i, (block, attention) in enumerate(zip(level.blocks, level.attentions, strict=True)):
            parts += residual(block, f"output_blocks.{place}.0", _NAMES)
            parts += _attention(attention, f"output_blocks.{place}.1")
            if level.resample is not None and i == len(level.blocks) - 1:
                behind = 1 if attention is None else 2
                parts += layer(level.resample.conv, f"output_blocks.{place}.{behind}.conv")
            place += 1
    return parts


def _attention(attention: SelfAttention | None, name: str) -> list[Part]:
    if attention is None:
        return []
    channels = attention.output.weight.shape[0]
    weight, bias = layer(attention.inputs, f"{name}.qkv")
    output_weight, output_bias = layer(attention.output, f"{name}.proj_out")

    # Theirs has the three of a head together, head after head; ours all heads of the queries first.
    def ours(tensor):
        return rearrange(tensor, "(head part d) ... -> (part head d) ...", head=attention.heads, part=3)

    return [
        *layer(attention.norm, f"{name}.norm"),
        weight._replace(shape=(3 * channels, channels, 1), arrange=ours),
        bias._replace(arrange=ours),
        output_weight._replace(shape=(channels, channels, 1)),
        output_bias,
    ]
