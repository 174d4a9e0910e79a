import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ._base import AbstractDenoiser, Conditioned, Given, Unconditional
from ._clipped import Clipped
from ._diffused import Diffused
from ._discrete import GridPosterior, HardRounding, SoftRounding
from ._ensemble import Ensemble
from ._flattened import Flattened
from ._gaussian import ConditionalGaussian, Gaussian
from ._guided import Composed, Guided, Rescaled
from ._histogram import Histogram
from ._inputs import FourierFeatures, Standardising, Whitening
from ._mixture import Empirical, GaussianMixture
from ._neural import moments_of, Neural
from ._product import Product
from ._units import ChangedUnits, Moments


# Mean and standard deviation of each coordinate, of the shape of a sample or of a part of it that broadcasts.
_Pair = tuple[Float[Array, "..."], Float[Array, "..."]]


@functools.singledispatch
def data_moments(denoiser: Any) -> _Pair | None:
    """Mean and standard deviation of each coordinate of the data that a denoiser was made for, whatever their
    condition: those of the training samples for a network, of the distribution for an exact denoiser. They tell samples
    in other units from those that belong to a model.

    A denoiser of another kind states its own by `data_moments.register`, as with any `functools.singledispatch`. Those
    of an [`entropax.Neural`][] are its `moments`, or those of its `normalise`.

    **Arguments:**

    - `denoiser`: the denoiser.

    **Returns:** the moments, or `None` for a denoiser that holds none, or that is a reference rather than a model of
        data, such as [`entropax.Equilibrium`][].
    """
    del denoiser
    return None


@data_moments.register(Unconditional)
@data_moments.register(Conditioned)
@data_moments.register(Given)
@data_moments.register(Clipped)
@data_moments.register(HardRounding)
@data_moments.register(SoftRounding)
@data_moments.register(Guided)
@data_moments.register(Composed)
def _(denoiser):
    return data_moments(denoiser.denoiser)


@data_moments.register(Rescaled)
def _(denoiser):
    return data_moments(denoiser.guided)


@data_moments.register(Neural)
def _(denoiser):
    if denoiser.moments is not None:
        return denoiser.moments.mean, denoiser.moments.std
    return data_moments(denoiser.normalise)


@data_moments.register(ChangedUnits)
def _(denoiser):
    found = data_moments(denoiser.denoiser)
    return found and ((found[0] - denoiser.origin) / denoiser.scale, found[1] / denoiser.scale)


@data_moments.register(FourierFeatures)
def _(denoiser):
    return data_moments(denoiser.whitening)


@data_moments.register(ConditionalGaussian)
def _(denoiser):
    return data_moments(denoiser.marginal)


@data_moments.register(Ensemble)
def _(denoiser):
    found = [data_moments(member) for member in denoiser.denoisers]
    return next((each for each in found if each is not None), None)


@data_moments.register(Flattened)
def _(denoiser):
    found = data_moments(denoiser.denoiser)
    return found and (
        jnp.broadcast_to(found[0], denoiser.shape).ravel(),
        jnp.broadcast_to(found[1], denoiser.shape).ravel(),
    )


@data_moments.register(Diffused)
def _(denoiser):
    found = data_moments(denoiser.denoiser)
    return found and (found[0], jnp.sqrt(found[1] ** 2 + np.exp(-denoiser.log_snr)))


@data_moments.register(Standardising)
def _(denoiser):
    return denoiser.mean, jnp.sqrt(denoiser.variance)


@data_moments.register(Gaussian)
@data_moments.register(Whitening)
def _(denoiser):
    return denoiser.mean, jnp.sqrt(_diagonal(denoiser.variances, denoiser.axes))


@data_moments.register(GaussianMixture)
def _(denoiser):
    weights = jax.nn.softmax(denoiser.log_weights)[:, None]
    mean = jnp.sum(weights * denoiser.means, 0)
    within = jax.vmap(_diagonal)(denoiser.variances, denoiser.axes)
    return mean, jnp.sqrt(jnp.sum(weights * (within + (denoiser.means - mean[None]) ** 2), 0))


@data_moments.register(Empirical)
def _(denoiser):
    return jnp.mean(denoiser.points, 0), jnp.std(denoiser.points, 0)


@data_moments.register(Product)
def _(denoiser):
    found = eqx.filter_vmap(data_moments)(denoiser.marginals)
    return found and tuple(part.reshape(-1) for part in found)


@data_moments.register(GridPosterior)
def _(denoiser):
    return _of_levels(denoiser.log_probabilities, denoiser.grid.values, 0.0)


@data_moments.register(Histogram)
def _(denoiser):
    edges = np.asarray(denoiser.edges)
    return _of_levels(denoiser.log_probabilities, 0.5 * (edges[1:] + edges[:-1]), np.diff(edges) ** 2 / 12)


def known_moments(denoiser: AbstractDenoiser) -> _Pair | None:
    """`data_moments` as numbers wherever the parameters of the denoiser are, within a function that JAX traces too."""
    with jax.ensure_compile_time_eval():
        return data_moments(denoiser)


# Where the mean or the standard deviation of data is so many times greater than 1, or all standard deviations are so
# many times smaller, N(0, I) is too far away to measure a likelihood from.
_FAR = 8.0


def units_of(denoiser: AbstractDenoiser, shape: tuple[int, ...]) -> Moments | None:
    r"""The moments in whose units, $u = (x - m)/c$, a likelihood is computed: those that a model has stored, and those
    of the distribution of an exact denoiser where these are far from 0 and 1. `None` where the units are as they are.

    **Arguments:**

    - `denoiser`: the denoiser.
    - `shape`: that of a sample.
    """
    stored, found = moments_of(denoiser), known_moments(denoiser)
    if stored is not None or found is None or any(isinstance(part, Tracer) for part in found):
        return stored
    # Samples of another shape are refused where the denoiser sees them.
    if any(own not in (1, given) for part in found for own, given in zip(part.shape[::-1], shape[::-1])):
        return None
    mean, std = (np.broadcast_to(np.asarray(part, np.float64), shape) for part in found)
    largest = std.max(initial=0.0)
    if largest == 0 or (np.abs(mean).max() <= _FAR and 1 / _FAR <= largest <= _FAR):
        return None
    # A coordinate that is constant has no spread for a Gaussian beside it.
    std = np.where(std > 0, std, largest)
    with jax.ensure_compile_time_eval():
        as_given = functools.partial(jnp.asarray, dtype=found[0].dtype)
        return Moments(as_given(mean), as_given(std), 2.0 ** round(math.log2(largest)))


def least_resolved(denoiser: AbstractDenoiser) -> float | None:
    r"""$-\log\sigma^2$ of the coordinate with the smallest spread, which is the log-SNR at which noise hides it; `None`
    where the moments are not known."""
    found = known_moments(denoiser)
    if found is None or isinstance(found[1], Tracer):
        return None
    std = np.asarray(found[1], np.float64)
    return -2 * math.log(std[std > 0].min()) if (std > 0).any() else None


def _diagonal(variances, axes):
    return jnp.sum(variances[None] * axes**2, -1)


def _of_levels(log_probabilities, levels, variances):
    """Of values with these probabilities along the last axis, and a spread of their own."""
    alike = lambda part: jnp.broadcast_to(jnp.asarray(part, log_probabilities.dtype), log_probabilities.shape)
    levels, variances = alike(levels), alike(variances)
    probabilities = jnp.exp(log_probabilities)
    mean = jnp.sum(probabilities * levels, -1)
    return mean, jnp.sqrt(jnp.sum(probabilities * ((levels - mean[..., None]) ** 2 + variances), -1))
