import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._base import Conditioned, Given, Unconditional
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
from ._neural import Neural
from ._product import Product
from ._units import ChangedUnits


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


def _diagonal(variances, axes):
    return jnp.sum(variances[None] * axes**2, -1)


def _of_levels(log_probabilities, levels, variances):
    """Of values with these probabilities along the last axis, and a spread of their own."""
    probabilities = np.exp(np.asarray(log_probabilities, np.float64))
    mean = np.sum(probabilities * levels, -1)
    spread = np.sum(probabilities * ((levels - mean[..., None]) ** 2 + variances), -1)
    return jnp.asarray(mean, log_probabilities.dtype), jnp.asarray(np.sqrt(spread), log_probabilities.dtype)
