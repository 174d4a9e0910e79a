import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from .._arrays import as_floats, as_integers, as_known
from .._conditions import check_label
from ._base import AbstractDenoiser, check_state, noise, signal
from ._gaussian import dimension_by_component, optimal_by_component, stack_axes
from ._labels import check_known, check_labels


def as_labels(labels: Int[ArrayLike, " parts"], count: int, part: str) -> Int[Array, " parts"]:
    """The labels of so many parts of a distribution.

    **Raises:** `ValueError` where they are not one integer for each.
    """
    array = as_integers(labels, "labels")
    if array.shape != (count,):
        raise ValueError(f"`labels` must be an integer for each {part}, shape {(count,)}; got shape {array.shape}.")
    return array


class GaussianMixture(AbstractDenoiser):
    r"""The optimal denoiser of $\sum_k w_k\,\mathcal{N}(m_k, C_k)$: the components' own predictions weighted by their
    responsibilities for $z$,

    $$\hat\varepsilon(z, \lambda) = \sum_k r_k(z, \lambda)\,\hat\varepsilon_k(z, \lambda), \qquad
      r_k \propto w_k\,\mathcal{N}\bigl(z;\ \sqrt a\,m_k,\ aC_k + (1-a)I\bigr), \quad a = \mathrm{sigmoid}(\lambda),$$

    by log-sum-exp. Given a label $y$, only the components that carry it count.

    **Arguments:**

    - `weights`: $w$, shape `(components,)`, non-negative with sum 1.
    - `means`: $m$, shape `(components, dim)`.
    - `covs`: $C$, shape `(components, dim, dim)`, full.
    - `labels`: the class of each component, shape `(components,)`; `0, 1, ...` where it is not given.

    **Raises:** `ValueError` where shapes do not fit, a number is not finite, `weights` is no distribution, a covariance
    is none, or `labels` are not one integer for each component.
    """

    log_weights: Float[Array, " components"]
    means: Float[Array, "components dim"]
    variances: Float[Array, "components dim"]
    axes: Float[Array, "components dim dim"]
    labels: Int[Array, " components"]

    def __init__(
        self,
        weights: Float[ArrayLike, " components"],
        means: Float[ArrayLike, "components dim"],
        covs: Float[ArrayLike, "components dim dim"],
        labels: Int[ArrayLike, " components"] | None = None,
    ):
        weights, means, covs = as_known(weights, "weights"), as_floats(means, "means"), as_known(covs, "covs")
        fit = weights.shape == means.shape[:1] and covs.shape == means.shape + means.shape[1:]
        if means.ndim != 2 or not means.size or not fit:
            raise ValueError(
                "`weights`, `means`, `covs` must have shapes (components,), (components, dim), (components, dim, dim); "
                f"got {weights.shape}, {means.shape}, {covs.shape}."
            )
        if weights.min() < 0 or abs(weights.sum() - 1) > 1e-5:
            raise ValueError(
                f"`weights` must be non-negative with sum 1; their sum is {weights.sum():g} and their least "
                f"{weights.min():g}."
            )
        self.variances, self.axes = stack_axes(covs)
        with np.errstate(divide="ignore"):
            self.log_weights = jnp.asarray(np.log(weights), self.variances.dtype)
        self.means = means.astype(self.variances.dtype)
        self.labels = jnp.arange(len(weights)) if labels is None else as_labels(labels, len(weights), "component")

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def __call__(
        self, z: Float[Array, " dim"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, " dim"]:
        predictions = optimal_by_component(z, log_snr, self.means, self.variances, self.axes)
        variances = jax.nn.sigmoid(log_snr) * self.variances + jax.nn.sigmoid(-log_snr)
        # The exponent of component k is -½ (z - √a m)ᵀ(aC + ā)⁻¹(z - √a m) = -½ (z - √a m)·ε̂_k / √ā.
        residuals = z[None] - signal(log_snr) * self.means
        exponents = -0.5 * jnp.sum(residuals * predictions, -1) / noise(log_snr)
        logits = self.log_weights + exponents - 0.5 * jnp.sum(jnp.log(variances), -1)
        if y is not None:
            logits = jnp.where(self.labels == check_label(y, self.labels.dtype), logits, -jnp.inf)
        return jax.nn.softmax(logits) @ predictions

    def dimension(self, x: Float[Array, " dim"], y: PyTree | None = None) -> Float[Array, ""]:
        # At small noise the component of the least dimension has all of the mass.
        occurs = self.log_weights > -jnp.inf
        if y is not None:
            occurs = occurs & (self.labels == y)
        dimensions = dimension_by_component(x, self.means, self.variances, self.axes)
        return jnp.min(jnp.where(occurs, dimensions, jnp.inf))


class Empirical(AbstractDenoiser):
    r"""The optimal denoiser of a finite data set, each point with equal weight: with $a = \mathrm{sigmoid}(\lambda)$,

    $$\hat\varepsilon(z, \lambda) = \frac{z - \sqrt a\,\mathbb{E}[x|z]}{\sqrt{1-a}}, \qquad
      \mathbb{E}[x|z] = \sum_i \mathrm{softmax}_i\Bigl(-\frac{\|z - \sqrt a\,x_i\|^2}{2(1-a)}\Bigr)\,x_i.$$

    This is what a network that has learnt its training set by heart computes. Given a label $y$, only the points that
    carry it count.

    **Arguments:**

    - `points`: $x_i$, shape `(points, *shape)`.
    - `labels`: the class of each point, shape `(points,)`, where conditions are labels.

    **Raises:** `ValueError` where there are no points, one is not finite, or `labels` are not one integer for each.
    """

    points: Float[Array, " points *shape"]
    labels: Int[Array, " points"] | None = None

    def __init__(self, points: Float[ArrayLike, " points *shape"], labels: Int[ArrayLike, " points"] | None = None):
        self.points = as_floats(points, "points")
        if self.points.ndim < 1 or 0 in self.points.shape:
            raise ValueError(f"`points` must have shape (points, *shape), one point or more; got {self.points.shape}.")
        self.labels = None if labels is None else as_labels(labels, len(self.points), "point")

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        check_state(z, self.points.shape[1:])
        residuals = (z[None] - signal(log_snr) * self.points) / noise(log_snr)
        logits = -0.5 * jnp.sum(residuals**2, axis=tuple(range(1, residuals.ndim)))
        if y is not None:
            if self.labels is None:
                raise ValueError("`y` was given, but this Empirical denoiser was made without `labels`.")
            logits = jnp.where(self.labels == check_label(y, self.labels.dtype), logits, -jnp.inf)
        return jnp.tensordot(jax.nn.softmax(logits), residuals, 1)

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        # The sample may have come from other units, whose origin was as far away as the points are.
        largest = jnp.maximum(jnp.max(jnp.abs(x), initial=0.0), jnp.max(jnp.abs(self.points), initial=0.0))
        rounding = 4 * jnp.finfo(x.dtype).eps * largest
        is_point = jnp.all(jnp.abs(self.points - x) <= rounding, axis=tuple(range(1, self.points.ndim)))
        if y is not None and self.labels is not None:
            is_point = is_point & (self.labels == y)
        return jnp.where(jnp.any(is_point), jnp.zeros((), x.dtype), jnp.inf)


@check_labels.register(GaussianMixture)
def _(model, y, name):
    if not any(isinstance(leaf, Tracer) for leaf in (y, model.labels, model.log_weights)):
        # A component of weight zero has no label.
        check_known(y, np.asarray(model.labels)[np.asarray(model.log_weights) > -np.inf], name)


@check_labels.register(Empirical)
def _(model, y, name):
    if model.labels is not None:
        check_known(y, model.labels, name)
