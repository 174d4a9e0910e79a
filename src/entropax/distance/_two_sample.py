import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float64
from scipy.spatial.distance import pdist

from ..integral import Estimate
from ._checks import check_pair, check_samples
from ._contributions import of_two_samples
from ._pairs import AbstractKernel, between, within


# The median distance is that of at most so many samples, two million pairs.
_MEDIAN_OVER = 2000


def energy_distance(x: Float[ArrayLike, " batch *shape"], y: Float[ArrayLike, " other *_shape"]) -> Estimate:
    r"""The energy distance between the laws of two samples,

    $$D = 2\,\mathbb{E}\|X - Y\| - \mathbb{E}\|X - X'\| - \mathbb{E}\|Y - Y'\|,$$

    without bias: the means are over pairs of different samples. It is zero where the laws are equal and positive
    otherwise; the estimate may be negative. There is no bandwidth to choose. (SciPy's `energy_distance`, for one
    dimension, is the square root of $D$.)

    The standard error has both parts of Hoeffding's decomposition, as for [`entropax.distance.mmd`][]: it is right far
    from equality and at it.

    **Arguments:**

    - `x`, `y`: the samples, which may differ in number.

    **Returns:** an [`entropax.Estimate`][] without a unit (the value has that of `x`). Its `residuals` are those of `x`
    followed by those of `y`.

    **Raises:** `ValueError` where either holds fewer than 2 samples, they are of different shapes, or not finite.

    ??? cite "Source"
        Székely & Rizzo, Energy statistics: a class of statistics based on distances (2013).
    """
    return _two_sample(_NegativeDistance(), *check_pair(x, y))


def mmd(
    x: Float[ArrayLike, " batch *shape"],
    y: Float[ArrayLike, " other *_shape"],
    *,
    bandwidths: Float[ArrayLike, " kernels"] | None = None,
) -> Estimate:
    r"""The squared maximum mean discrepancy between the laws of two samples,

    $$\mathrm{MMD}^2 = \mathbb{E}\,k(X, X') + \mathbb{E}\,k(Y, Y') - 2\,\mathbb{E}\,k(X, Y), \qquad
      k(x, y) = \frac1K \sum_{i=1}^K \exp\Bigl(-\frac{\|x - y\|^2}{2 h_i^2}\Bigr),$$

    without bias: the means are over pairs of different samples. It is zero where the laws are equal and positive
    otherwise; the estimate may be negative.

    The standard error is that of Hoeffding's decomposition to second order. With $a_i$ the derivative of the estimate
    by the weight of sample $i$, the $a_i$ and $b_j$ of both samples have the variance of the first order and twice that
    of the second, $V_2$, which is known from the kernel's interactions; what is reported is
    $\max(V_a/n + V_b/m - V_2,\ V_2)$. So it is right at equal laws, where the first order vanishes. The choice of $h$
    counts as given.

    **Arguments:**

    - `x`, `y`: the samples, which may differ in number.
    - `bandwidths`: $h$, in the unit of `x`. Without them, those of [`entropax.distance.median_bandwidths`][] for both
        samples together. Numbers are comparable only for one choice: a sweep wants those of the real samples
        throughout.

    **Returns:** an [`entropax.Estimate`][] without a unit. Its `residuals` are those of `x` followed by those of `y`.

    **Raises:** `ValueError` where either holds fewer than 2 samples, they are of different shapes, not finite, or a
    bandwidth is not positive.

    ??? cite "Source"
        Gretton et al., A kernel two-sample test (2012), (3) for the estimate; Hoeffding, A class of statistics with
        asymptotically normal distribution (1948), for its variance.
    """
    rows_x, rows_y = check_pair(x, y)
    if bandwidths is None:
        chosen = median_bandwidths(np.concatenate([rows_x, rows_y]))
    else:
        chosen = np.asarray(bandwidths, np.float64)
        if chosen.ndim != 1 or not chosen.size or not np.all((chosen > 0) & np.isfinite(chosen)):
            raise ValueError(f"`bandwidths` must be a row of positive numbers; got {chosen.tolist()}.")
    return _two_sample(_GaussianBank(chosen), rows_x, rows_y)


def median_bandwidths(x: Float[ArrayLike, " batch *shape"]) -> Float64[np.ndarray, "5"]:
    r"""The bandwidths of a bank of Gaussian kernels, a quarter to four times the median distance between samples,

    $$h_i = 2^i\,\mathrm{median}\,\|X - X'\|, \qquad i = -2, \dots, 2.$$

    **Arguments:**

    - `x`: the samples. Of more than 2000, every second (third, ...) counts.

    **Returns:** $h$, in the unit of `x`.

    **Raises:** `ValueError` where `x` holds fewer than 2 samples, is not finite, or where half its pairs coincide.
    """
    rows = check_samples(x, "x")
    distance = np.median(pdist(rows[:: math.ceil(len(rows) / _MEDIAN_OVER)]))
    if distance == 0:
        raise ValueError("`x` must hold different samples; the median of their distances is 0.")
    return distance * 2.0 ** np.arange(-2, 3)


class _NegativeDistance(AbstractKernel):
    """Its discrepancy is the energy distance."""

    def __call__(self, squared: Float[Array, "..."]) -> Float[Array, "..."]:
        return -jnp.sqrt(squared)


class _GaussianBank(AbstractKernel):
    """The mean of Gaussian kernels."""

    bandwidths: Float[Array | np.ndarray, " kernels"]

    def __call__(self, squared: Float[Array, "..."]) -> Float[Array, "..."]:
        # In float32, where an exponential costs a third. Rounding is not what limits it.
        kernels = [jnp.exp((-0.5 * squared / h**2).astype(jnp.float32)) for h in self.bandwidths]
        return sum(kernels[1:], kernels[0]) / len(kernels)


def _two_sample(kernel: AbstractKernel, x: Float64[np.ndarray, "n dim"], y: Float64[np.ndarray, "m dim"]) -> Estimate:
    n, m = len(x), len(y)
    of_x, of_y, crossed = within(kernel, x), within(kernel, y), between(kernel, x, y)
    from_x = 2 * (of_x.rows - crossed.rows)
    from_y = 2 * (of_y.rows - crossed.columns)
    spread = from_x.var(ddof=1) / n + from_y.var(ddof=1) / m
    second = 2 * of_x.interaction / (n * (n - 1)) + 2 * of_y.interaction / (m * (m - 1))
    second += 4 * crossed.interaction / (n * m)
    stderr = math.sqrt(max(spread - second, second))
    return of_two_samples(of_x.mean + of_y.mean - 2 * crossed.mean, from_x, from_y, stderr)
