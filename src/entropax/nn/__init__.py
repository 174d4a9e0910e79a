from ._attention import SelfAttention as SelfAttention
from ._blocks import (
    AbstractModulation as AbstractModulation,
    Downsample as Downsample,
    ResidualBlock as ResidualBlock,
    ScaleShift as ScaleShift,
    Shift as Shift,
    Upsample as Upsample,
)
from ._condition import (
    AbstractCondition as AbstractCondition,
    Embedding as Embedding,
    LabelCondition as LabelCondition,
    LatentCondition as LatentCondition,
    NoCondition as NoCondition,
    VectorCondition as VectorCondition,
)
from ._conv import Conv2d as Conv2d
from ._decoder import ConvDecoder as ConvDecoder, MLPDecoder as MLPDecoder
from ._diagonal_normal import DiagonalNormal as DiagonalNormal
from ._dropout import Dropout as Dropout, with_dropout as with_dropout
from ._encoder import AbstractEncoder as AbstractEncoder, ConvEncoder as ConvEncoder, MLPEncoder as MLPEncoder
from ._group_norm import GroupNorm as GroupNorm
from ._log_snr_embedding import (
    AbstractLogSNREmbedding as AbstractLogSNREmbedding,
    LogSNREmbedding as LogSNREmbedding,
    StepEmbedding as StepEmbedding,
)
from ._mlp import log_snr_features as log_snr_features, MLP as MLP
from ._network import AbstractConditionalNetwork as AbstractConditionalNetwork
from ._unet import UNet as UNet
from ._unet_presets import unet_cifar10 as unet_cifar10, unet_digits as unet_digits, unet_mnist as unet_mnist
