"""Integrals over all noise levels that are infinite: which samples make them so, and why."""

import dataclasses
import math
import warnings
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Inexact, PyTree

from ..denoiser import AbstractDenoiser
from ._estimate import Estimate


class InfiniteWarning(UserWarning):
    """An integral over all noise levels is infinite, and reported as such."""


def density_signs(denoiser: AbstractDenoiser, x: Inexact[Array, " batch *shape"], y: PyTree) -> Float[Array, " batch"]:
    r"""The signs of log-densities that are infinite: 1 at a value of positive probability, or on a surface of fewer
    dimensions that has one, -1 at a value of probability zero, and 0 where there is a density, or where the dimension
    ([`entropax.AbstractDenoiser.dimension`][]) is not known.

    **Arguments:**

    - `denoiser`: that of the distribution.
    - `x`, `y`: the samples and their conditions, of shapes that the denoiser was seen to take.
    """
    missing = x[0].size - jax.vmap(denoiser.dimension)(x, y)
    return jax.lax.stop_gradient(jnp.where(jnp.isnan(missing), 0.0, jnp.sign(missing)).astype(x.dtype))


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
    what: str,
    denoisers: Sequence[AbstractDenoiser],
    signs: Float[Array, " batch *out"],
    x: Inexact[Array, " batch *shape"],
    y: PyTree,
    stacklevel: int = 4,
) -> bool:
    """Says which samples have an infinite value and why, where there are any; tracers pass.

    **Arguments:**

    - `what`: the quantity, which begins the sentence.
    - `denoisers`: those whose distributions make it infinite.
    - `signs`: as in `with_infinite`.
    - `x`, `y`: the samples.
    - `stacklevel`: of the warning, as in `warnings.warn`.

    **Returns:** whether there are any.
    """
    if isinstance(signs, Tracer):
        return False
    flat = _signs_of_samples(signs)
    rows = np.flatnonzero(flat)
    if not rows.size:
        return False
    first = int(rows[0])
    others = f" It is infinite at {rows.size} of {len(flat)} samples." if rows.size > 1 else ""
    warnings.warn(
        f"{what} is {flat[first] * np.inf} at {_place(denoisers, x, y, first)}.{others}",
        InfiniteWarning,
        stacklevel=stacklevel,
    )
    return True


def check_one_sign(
    what: str,
    denoisers: Sequence[AbstractDenoiser],
    signs: Float[Array, " batch *out"],
    x: Inexact[Array, " batch *shape"],
    y: PyTree,
) -> None:
    """Refuses samples of which some are infinite and others minus infinite, which have no mean; tracers pass.

    **Arguments:** as those of `warn_of_infinity`.

    **Raises:** `ValueError` that names one of either sign.
    """
    if isinstance(signs, Tracer):
        return
    flat = _signs_of_samples(signs)
    if flat.min(initial=0) < 0 < flat.max(initial=0):
        above, below = (_place(denoisers, x, y, int(np.flatnonzero(flat == sign)[0])) for sign in (1, -1))
        raise ValueError(
            f"`x` must not hold samples whose values are infinite with opposite signs, which have no mean: {what} is "
            f"inf at {above}, and -inf at {below}. Leave out the samples that one of the distributions excludes."
        )


def _signs_of_samples(signs: Float[Array, " batch *out"]) -> np.ndarray:
    flat = np.asarray(signs).reshape(len(signs), -1)
    return flat[np.arange(len(flat)), np.argmax(np.abs(flat), 1)]


def _place(denoisers: Sequence[AbstractDenoiser], x: Array, y: PyTree, row: int) -> str:
    return f"x[{row}], where {_reason(denoisers, x[row], jax.tree.map(lambda leaf: leaf[row], y))}"


def _reason(denoisers: Sequence[AbstractDenoiser], x: Array, y: PyTree) -> str:
    dimensions = [(type(d).__name__, float(d.dimension(x, y))) for d in denoisers]
    for name, dimension in dimensions:
        if math.isinf(dimension):
            return f"the distribution of {name} has probability zero"
    unknown = [name for name, dimension in dimensions if math.isnan(dimension)]
    if unknown:
        return f"the error of {' or '.join(unknown)} grows as 1/noise, as at a sample of probability zero"
    if len(dimensions) == 1:
        return f"the distribution of {dimensions[0][0]} has {dimensions[0][1]:.0f} of {x.size} dimensions"
    listed = ", ".join(f"{dimension:.0f} for {name}" for name, dimension in dimensions)
    return f"the distributions have different dimensions, {listed}, of {x.size} coordinates"
