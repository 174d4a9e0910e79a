"""Makes unet_diffusers.safetensors, unet_iddpm.safetensors and unet.npz: small U-Nets with random weights, in the
layout of public checkpoints, and what they make of some images.

    pip install torch==2.13.0 diffusers safetensors; python tests/golden/make_unet.py

`tests/weights/test_parity.py` holds our import against them. The first is diffusers' own `UNet2DModel`, in the form of
google/ddpm-cifar10-32: padding after the image alone, epsilon 1e-6, sines first, one shift. The second stands for
improved-diffusion, which no package index has: the network below was written for this file from its published layout,
its names of tensors, order of layers, order of heads and learned variances, so that it is a second opinion about that
layout and not the original.
"""

import json
import math
import pathlib
from typing import Any

import diffusers  # pyright: ignore[reportMissingImports]
import numpy as np
import safetensors.torch
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]


HERE = pathlib.Path(__file__).parent
CONFIG = dict(
    sample_size=16,
    in_channels=3,
    out_channels=3,
    block_out_channels=[16, 32],
    layers_per_block=1,
    down_block_types=["DownBlock2D", "AttnDownBlock2D"],
    up_block_types=["AttnUpBlock2D", "UpBlock2D"],
    attention_head_dim=None,
    norm_num_groups=8,
    norm_eps=1e-6,
    act_fn="silu",
    flip_sin_to_cos=False,
    freq_shift=1,
    downsample_padding=0,
    center_input_sample=False,
)
GROUPS, HEADS = 8, 2


class Residual(nn.Module):
    """A block of improved-diffusion with `use_scale_shift_norm`."""

    def __init__(self, inputs, outputs, features):
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(features, 2 * outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, outputs), nn.SiLU(), nn.Dropout(0.0), nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        self.skip_connection = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, h, embedding):
        scale, shift = self.emb_layers(embedding)[:, :, None, None].chunk(2, 1)
        inner = self.out_layers[0](self.in_layers(h)) * (1 + scale) + shift
        return self.skip_connection(h) + self.out_layers[1:](inner)


class Attention(nn.Module):
    """Queries, keys and values of a head lie together, head after head."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, h, _):
        tokens = h.flatten(2)
        heads = self.qkv(self.norm(tokens)).chunk(HEADS, 1)
        heard = []
        for head in heads:
            query, key, value = head.chunk(3, 1)
            weights = torch.softmax(query.transpose(1, 2) @ key / math.sqrt(query.shape[1]), -1)
            heard.append(value @ weights.transpose(1, 2))
        return h + self.proj_out(torch.cat(heard, 1)).reshape(h.shape)


class Down(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, h, _):
        return self.op(h)


class Up(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, h, _):
        return self.conv(nn.functional.interpolate(h, scale_factor=2, mode="nearest"))


class First(nn.Conv2d):
    def forward(self, h, _):
        return super().forward(h)


class IDDPM(nn.Module):
    """Two levels, one block each, attention at the lower one and in the middle, learned variances."""

    def __init__(self, width=16, features=64):
        super().__init__()
        wide = 24
        self.width = width
        self.time_embed = nn.Sequential(nn.Linear(width, features), nn.SiLU(), nn.Linear(features, features))
        lists = lambda *blocks: nn.ModuleList([nn.ModuleList(block) for block in blocks])
        self.input_blocks = lists(
            [First(3, width, 3, padding=1)],
            [Residual(width, width, features)],
            [Down(width)],
            [Residual(width, wide, features), Attention(wide)],
        )
        self.middle_block = nn.ModuleList(
            [Residual(wide, wide, features), Attention(wide), Residual(wide, wide, features)]
        )
        self.output_blocks = lists(
            [Residual(wide + wide, wide, features), Attention(wide)],
            [Residual(wide + width, wide, features), Attention(wide), Up(wide)],
            [Residual(wide + width, width, features)],
            [Residual(width + width, width, features)],
        )
        self.out = nn.Sequential(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, 6, 3, padding=1))

    def forward(self, x, steps):
        half = self.width // 2
        phases = steps[:, None] * torch.exp(-math.log(10000.0) * torch.arange(half) / half)
        embedding = self.time_embed(torch.cat([torch.cos(phases), torch.sin(phases)], 1))
        h, skips = x, []
        for block in self.input_blocks:
            for layer in block:
                h = layer(h, embedding)
            skips.append(h)
        for layer in self.middle_block:
            h = layer(h, embedding)
        for block in self.output_blocks:
            h = torch.cat([h, skips.pop()], 1)
            for layer in block:
                h = layer(h, embedding)
        return self.out(h)


def randomise(net):
    """So that no tensor is zero or one, and none could stand in another's place unnoticed."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net.eval()


@torch.no_grad()
def main():
    torch.manual_seed(0)
    # Not square, so that an exchange of the axes shows.
    x = torch.randn(3, 3, 8, 12)
    arrays: dict[str, Any] = dict(
        x=x.numpy(), torch=np.array(torch.__version__), diffusers=np.array(diffusers.__version__)
    )

    net = randomise(diffusers.UNet2DModel(**CONFIG))
    steps = torch.tensor([0, 37, 999])
    arrays |= dict(diffusers_steps=steps.numpy(), diffusers_noise=net(x, steps).sample.numpy())
    safetensors.torch.save_file(net.state_dict(), HERE / "unet_diffusers.safetensors")
    (HERE / "unet_diffusers.json").write_text(json.dumps(CONFIG, indent=2) + "\n")

    net = randomise(IDDPM())
    # 4 000 steps of training, of which the network is told a quarter.
    steps = torch.tensor([0, 150, 3999])
    arrays |= dict(iddpm_steps=steps.numpy(), iddpm_noise=net(x, steps * (1000.0 / 4000))[:, :3].numpy())
    safetensors.torch.save_file(net.state_dict(), HERE / "unet_iddpm.safetensors")
    np.savez(HERE / "unet.npz", **arrays)
    for file in sorted(HERE.glob("unet*")):
        print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
