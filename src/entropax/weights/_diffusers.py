import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float32
from numpy.typing import DTypeLike

from .._arguments import check_dtype
from ..denoiser import Neural
from ..nn import NoCondition, ScaleShift, SelfAttention, Shift, StepEmbedding, UNet
from ._denoiser import as_schedule, in_discrete_time, sines_first
from ._file import read_tensors
from ._fill import fill, layer, Names, Part, residual
from ._schedules import linear_log_snrs


_NAMES = Names("norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut")

# Old files call the same tensors otherwise.
_LEGACY = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}

# What `UNet2DModel` takes for granted where a configuration does not say.
_DEFAULTS = dict(
    in_channels=3,
    out_channels=3,
    freq_shift=0,
    flip_sin_to_cos=True,
    layers_per_block=2,
    downsample_padding=1,
    dropout=0.0,
    attention_head_dim=8,
    norm_num_groups=32,
    norm_eps=1e-5,
    resnet_time_scale_shift="default",
    time_embedding_dim=None,
)

# Of these others exist, and are refused.
_ONLY = dict(
    center_input_sample=(False,),
    time_embedding_type=("positional",),
    mid_block_type=("UNetMidBlock2D",),
    mid_block_scale_factor=(1,),
    downsample_type=("conv",),
    upsample_type=("conv",),
    act_fn=("silu", "swish"),
    add_attention=(True,),
    class_embed_type=(None,),
    num_class_embeds=(None,),
)


def load_diffusers(
    path: str | os.PathLike,
    config: Mapping[str, Any] | str | os.PathLike,
    log_snrs: Float32[np.ndarray, " steps"] | None = None,
    *,
    dtype: DTypeLike = jnp.float32,
) -> Neural:
    r"""A `UNet2DModel` of diffusers, google/ddpm-cifar10-32 for one, as a denoiser in $\lambda$.

    The checkpoint predicts the noise in $z$ at discrete steps; between two of them the network is asked at a fraction
    of a step, see [`entropax.nn.StepEmbedding`][].

    **Arguments:**

    - `path`: the weights, a .safetensors file on this machine. Old names of attention's tensors are understood.
    - `config`: the model's config.json: its path, or what it holds.
    - `log_snrs`: $\lambda$ at each step of its schedule; [`entropax.weights.linear_log_snrs`][] of 1 000 steps where it
        is not given.
    - `dtype`: that the network computes in, see [`entropax.nn.UNet`][].

    **Returns:** a [`entropax.Neural`][] without a baseline, trusted from the last step's $\lambda$ to the first's. It
    is of images, channels first, in the checkpoint's units, $[-1, 1]$ as a rule.

    **Raises:** `ValueError` where the file is none, the configuration asks for what [`entropax.nn.UNet`][] does not
    have, or the tensors are not those that it describes.
    """
    config = _checked(_read(config))
    log_snrs = linear_log_snrs() if log_snrs is None else as_schedule(log_snrs)
    dtype = check_dtype("dtype", dtype)
    tensors = {_renamed(name): tensor for name, tensor in read_tensors(path).items()}
    skeleton = eqx.filter_eval_shape(lambda: _network(config, log_snrs, dtype))
    parts = _parts(skeleton, bool(config["flip_sin_to_cos"]))
    net = fill(skeleton, parts, tensors, [(skeleton.log_snr_embedding.log_snrs, log_snrs)])
    return in_discrete_time(net, log_snrs)


def _read(config) -> dict[str, Any]:
    if isinstance(config, (str, os.PathLike)):
        try:
            said = json.loads(pathlib.Path(config).read_text(encoding="utf-8"))
        # Of files that are not text, too.
        except (OSError, ValueError) as error:
            raise ValueError(
                f"`config` must name the model's config.json; {config} cannot be read as JSON ({error})."
            ) from error
    else:
        said = config
    if not isinstance(said, Mapping):
        raise ValueError(f"`config` must be a mapping, or name a file that holds one; got a {type(said).__name__}.")
    return dict(said)


def _checked(config: dict[str, Any]) -> dict[str, Any]:
    for name, allowed in _ONLY.items():
        if name in config and config[name] not in allowed:
            raise ValueError(f"`config` has {name} = {config[name]!r}, of which only {allowed[0]!r} is implemented.")
    for name in ("block_out_channels", "down_block_types", "up_block_types"):
        if name not in config:
            raise ValueError(f"`config` must say `{name}`; it has {sorted(config)}.")
    config = _DEFAULTS | config
    down, up = list(config["down_block_types"]), list(config["up_block_types"])
    blocks = {"DownBlock2D": "UpBlock2D", "AttnDownBlock2D": "AttnUpBlock2D"}
    if [blocks.get(block) for block in down] != up[::-1] or len(down) != len(config["block_out_channels"]):
        raise ValueError(
            "`config` must have a DownBlock2D or an AttnDownBlock2D for each entry of `block_out_channels`, and on the "
            f"way up what mirrors them; got {down} and {up}."
        )
    if config["out_channels"] != config["in_channels"]:
        raise ValueError(
            "`config` must have as many `out_channels` as `in_channels`: those of a network that predicts noise; got "
            f"{config['out_channels']} and {config['in_channels']}."
        )
    shift = config["resnet_time_scale_shift"]
    # The middle's attention has a norm by default under "default" alone.
    norms = {"default": (None, config["norm_num_groups"]), "scale_shift": (config["norm_num_groups"],)}
    if shift not in norms or config.get("attn_norm_num_groups") not in norms[shift]:
        raise ValueError(
            "`config` must have `resnet_time_scale_shift` default, or scale_shift with `attn_norm_num_groups` equal to "
            f"`norm_num_groups`; got {shift!r} and {config.get('attn_norm_num_groups')!r}."
        )
    return config


def _network(config, log_snrs, dtype) -> UNet:
    widths = config["block_out_channels"]
    width = config["time_embedding_dim"] or 4 * widths[0]
    per_head = config["attention_head_dim"]
    shift = float(config["freq_shift"])
    return UNet(
        config["in_channels"],
        NoCondition(width),
        widths,
        log_snr_embedding=StepEmbedding(log_snrs, width, waves=widths[0] // 2, shift=shift, key=jr.key(0)),
        depth=config["layers_per_block"],
        attention=[level for level, kind in enumerate(config["down_block_types"]) if kind == "AttnDownBlock2D"],
        heads=[1 if per_head is None else max(channels // per_head, 1) for channels in widths],
        modulation=Shift if config["resnet_time_scale_shift"] == "default" else ScaleShift,
        groups=config["norm_num_groups"],
        eps=config["norm_eps"],
        dropout=config["dropout"],
        # Their padding of 0 is one of a pixel after the image.
        padding=(0, 1) if config["downsample_padding"] == 0 else (config["downsample_padding"],) * 2,
        dtype=dtype,
        key=jr.key(0),
    )


def _renamed(name: str) -> str:
    for old, new in _LEGACY.items():
        name = name.replace(old, new)
    return name


def _parts(net: UNet, cosines_first: bool) -> list[Part]:
    embedding = net.log_snr_embedding
    assert isinstance(embedding, StepEmbedding)
    first, *bias = layer(embedding.first, "time_embedding.linear_1")
    parts = [first._replace(arrange=sines_first) if cosines_first else first, *bias]
    parts += layer(embedding.second, "time_embedding.linear_2")
    parts += layer(net.inputs, "conv_in") + layer(net.norm, "conv_norm_out") + layer(net.output, "conv_out")
    levels = [(f"down_blocks.{i}", level) for i, level in enumerate(net.down)]
    levels += [("mid_block", net.middle)] + [(f"up_blocks.{i}", level) for i, level in enumerate(net.up)]
    for name, level in levels:
        for i, (block, attention) in enumerate(zip(level.blocks, level.attentions, strict=True)):
            parts += residual(block, f"{name}.resnets.{i}", _NAMES)
            if attention is not None:
                parts += _attention(attention, f"{name}.attentions.{i}")
        if level.resample is not None:
            kind = "downsamplers" if name.startswith("down") else "upsamplers"
            parts += layer(level.resample.conv, f"{name}.{kind}.0.conv")
    return parts


def _attention(attention: SelfAttention, name: str) -> list[Part]:
    channels = attention.output.weight.shape[0]
    inputs = [f"{name}.to_{letter}" for letter in "qkv"]
    return [
        *layer(attention.norm, f"{name}.group_norm"),
        Part(attention.inputs.weight, tuple(f"{one}.weight" for one in inputs), (channels, channels)),
        Part(attention.inputs.bias, tuple(f"{one}.bias" for one in inputs), (channels,)),
        *layer(attention.output, f"{name}.to_out.0"),
    ]
