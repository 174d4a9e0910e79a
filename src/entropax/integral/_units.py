"""Whether samples belong to the model that they are measured with."""

import warnings
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Inexact

from ..denoiser import AbstractDenoiser, known_moments, Unconditional
from ._integrands import AbstractIntegrand, ClassLosses, Controlled, Difference, LossGap, PerCoordinate


# Of no distribution more than 1/16 lies farther than four standard deviations from the mean, by Chebyshev's inequality.
# Half of so many samples are more than chance can make of that.
_FAR = 4.0
_SHARE = 0.5
_LEAST_SAMPLES = 16

# A few samples that were chosen, and repeated, are no distribution: of many coordinates some are always far away.
_FEW_COORDINATES = 8

# Samples nearer to the mean than this many standard deviations, in the root mean square over all coordinates. Where
# tails are heavy that happens by chance: the model's data held an outlier that the samples do not. So many samples
# show whether tails are heavy, by the largest distance from their mean in their own standard deviations.
_NARROW = 0.05
_NARROW_SAMPLES = 500
_LIGHT = 8.0

# How many samples are looked at for distinct ones and for tails.
_ROWS = 1000


class UnitsWarning(UserWarning):
    """Samples lie far outside the data that a model was made for, as in other units."""


def check_units(models: Iterable[AbstractDenoiser], x: Inexact[Array, " batch *shape"]) -> None:
    """Warns where samples lie far outside the data of a model, by [`entropax.data_moments`][]: where more than
    half of them are, in some coordinate, farther than four standard deviations from the mean, or where all coordinates
    are within a twentieth of a standard deviation of it without a heavy tail. Neither happens to samples of a model's
    own distribution, whatever its tails.

    **Arguments:**

    - `models`: the denoisers that the samples belong to, each looked at once.
    - `x`: the samples.
    """
    seen = []
    for model in models:
        found = known_moments(model)
        if found is None or any(isinstance(leaf, Tracer) for leaf in (x, *found)):
            continue
        if not any(all(a is b for a, b in zip(found, other)) for other in seen):
            seen.append(found)
            _check(type(model.denoiser if isinstance(model, Unconditional) else model).__name__, found, x)


def _check(name, found, x) -> None:
    rows = np.asarray(x[:_ROWS], np.float64).reshape(min(_ROWS, x.shape[0]), -1)
    distinct = len(np.unique(rows @ np.cos(np.arange(rows.shape[1]))))
    enough = _LEAST_SAMPLES if rows.shape[1] > _FEW_COORDINATES else 2
    if len(rows) < _LEAST_SAMPLES or distinct < enough:
        return
    mean, std = (np.broadcast_to(np.asarray(part, np.float64), x.shape[1:]) for part in found)
    # A coordinate that was constant may be so but for rounding.
    least = np.maximum(1e-3 * np.sqrt(np.mean(std**2)), 1e-6 * np.abs(mean))
    mean, std = (jnp.asarray(part, x.dtype)[None] for part in (mean, np.maximum(std, np.maximum(least, 1e-30))))
    far, square = jax.device_get(_far_and_square(x, mean, std))
    worst = np.unravel_index(int(np.argmax(far)), far.shape)
    if far[worst] > _SHARE:
        own = x[(slice(None), *worst)]
        place = f" in coordinate {', '.join(str(k) for k in worst)}" if far.ndim else ""
        warnings.warn(
            f"`x` lies far outside the data that {name} was made for:{place} {far[worst]:.0%} of the samples are more "
            f"than {_FAR:.0f} standard deviations from the mean of those data, {float(mean[0][worst]):.3g} with "
            f"standard deviation {float(std[0][worst]):.3g}; the samples have {float(jnp.mean(own)):.3g} and "
            f"{float(jnp.std(own)):.3g}. Give `x` in the units and with the offset that the model was made with.",
            UnitsWarning,
            stacklevel=4,
        )
    elif square < _NARROW**2 and distinct >= _NARROW_SAMPLES and _is_light(rows):
        warnings.warn(
            f"`x` is far narrower than the data that {name} was made for: it lies within {np.sqrt(square):.2g} "
            "standard deviations of their mean in all coordinates. Give `x` in the units that the model was made with.",
            UnitsWarning,
            stacklevel=4,
        )


@jax.jit
def _far_and_square(x, mean, std):
    """The share of samples that are far away, by coordinate, and the mean square over all of them."""
    distance = (x - mean) / std
    return jnp.mean(jnp.abs(distance) > _FAR, 0), jnp.mean(distance**2)


def _is_light(rows) -> bool:
    spread = rows.std(0)
    return bool((np.abs(rows - rows.mean(0)).max(0) <= _LIGHT * spread).all())


def model_of(rate: AbstractIntegrand) -> AbstractDenoiser:
    """The denoiser of the distribution that the samples of a rate come from, rather than what it is compared with: the
    first for rates of another kind."""
    if isinstance(rate, LossGap):
        return rate.b
    if isinstance(rate, ClassLosses):
        return rate.denoiser
    if isinstance(rate, Difference):
        return model_of(rate.first)
    return model_of(rate.integrand) if isinstance(rate, PerCoordinate | Controlled) else rate.denoisers[0]
