from ._base import AbstractProcess as AbstractProcess, as_state as as_state
from ._clock import Brownian as Brownian, change_clock as change_clock, LogSNR as LogSNR, NoiseRatio as NoiseRatio
from ._cosine import Cosine as Cosine
from ._scheduled import ScheduledVariancePreserving as ScheduledVariancePreserving
from ._straight_line import StraightLine as StraightLine
from ._variance_exploding import VarianceExploding as VarianceExploding
from ._variance_preserving import (
    SubVariancePreserving as SubVariancePreserving,
    VariancePreserving as VariancePreserving,
)
