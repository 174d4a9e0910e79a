import functools
from typing import Any, NamedTuple

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


class Moments(NamedTuple):
    """Mean and standard deviation of each coordinate of the data that a denoiser was made for.

    **Arguments:**

    - `mean`, `std`: of the shape of a sample, or numbers that all coordinates have in common.
    """

    mean: Float[Array, "..."]
    std: Float[Array, "..."]


@functools.singledispatch
def moments(denoiser: Any) -> Moments | None:
    """The moments of the data that a denoiser was made for, whatever their condition: those of the training samples for
    a network, of the distribution for an exact denoiser. They tell samples in other units from those that belong to a
    model.

    A denoiser that holds them says so by `moments.register`, as with any `functools.singledispatch`, and a wrapper that
    leaves the data as they are passes those of what it wraps on. An [`entropax.Neural`][] has those of its `normalise`.

    **Arguments:**

    - `denoiser`: the denoiser.

    **Returns:** the moments, or `None` for a denoiser that holds none, or that is a reference rather than a model of
        data, such as [`entropax.Equilibrium`][].
    """
    del denoiser
    return None


@moments.register(Unconditional)
@moments.register(Conditioned)
@moments.register(Given)
@moments.register(Clipped)
@moments.register(HardRounding)
@moments.register(SoftRounding)
@moments.register(Guided)
@moments.register(Composed)
def _(denoiser):
    return moments(denoiser.denoiser)


@moments.register(Rescaled)
def _(denoiser):
    return moments(denoiser.guided)


@moments.register(Neural)
def _(denoiser):
    return moments(denoiser.normalise)


@moments.register(FourierFeatures)
def _(denoiser):
    return moments(denoiser.whitening)


@moments.register(ConditionalGaussian)
def _(denoiser):
    return moments(denoiser.marginal)


@moments.register(Ensemble)
def _(denoiser):
    found = [moments(member) for member in denoiser.denoisers]
    return next((each for each in found if each is not None), None)


@moments.register(Flattened)
def _(denoiser):
    found = moments(denoiser.denoiser)
    return found and Moments(*(jnp.broadcast_to(part, denoiser.shape).ravel() for part in found))


@moments.register(Diffused)
def _(denoiser):
    found = moments(denoiser.denoiser)
    return found and Moments(found.mean, jnp.sqrt(found.std**2 + np.exp(-denoiser.log_snr)))


@moments.register(Standardising)
def _(denoiser):
    return Moments(denoiser.mean, jnp.sqrt(denoiser.variance))


@moments.register(Gaussian)
@moments.register(Whitening)
def _(denoiser):
    return Moments(denoiser.mean, jnp.sqrt(_diagonal(denoiser.variances, denoiser.axes)))


@moments.register(GaussianMixture)
def _(denoiser):
    weights = jax.nn.softmax(denoiser.log_weights)[:, None]
    mean = jnp.sum(weights * denoiser.means, 0)
    within = jax.vmap(_diagonal)(denoiser.variances, denoiser.axes)
    return Moments(mean, jnp.sqrt(jnp.sum(weights * (within + (denoiser.means - mean[None]) ** 2), 0)))


@moments.register(Empirical)
def _(denoiser):
    return Moments(jnp.mean(denoiser.points, 0), jnp.std(denoiser.points, 0))


@moments.register(Product)
def _(denoiser):
    found = eqx.filter_vmap(moments)(denoiser.marginals)
    return found and Moments(*(part.reshape(-1) for part in found))


@moments.register(GridPosterior)
def _(denoiser):
    return _of_levels(denoiser.log_probabilities, denoiser.grid.values, 0.0)


@moments.register(Histogram)
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
    return Moments(*(jnp.asarray(part, log_probabilities.dtype) for part in (mean, np.sqrt(spread))))
