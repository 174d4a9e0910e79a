from ._condition import (
    AbstractCondition as AbstractCondition,
    Embedding as Embedding,
    LabelCondition as LabelCondition,
    NoCondition as NoCondition,
    VectorCondition as VectorCondition,
)
from ._mlp import log_snr_features as log_snr_features, MLP as MLP
from ._network import AbstractConditionalNetwork as AbstractConditionalNetwork
