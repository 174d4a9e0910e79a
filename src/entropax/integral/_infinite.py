"""Integrals over all noise levels that are infinite: which samples make them so, and why."""

import dataclasses
import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Inexact, PyTree

from ._estimate import Estimate
from ._integrands import AbstractIntegrand


class InfiniteWarning(UserWarning):
    """An integral over all noise levels is infinite, and reported as such."""


def with_infinite(estimate: Estimate, signs: Float[Array, " batch *out"]) -> Estimate:
    """An estimate of which the shares of some samples are infinite. A mean that they enter is so without error.

    **Arguments:**

    - `estimate`: with finite numbers in their place.
    - `signs`: 1 or -1 for a sample with such a share, 0 for all others.
    """
    assert estimate.pointwise is not None and estimate.residuals is not None
    certain = jnp.any(signs != 0, 0)
    pointwise = jnp.where(signs != 0, signs * jnp.inf, estimate.pointwise)
    return dataclasses.replace(
        estimate,
        value=jnp.where(certain, jnp.mean(pointwise, 0), estimate.value),
        stderr_data=jnp.where(certain, 0.0, estimate.stderr_data),
        stderr_nodes=jnp.where(certain, 0.0, estimate.stderr_nodes),
        pointwise=pointwise,
        residuals=jnp.where(certain[None], 0.0, estimate.residuals),
    )


def warn_of_infinity(
    integrand: AbstractIntegrand, signs: Float[Array, " batch *out"], x: Inexact[Array, " batch *shape"], y: PyTree
) -> bool:
    """Says which samples have an infinite integral and why, where there are any; tracers pass.

    **Arguments:**

    - `integrand`: the rate.
    - `signs`: as in `with_infinite`.
    - `x`, `y`: the samples.

    **Returns:** whether there are any.

    **Raises:** `ValueError` where the integrals of some samples are infinite and those of others are minus infinite:
        they have no mean.
    """
    if isinstance(signs, Tracer):
        return False
    flat = np.asarray(signs).reshape(len(signs), -1)
    flat = flat[np.arange(len(flat)), np.argmax(np.abs(flat), 1)]
    rows = np.flatnonzero(flat)
    if not rows.size:
        return False
    at = lambda row: f"x[{row}], where {_reason(integrand, x[row], jax.tree.map(lambda leaf: leaf[row], y))}"
    if flat.min() < 0 < flat.max():
        above, below = (int(np.flatnonzero(flat == sign)[0]) for sign in (1, -1))
        raise ValueError(
            f"`x` must not hold samples whose integrals are infinite with opposite signs, which have no mean: that of "
            f"{type(integrand).__name__} is inf at {at(above)}, and -inf at {at(below)}. Leave out the samples that "
            "one of the distributions excludes."
        )
    others = f" It is infinite at {rows.size} of {len(flat)} samples." if rows.size > 1 else ""
    warnings.warn(
        f"The estimate is infinite: the integral of {type(integrand).__name__} over all noise levels is "
        f"{flat[rows[0]] * np.inf} at {at(int(rows[0]))}.{others}",
        InfiniteWarning,
        stacklevel=4,
    )
    return True


def _reason(integrand: AbstractIntegrand, x: Array, y: PyTree) -> str:
    dimensions = [(type(d).__name__, float(d.dimension(x, y))) for d in integrand.denoisers]
    for name, dimension in dimensions:
        if math.isinf(dimension):
            return f"the distribution of {name} has probability zero"
    unknown = [name for name, dimension in dimensions if math.isnan(dimension)]
    if unknown:
        return f"the error of {' or '.join(unknown)} grows as 1/noise, as at a sample of probability zero"
    listed = ", ".join(f"{dimension:.0f} for {name}" for name, dimension in dimensions)
    return f"the distributions have different dimensions, {listed}, of {x.size} coordinates"
