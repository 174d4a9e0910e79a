import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import ArrayLike, Float, Float64
from scipy.spatial import KDTree
from scipy.special import digamma, gammaln

from ..integral import Estimate
from ._checks import check_samples
from ._contributions import of_one_sample


# Samples share neighbours, which adds to the variance of a mean over n of them what would be this over (k n) if the
# density were constant: 0.6 to 1.0 in simulations on the torus in 1, 2, 4 and 8 dimensions, for k from 2 to 16.
_SHARED = 0.7

# Float32 itself makes normal samples in one dimension coincide: of 10 000 about one in a thousand.
_COINCIDENT = 0.05


def cross_entropy(
    x: Float[ArrayLike, " batch *shape"], log_density: Callable[[Any], Float[ArrayLike, " batch"]]
) -> Estimate:
    r"""The cross-entropy of the law of samples relative to a known one,

    $$-\mathbb{E}\log p(X) = h(X) + \mathrm{KL}(\mathrm{law}(X)\,\|\,p).$$

    Beside the entropy of $p$ it says whether samples lie where $p$ is large, not whether they cover it: samples at the
    mode of $p$ have less than true ones.

    **Arguments:**

    - `x`: the samples.
    - `log_density`: $\log p$ of a batch of samples, in nats, such as `GaussianMixture.log_prob`.

    **Returns:** an [`entropax.Estimate`][] in nats, with its `pointwise` shares.

    **Raises:** `ValueError` where `x` holds fewer than 2 samples or is not finite, or where `log_density` does not
    return one finite number for each (where one is `-inf`, the cross-entropy is infinite).
    """
    check_samples(x, "x")
    shares = -_log_density_at(x, log_density)
    return of_one_sample(shares, shares.std(ddof=1) / math.sqrt(len(shares)))


def nearest_neighbour_entropy(x: Float[ArrayLike, " batch *shape"], *, neighbours: int = 4) -> Estimate:
    r"""The differential entropy of the law of samples, by distances to the $k$-th nearest neighbour,

    $$\hat h = \psi(n) - \psi(k) + \log V_d + \frac{d}{n} \sum_i \log \varepsilon_i,$$

    with $V_d$ the volume of the unit ball and $\varepsilon_i$ the distance of sample $i$ to its $k$-th neighbour.

    The bias falls as $(k/n)^{2/d}$ where the density is smooth: of no account in a few dimensions, and more than the
    error bar beyond about five. Where samples lie near a surface of fewer dimensions the estimate is of the density at
    the scale of $\varepsilon$.

    The standard error is the spread of the contributions of samples, with an allowance for the neighbours that they
    share, $0.7/(kn)$ in the variance.

    **Arguments:**

    - `x`: the samples.
    - `neighbours`: $k$; fewer have less bias, more have less variance.

    **Returns:** an [`entropax.Estimate`][] in nats, with its `pointwise` shares.

    **Raises:** `ValueError` where `x` holds no more than $k$ samples, is not finite, or holds duplicates: a law with
    atoms has no density.

    ??? cite "Source"
        Kozachenko & Leonenko, Sample estimate of the entropy of a random vector (1987); Berrett, Samworth & Yuan,
        Efficient multivariate entropy estimation via k-nearest neighbour distances (2019), for its bias and variance.
    """
    return _of_neighbours(_entropy_shares(x, neighbours), neighbours)


def kl_to(
    x: Float[ArrayLike, " batch *shape"],
    log_density: Callable[[Any], Float[ArrayLike, " batch"]],
    *,
    neighbours: int = 4,
) -> Estimate:
    r"""The Kullback-Leibler divergence of the law of samples from a known one,

    $$\mathrm{KL}(\mathrm{law}(X)\,\|\,p) = -h(X) - \mathbb{E}\log p(X),$$

    with $h$ by [`entropax.distance.nearest_neighbour_entropy`][], whose bias and error it has. It is large where
    samples lie where $p$ is small. Modes that are missing cost no more than $-\log$ of the share of those that are
    there.

    **Arguments:**

    - `x`: the samples.
    - `log_density`: $\log p$ of a batch of samples, in nats, such as `GaussianMixture.log_prob`.
    - `neighbours`: $k$.

    **Returns:** an [`entropax.Estimate`][] in nats, with its `pointwise` shares. It may be negative by its error.

    **Raises:** `ValueError` as [`entropax.distance.nearest_neighbour_entropy`][] and
    [`entropax.distance.cross_entropy`][] do.
    """
    return _of_neighbours(-_entropy_shares(x, neighbours) - _log_density_at(x, log_density), neighbours)


def _entropy_shares(x: Float[ArrayLike, " batch *shape"], neighbours: int) -> Float64[np.ndarray, " batch"]:
    if neighbours < 1:
        raise ValueError(f"`neighbours` must be at least 1; got {neighbours}.")
    rows = check_samples(x, "x", neighbours + 1)
    n, dim = rows.shape
    # The nearest to each is itself.
    distances = np.asarray(KDTree(rows).query(rows, neighbours + 1)[0])
    nearest, last = distances[:, 1], distances[:, -1]
    coincide = np.count_nonzero(nearest == 0)
    if coincide > _COINCIDENT * n or np.any(last == 0):
        raise ValueError(
            f"`x` must hold samples of a density; {coincide} of its {n} samples coincide with another, so that the "
            "entropy is not finite. Leave out duplicates, or dequantise."
        )
    log_volume = 0.5 * dim * math.log(math.pi) - gammaln(0.5 * dim + 1)
    return digamma(n) - digamma(neighbours) + log_volume + dim * np.log(last)


def _of_neighbours(shares: Float64[np.ndarray, " batch"], neighbours: int) -> Estimate:
    return of_one_sample(shares, math.sqrt((shares.var(ddof=1) + _SHARED / neighbours) / len(shares)))


def _log_density_at(x, log_density: Callable) -> Float64[np.ndarray, " batch"]:
    values = np.asarray(log_density(x), np.float64)
    if values.shape != np.shape(x)[:1]:
        raise ValueError(f"`log_density` must return shape {np.shape(x)[:1]}, one for each sample; got {values.shape}.")
    outside, bad = np.count_nonzero(values == -np.inf), np.count_nonzero(~np.isfinite(values))
    if bad > outside:
        raise ValueError(f"`log_density` must be finite; it is NaN or infinite at {bad - outside} of {len(values)}.")
    if outside:
        raise ValueError(
            f"`log_density` must be finite; it is -inf at {outside} of {len(values)} samples, which are off the "
            "support: the cross-entropy is infinite."
        )
    return values
