from dataclasses import dataclass

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import (
    Array,
    ArrayLike,
    Float,
    Float32,
    Float64,
    Int,
    Int32,
    PRNGKeyArray,
)
from scipy.special import entr

from .. import denoiser as denoisers
from .._arguments import check_key
from .._arrays import plain_array
from ._checks import check_count, check_covariance, check_draws, check_number, check_numbers, check_positive


@dataclass(frozen=True, eq=False, init=False, repr=False)
class GaussianMixture:
    r"""A mixture of Gaussians whose components carry labels,

    $$p(x) = \sum_k w_k\,\mathcal{N}(x;\ m_k, C_k), \qquad
      P(y) = \sum_{k:\,\ell_k = y} w_k.$$

    Densities are exact, in float64 and in nats; what has no closed form, $I(X;Y)$, is
    the mean of an exact log-ratio with its error.

    **Arguments:**

    - `weights`: $w$, shape `(components,)`, positive with sum 1.
    - `means`: $m$, shape `(components, dim)`.
    - `covs`: $C$, shape `(components, dim, dim)`.
    - `labels`: $\ell$, the label of each component, shape `(components,)`, integers;
        `0, 1, ...` where they are not given.

    **Raises:** `ValueError` where shapes do not fit, `weights` is no distribution, a
    covariance is not one, or `labels` are no integers.
    """

    weights: Float64[np.ndarray, " components"]
    means: Float64[np.ndarray, "components dim"]
    covs: Float64[np.ndarray, "components dim dim"]
    labels: Int32[np.ndarray, " components"]
    _roots: Float64[np.ndarray, "components dim dim"]

    def __init__(
        self,
        weights: Float[ArrayLike, "..."],
        means: Float[ArrayLike, "..."],
        covs: Float[ArrayLike, "..."],
        labels: Int[ArrayLike, "..."] | None = None,
    ):
        parts = {"weights": weights, "means": means, "covs": covs}
        weights, means, covs = (check_numbers(value, name) for name, value in parts.items())
        labels = np.arange(means.size and len(means)) if labels is None else plain_array(labels, "labels")
        components = means.shape[:1]
        if (
            means.ndim != 2
            or 0 in means.shape
            or covs.shape != means.shape + means.shape[1:]
            or (weights.shape, labels.shape) != (components, components)
        ):
            raise ValueError(
                "`weights`, `means`, `covs`, `labels` must have shapes (components,), "
                "(components, dim), (components, dim, dim), (components,); got "
                f"{weights.shape}, {means.shape}, {covs.shape}, {labels.shape}."
            )
        if weights.min() <= 0 or abs(weights.sum() - 1) > 1e-5:
            raise ValueError(
                f"`weights` must be positive with sum 1; got a sum of {weights.sum()} "
                f"and a smallest weight of {weights.min()}."
            )
        if labels.dtype.kind not in "iu":
            raise ValueError(f"`labels` must be integers; got dtype {labels.dtype}.")
        covs = np.stack([check_covariance(cov, f"covs[{k}]", None) for k, cov in enumerate(covs)])
        for name, value in {
            "weights": weights / weights.sum(),
            "means": means,
            "covs": covs,
            "labels": labels.astype(np.int32),
            "_roots": np.linalg.cholesky(covs),
        }.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"GaussianMixture(num_components={len(self.weights)}, dim={self.dim})"

    @classmethod
    def random(
        cls,
        key: PRNGKeyArray,
        *,
        num_components: int,
        dim: int,
        box: float = 4.0,
        std: float = 0.5,
    ) -> "GaussianMixture":
        r"""Components of equal weight $\mathcal{N}(m_k, \mathrm{std}^2 I)$ with $m_k$
        uniform in $[-\mathrm{box}, \mathrm{box}]^{\mathrm{dim}}$.

        **Arguments:**

        - `key`: the draws of the means.
        - `num_components`: how many components, each with a label of its own.
        - `dim`: the dimension of $x$.
        - `box`: half the side of the box of the means.
        - `std`: the standard deviation of a component in each direction.

        **Raises:** `ValueError` unless the numbers of components and dimensions are whole
        and positive, `box` is not negative and `std` positive.
        """
        check_count(num_components, "num_components")
        check_count(dim, "dim")
        check_number(box, "box", 0.0)
        check_positive(std, "std")
        means = jr.uniform(check_key(key), (num_components, dim), jnp.float32, minval=-box, maxval=box)
        covs = np.broadcast_to(std**2 * np.eye(dim), (num_components, dim, dim))
        return cls(np.full(num_components, 1 / num_components), means, covs)

    @property
    def dim(self) -> int:
        """The dimension of $x$."""
        return self.means.shape[1]

    @property
    def label_probabilities(self) -> tuple[np.ndarray, np.ndarray]:
        """The labels that occur, in ascending order, and their probabilities."""
        values, positions = np.unique(self.labels, return_inverse=True)
        return values, np.bincount(positions, self.weights)

    @property
    def label_entropy(self) -> float:
        r"""$H(Y) = -\sum_y P(y)\log P(y)$, which bounds $I(X;Y)$."""
        return float(entr(self.label_probabilities[1]).sum())

    def _draw(self, key, num: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples in float64 and the component of each."""
        key_component, key_noise = jr.split(check_draws(key, num))
        uniform = np.asarray(jr.uniform(key_component, (num,), jnp.float32), np.float64)
        edges = np.cumsum(self.weights)[:-1]
        components = np.searchsorted(edges, uniform, side="right")
        noise = np.asarray(jr.normal(key_noise, (num, self.dim), jnp.float32))
        x = np.empty((num, self.dim))
        for k, (mean, root) in enumerate(zip(self.means, self._roots)):
            rows = components == k
            x[rows] = mean + noise[rows].astype(np.float64) @ root.T
        return x, components

    def sample(self, key: PRNGKeyArray, num: int) -> tuple[Float32[Array, "num dim"], Int32[Array, " num"]]:
        """Independent pairs of a point and its label.

        **Arguments:**

        - `key`: the draws.
        - `num`: how many.

        **Returns:** `x`, shape `(num, dim)`, and `labels`, shape `(num,)`.
        """
        x, components = self._draw(key, num)
        return jnp.asarray(x, jnp.float32), jnp.asarray(self.labels[components])

    def _component_log_probs(self, x: np.ndarray) -> np.ndarray:
        r"""$\log w_k\,\mathcal{N}(x; m_k, C_k)$, shape `(components, num)`."""
        log_probs = []
        for weight, mean, root in zip(self.weights, self.means, self._roots):
            whitened = np.linalg.solve(root, (x - mean).T)
            log_norm = np.log(np.diag(root)).sum() + 0.5 * self.dim * np.log(2 * np.pi)
            log_probs.append(np.log(weight) - log_norm - 0.5 * (whitened**2).sum(0))
        return np.stack(log_probs)

    def log_prob(
        self, x: Float[ArrayLike, "num dim"], y: Int[ArrayLike, " num"] | None = None
    ) -> Float64[np.ndarray, " num"]:
        r"""$\log p(x)$, or given labels $\log p(x|y)$, by log-sum-exp.

        **Arguments:**

        - `x`: points, shape `(num, dim)`.
        - `y`: the label of each point, shape `(num,)`.

        **Returns:** the log-densities in nats, shape `(num,)`.

        **Raises:** `ValueError` where shapes do not fit, a number is not finite, or a label
        occurs in no component.
        """
        x = check_numbers(x, "x")
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise ValueError(f"`x` must have shape (num, {self.dim}); got {x.shape}.")
        joint = self._component_log_probs(x)
        if y is None:
            return np.logaddexp.reduce(joint, axis=0)
        y = plain_array(y, "y")
        if y.shape != x.shape[:1]:
            raise ValueError(f"`y` must have shape {x.shape[:1]}; got {y.shape}.")
        values, probabilities = self.label_probabilities
        unknown = np.setdiff1d(y, values)
        if unknown.size:
            raise ValueError(f"`y` holds labels of no component: {unknown.tolist()}.")
        carries = self.labels[:, None] == y[None]
        log_joint = np.logaddexp.reduce(np.where(carries, joint, -np.inf), axis=0)
        return log_joint - np.log(probabilities[np.searchsorted(values, y)])

    def mutual_information(self, key: PRNGKeyArray, num: int) -> tuple[float, float]:
        r"""$I(X;Y) = \mathbb{E}\log p(x|y)/p(x)$, the mean over `num` samples of the
        exact log-ratio.

        **Arguments:**

        - `key`: the draws.
        - `num`: how many, at least 2.

        **Returns:** the value and its standard error, in nats.

        **Raises:** `ValueError` where `num` is not a whole number of 2 or more.
        """
        check_count(num, "num", 2)
        x, components = self._draw(key, num)
        ratios = self.log_prob(x, self.labels[components]) - self.log_prob(x)
        return float(ratios.mean()), float(ratios.std(ddof=1) / np.sqrt(num))

    def denoiser(self) -> denoisers.GaussianMixture:
        r"""The exact denoiser: of $p(x|y)$ given a label, of $p(x)$ without."""
        return denoisers.GaussianMixture(self.weights, self.means, self.covs, self.labels)
