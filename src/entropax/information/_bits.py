import math
from typing import TypeVar

import numpy as np
from jaxtyping import Array

from .._arguments import check_positive, check_whole
from .._arrays import plain_array, to_float64
from ..integral import Estimate


_Nats = TypeVar("_Nats", float, np.ndarray, Array, Estimate)


def bits_per_dim(nats: _Nats, dim: int, *, spacing: float = 1.0, scale: float = 1.0) -> _Nats:
    r"""Nats for a whole sample as bits for each of its dimensions, with all that custom adds to that,

    $$\frac{\mathrm{nats}}{d\ln 2} - \log_2\mathrm{spacing} - \log_2\mathrm{scale}.$$

    **Arguments:**

    - `nats`: a number, an array, or an [`entropax.Estimate`][] (in whichever unit it says).
    - `dim`: $d$, the number of dimensions: 3072 for CIFAR-10.
    - `spacing`: the bin width $\delta$ of data that were dequantised before their density was taken, so that the result
        bounds the code length of a bin. 8-bit images in $[-1, 1]$: `1 / 127.5`, which adds 6.994353. Left at 1 for
        probabilities ([`entropax.discrete_nll`][]) and for densities as such.
    - `scale`: what the data were multiplied by before they came to the model: the value is then that of the data as
        they were, and `spacing` is in their units.

    **Returns:** bits per dimension, of the kind that came in; an estimate keeps its errors, its unit is `"bits"`.

    **Raises:** `ValueError` where `nats` are none or NaN, and unless `dim` is a whole number, and `spacing` and `scale`
        are positive.
    """
    check_whole("dim", dim, least=1)
    check_positive(spacing=spacing, scale=scale)
    is_number = isinstance(nats, (int, float)) and not isinstance(nats, bool)
    if not is_number and not isinstance(nats, (Estimate, np.ndarray, np.generic, Array)):
        raise ValueError(f"`nats` must be a number, an array or an entropax.Estimate; got {nats!r}.")
    if is_number and math.isnan(nats):
        raise ValueError("`nats` must be a number; got nan.")
    if isinstance(nats, (np.ndarray, np.generic)):
        nats = plain_array(nats, "nats")
        # Infinite nats are those of what is impossible.
        if np.isnan(to_float64(nats, "nats")).any():
            raise ValueError("`nats` must be numbers; they hold NaN.")
    offset = -math.log2(spacing) - math.log2(scale)
    if isinstance(nats, Estimate):
        return (nats.bits * (1 / dim)).shifted(offset)
    return nats / (dim * math.log(2)) + offset
