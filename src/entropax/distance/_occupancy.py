import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.special import chdtrc, softmax

from .._arrays import as_float64
from ..integral import Estimate
from ._checks import to_jax
from ._contributions import shares_of


class Occupancy(eqx.Module):
    r"""The shares of samples in the components of a mixture, beside their weights.

    **Arguments:**

    - `shares`: $s$, an [`entropax.Estimate`][] of shape `(components,)` without a unit.
    - `weights`: $w$.
    - `num_samples`: $n$.
    """

    shares: Estimate
    weights: Float[Array, " components"]
    num_samples: int = eqx.field(static=True)

    @property
    def total_variation(self) -> float:
        r"""$\tfrac12 \sum_k \lvert s_k - w_k\rvert$: the part of the samples that would have to move."""
        return float(0.5 * np.abs(self._excess).sum())

    @property
    def chi_square(self) -> float:
        r"""Pearson's $\chi^2 = n \sum_k (s_k - w_k)^2 / w_k$."""
        return float(self.num_samples * np.sum(self._excess**2 / np.asarray(self.weights, np.float64)))

    @property
    def p_value(self) -> float:
        r"""The probability of a $\chi^2$ as large or larger, for samples of the mixture, at $K - 1$ degrees of freedom.

        Where components overlap the true probability is less: shares by responsibility vary less than counts do.
        """
        return float(chdtrc(len(self.weights) - 1, self.chi_square))

    @property
    def _excess(self) -> np.ndarray:
        return np.asarray(self.shares.value, np.float64) - np.asarray(self.weights, np.float64)


def mode_occupancy(log_densities: Float[ArrayLike, "..."], weights: Float[ArrayLike, "..."]) -> Occupancy:
    r"""How often samples occupy each component of a mixture $\sum_k w_k\,p_k$: the mean responsibilities

    $$s_k = \frac1n \sum_i \frac{w_k\,p_k(x_i)}{\sum_l w_l\,p_l(x_i)}, \qquad
      \mathbb{E}\,s_k = w_k \quad\text{for samples of the mixture},$$

    whether or not components overlap. Where they do not, $s_k$ is the share of samples that are nearest to $k$. A
    sample that is far from all counts for the nearest, in this sense; the cross-entropy sees those.

    **Arguments:**

    - `log_densities`: $\log p_k(x_i)$, shape `(samples, components)`; of labels $\ell_i$, 0 where $k = \ell_i$ and
        `-inf` elsewhere.
    - `weights`: $w$, shape `(components,)`, positive with sum 1.

    **Returns:** an [`entropax.distance.Occupancy`][].

    **Raises:** `ValueError` where shapes do not fit, there are fewer than 2 samples or components, `weights` is no
    distribution, `log_densities` is NaN or `+inf`, or `-inf` throughout for one sample.
    """
    logs, probabilities = as_float64(log_densities, "log_densities"), as_float64(weights, "weights")
    if probabilities.ndim != 1 or len(probabilities) < 2:
        raise ValueError(f"`weights` must have shape (components,), at least (2,); got {probabilities.shape}.")
    if not np.all(probabilities > 0) or abs(probabilities.sum() - 1) > 1e-5:
        raise ValueError(
            f"`weights` must be positive with sum 1; got a sum of {probabilities.sum()} and a smallest weight of "
            f"{probabilities.min()}."
        )
    if logs.ndim != 2 or logs.shape[1] != len(probabilities) or len(logs) < 2:
        raise ValueError(
            f"`log_densities` must have shape (samples, {len(probabilities)}), at least 2 samples; got {logs.shape}."
        )
    if np.any(np.isnan(logs) | (logs == np.inf)) or np.any(np.all(logs == -np.inf, 1)):
        raise ValueError("`log_densities` must be finite for one component of each sample, and `-inf` or finite else.")
    responsibilities = softmax(logs + np.log(probabilities), axis=1)
    return Occupancy(shares_of(responsibilities), to_jax(probabilities / probabilities.sum()), len(logs))
