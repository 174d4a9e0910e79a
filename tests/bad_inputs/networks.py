"""Bad inputs of networks: their sizes, their keys, and what they are conditioned on."""

# pyright: reportArgumentType=false

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from entropax import nn
from tests.bad_inputs import BadInput


KEY = jr.key(0)
NONE = nn.NoCondition(4)


def of(name, call, *says):
    return BadInput(name, call, ValueError, says)


def mlp(dim=2, condition=NONE, log_snr_range=(-9.0, 9.0), key=KEY, **settings):
    return nn.MLP(dim, condition, log_snr_range, key=key, **settings)


def unet(channels=1, condition=NONE, widths=(8, 8), key=KEY, **settings):
    return nn.UNet(channels, condition, widths, key=key, **settings)


INPUTS = [
    of("an MLP of no coordinates", lambda: mlp(dim=0), "`dim`", "at least 1", "0"),
    of("an MLP of a dimension and a half", lambda: mlp(dim=1.5), "`dim`", "whole", "1.5"),
    of("an MLP of no condition", lambda: mlp(condition=None), "`condition`", "AbstractCondition", "None"),
    of("the class of a condition", lambda: mlp(condition=nn.NoCondition), "`condition`", "NoCondition(...)"),
    of("an MLP of a NaN range", lambda: mlp(log_snr_range=np.nan), "`log_snr_range`", "increase", "nan"),
    of("an MLP of a falling range", lambda: mlp(log_snr_range=(9.0, -9.0)), "`log_snr_range`", "increase", "(9, -9)"),
    of("an MLP of a range in words", lambda: mlp(log_snr_range="a"), "`log_snr_range`", "increase", "'a'"),
    of("an MLP of negative depth", lambda: mlp(depth=-1), "`depth`", "whole", "-1"),
    of("an MLP of a seed", lambda: mlp(key=3), "`key`", "jax.random.key(3)"),
    of("an MLP of many keys", lambda: mlp(key=jr.split(KEY, 2)), "`key`", "shape (2,)", "key[0]"),
    of("a U-Net of one width without a tuple", lambda: unet(widths=3), "`widths`", "tuple of whole numbers", "3"),
    of("a U-Net of a width of zero", lambda: unet(widths=(8, 0)), "`widths[1]`", "at least 1", "0"),
    of("a U-Net of negative groups", lambda: unet(groups=-1), "`groups`", "at least 1", "-1"),
    of("a U-Net of NaN eps", lambda: unet(eps=np.nan), "`eps`", "finite", "nan"),
    of("a U-Net of dropout in words", lambda: unet(dropout="a"), "`rate`", "number", "'a'"),
    of("a U-Net of integers", lambda: unet(dtype=jnp.int32), "`dtype`", "floats", "int32"),
    of("a U-Net without padding", lambda: unet(padding=1), "`padding`", "tuple", "1"),
    of("a U-Net of half a head", lambda: unet(heads=0.5), "`heads`", "0.5"),
    of("a U-Net without a key", lambda: unet(key=None), "`key`", "None"),
    of("no groups", lambda: nn.GroupNorm(0, 4), "`groups`", "at least 1", "0"),
    of("groups that do not divide", lambda: nn.GroupNorm(3, 4), "`groups`", "divide", "4", "3"),
    of("a negative eps", lambda: nn.GroupNorm(2, 4, -1.0), "`eps`", "not negative", "-1"),
    of("no classes", lambda: nn.LabelCondition(0, 8, key=KEY), "`classes`", "at least 1", "0"),
    of("no width of labels", lambda: nn.LabelCondition(3, 0, key=KEY), "`width`", "at least 1", "0"),
    of("a width in words", lambda: nn.NoCondition("a"), "`width`", "whole", "'a'"),
    of("a latent of half a number", lambda: nn.LatentCondition(0.5, 8, key=KEY), "`dim`", "whole", "0.5"),
    of("NaN conditions", lambda: nn.VectorCondition(np.full((3, 2), np.nan), 8, key=KEY), "`y`", "finite", "6 NaN"),
    of("conditions in one line", lambda: nn.VectorCondition(np.zeros(3), 8, key=KEY), "`y`", "(batch, dim_y)", "(3,)"),
    of("an encoder of a number", lambda: nn.MLPEncoder(3, 2, key=KEY), "`shape`", "tuple", "3"),
    of("an encoder of one width", lambda: nn.MLPEncoder((3,), 2, 8, key=KEY), "`widths`", "tuple", "8"),
    of("an encoder of a seed", lambda: nn.ConvEncoder((1, 8, 8), 2, key=3), "`key`", "jax.random.key(3)"),
    of(
        "an encoder of vectors",
        lambda: nn.ConvEncoder((8,), 2, key=KEY),
        "`shape`",
        "(channels, height, width)",
        "(8,)",
    ),
    of("a decoder of no latent", lambda: nn.MLPDecoder(0, (3,), key=KEY), "`dim`", "at least 1", "0"),
    of("a decoder of many keys", lambda: nn.MLPDecoder(2, (3,), key=jr.split(KEY, 2)), "`key`", "shape (2,)"),
    of(
        "a decoder of few pixels",
        lambda: nn.ConvDecoder(2, (1, 2, 2), (8, 8), key=KEY),
        "`widths`",
        "4 pixels",
        "(1, 2, 2)",
    ),
]
