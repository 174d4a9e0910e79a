import dataclasses
import math

import numpy as np
from jaxtyping import Float64

from ..integral import Estimate, mean_of
from ._checks import in_units, to_jax


def of_one_sample(pointwise: Float64[np.ndarray, " batch"], stderr: float, doubt: float = 0.0) -> Estimate:
    """The mean of what each sample contributes, with an error that is not that of independent values, and another that
    samples do not show in their spread: of a bias."""
    naive = pointwise.std(ddof=1) / math.sqrt(len(pointwise))
    scale = stderr / naive if naive > 0 else 0.0
    residuals = to_jax(scale * (pointwise - pointwise.mean()))
    value, error = to_jax(pointwise.mean()), to_jax(stderr)
    # No node has the doubt, but the spread of the samples has not either.
    return Estimate(value, error, to_jax(doubt), to_jax(pointwise), residuals)


def of_two_samples(
    value: float,
    from_x: Float64[np.ndarray, " batch"],
    from_y: Float64[np.ndarray, " other"],
    stderr: float,
    scale: float = 1.0,
) -> Estimate:
    r"""A number without a unit whose error is $\frac1n\sum_i a_i + \frac1m\sum_j b_j$, of two independent samples.

    The `residuals` are those of both samples, one after the other, each times $(n + m)/n$ or $(n + m)/m$: their mean is
    that sum. So two estimates that share one of the samples keep what their errors share. All of it is in the unit
    `scale`.
    """
    total = len(from_x) + len(from_y)
    centred = [part - part.mean() for part in (from_x, from_y)]
    residuals = np.concatenate([total / len(part) * part for part in centred])
    spread = residuals.std(ddof=1) / math.sqrt(total)
    residuals = residuals * (stderr / spread) if spread > 0 else residuals
    value, stderr, residuals = (
        in_units(part, scale, 1, "The distance between `x` and `y`") for part in (value, stderr, residuals)
    )
    return Estimate(to_jax(value), to_jax(stderr), to_jax(0.0), residuals=to_jax(residuals), unit="")


def shares_of(pointwise: Float64[np.ndarray, " batch *out"]) -> Estimate:
    """The mean over independent samples of numbers without a unit."""
    return dataclasses.replace(mean_of(to_jax(pointwise)), unit="")
