import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float64
from scipy.spatial.distance import pdist

from .._arrays import as_float64
from ..integral import Estimate
from ._checks import check_pair, check_samples, in_units, Pair, unit_of
from ._contributions import of_two_samples
from ._pairs import AbstractKernel, between, within


# The median distance is that of at most so many samples, two million pairs.
_MEDIAN_OVER = 2000

# The least variance in units of its second order. At equal distributions one direction of the kernel often has nearly
# all: then 2 χ² - 1 of one degree of freedom estimates the variance, whose root, with a half for the least value, has a
# mean of 1.09 where 1 is right.
_LEAST = 0.5


def energy_distance(x: Float[ArrayLike, " batch *shape"], y: Float[ArrayLike, " other *_shape"]) -> Estimate:
    r"""The energy distance between the distributions of two samples,

    $$D = 2\,\mathbb{E}\|X - Y\| - \mathbb{E}\|X - X'\| - \mathbb{E}\|Y - Y'\|,$$

    without bias: the means are over pairs of different samples. It is zero if the distributions are equal and positive
    otherwise; the estimate may be negative. There is no bandwidth to choose. (SciPy's `energy_distance`, for one
    dimension, is the square root of $D$.)

    The standard error has both parts of Hoeffding's decomposition, as for [`entropax.distance.mmd`][].

    **Arguments:**

    - `x`, `y`: the samples, which may differ in number.

    **Returns:** an [`entropax.Estimate`][] without a unit (the value has that of `x`). Its `residuals` are those of `x`
    followed by those of `y`.

    **Raises:** `ValueError` if either holds fewer than 2 samples, they are of different shapes, not finite real
    numbers, or neither varies.

    ??? cite "Source"
        Székely & Rizzo, Energy statistics: a class of statistics based on distances (2013).
    """
    pair = _varying(x, y)
    return of_two_samples(*_two_sample(_NegativeDistance(), pair), pair.scale)


def mmd(
    x: Float[ArrayLike, " batch *shape"],
    y: Float[ArrayLike, " other *_shape"],
    *,
    bandwidths: Float[ArrayLike, " kernels"] | None = None,
) -> Estimate:
    r"""The squared maximum mean discrepancy between the distributions of two samples,

    $$\mathrm{MMD}^2 = \mathbb{E}\,k(X, X') + \mathbb{E}\,k(Y, Y') - 2\,\mathbb{E}\,k(X, Y), \qquad
      k(x, y) = \frac1K \sum_{i=1}^K \exp\Bigl(-\frac{\|x - y\|^2}{2 h_i^2}\Bigr),$$

    without bias: the means are over pairs of different samples. It is zero if the distributions are equal and positive
    otherwise; the estimate may be negative.

    The standard error is that of Hoeffding's decomposition to second order. With $a_i$ the derivative of the estimate
    by the weight of sample $i$, $V_a/n + V_b/m$ has the variance of the first order and twice that of the second,

    $$V_2 = \frac{2\zeta_x}{n(n-1)} + \frac{2\zeta_y}{m(m-1)} + \frac{4\zeta_{xy}}{nm},$$

    of which $\zeta$, the mean square of the kernel's interactions, is estimated without bias. What is reported is the
    root of $\max(V_a/n + V_b/m - V_2,\ V_2/2)$. Its mean is the standard deviation within about a tenth for equal
    distributions, where the first order vanishes and $V_a$ is often as uncertain as the square of one normal variable,
    and for distant ones; between them, where both orders are alike, it is up to a seventh too small. The bandwidths
    count as given.

    **Arguments:**

    - `x`, `y`: the samples, which may differ in number.
    - `bandwidths`: $h$, in the unit of `x`. Without them, those of [`entropax.distance.median_bandwidths`][] for both
        samples together. Numbers are comparable only for one choice: a sweep wants those of the real samples
        throughout.

    **Returns:** an [`entropax.Estimate`][] without a unit. Its `residuals` are those of `x` followed by those of `y`.

    **Raises:** `ValueError` if either holds fewer than 2 samples, they are of different shapes, not finite real
    numbers, neither varies, a bandwidth is not positive, or all kernels are constant at the distances between samples.

    ??? cite "Source"
        Gretton et al., A kernel two-sample test (2012), (3) for the estimate; Hoeffding, A class of statistics with
        asymptotically normal distribution (1948), for its variance.
    """
    pair = _varying(x, y)
    if bandwidths is None:
        chosen = pair.scale * _median_bank(np.concatenate([pair.x, pair.y]), "`x` and `y`")
    else:
        chosen = as_float64(bandwidths, "bandwidths")
        if chosen.ndim != 1 or not chosen.size or not np.all((chosen > 0) & np.isfinite(chosen)):
            raise ValueError(f"`bandwidths` must be a row of positive numbers; got {chosen.tolist()}.")
    found = _two_sample(_GaussianBank(chosen / pair.scale), pair)
    if found.stderr == 0:
        raise ValueError(
            f"`bandwidths`, {chosen.tolist()}, must be of the order of the distances between samples, "
            f"{pair.scale:.3g}: at these no kernel differs from one pair of samples to the next."
        )
    return of_two_samples(*found)


def median_bandwidths(x: Float[ArrayLike, " batch *shape"]) -> Float64[np.ndarray, "5"]:
    r"""The bandwidths of a bank of Gaussian kernels, a quarter to four times the median distance between samples,

    $$h_i = 2^i\,\mathrm{median}\,\|X - X'\|, \qquad i = -2, \dots, 2.$$

    **Arguments:**

    - `x`: the samples. Of more than 2000, every second (third, ...) counts.

    **Returns:** $h$, in the unit of `x`.

    **Raises:** `ValueError` where `x` holds fewer than 2 samples, is not finite, or where half its pairs coincide.
    """
    rows = check_samples(x, "x")
    scale = unit_of(rows)
    return in_units(_median_bank(rows / scale, "`x`"), scale, 1, "The median distance of `x`")


def _median_bank(rows: Float64[np.ndarray, "n dim"], called: str) -> Float64[np.ndarray, "5"]:
    distance = np.median(pdist(rows[:: math.ceil(len(rows) / _MEDIAN_OVER)]))
    if distance == 0:
        raise ValueError(f"{called} must hold different samples; the median of their distances is 0.")
    return distance * 2.0 ** np.arange(-2, 3)


class _NegativeDistance(AbstractKernel):
    """Its discrepancy is the energy distance."""

    def __call__(self, squared: Float[Array, "..."]) -> Float[Array, "..."]:
        return -jnp.sqrt(squared)


class _GaussianBank(AbstractKernel):
    """The mean of Gaussian kernels."""

    bandwidths: Float[Array | np.ndarray, " kernels"]

    def __call__(self, squared: Float[Array, "..."]) -> Float[Array, "..."]:
        # In float32, where an exponential costs a third. A constant does not matter: without the one, kernels that are
        # wider than all distances keep their digits.
        kernels = [jnp.expm1((-0.5 * squared / h / h).astype(jnp.float32)) for h in self.bandwidths]
        return sum(kernels[1:], kernels[0]) / len(kernels)


class _Discrepancy(NamedTuple):
    """Its value, what the samples of either set contribute to its error, and its standard error."""

    value: float
    from_x: Float64[np.ndarray, " n"]
    from_y: Float64[np.ndarray, " m"]
    stderr: float


def _varying(x, y) -> Pair:
    pair = check_pair(x, y)
    if not np.ptp(pair.x, axis=0).any() and not np.ptp(pair.y, axis=0).any():
        raise ValueError("`x` and `y` must vary; the samples of each are all the same, so that there is no error bar.")
    return pair


def _two_sample(kernel: AbstractKernel, pair: Pair) -> _Discrepancy:
    n, m = len(pair.x), len(pair.y)
    of_x, of_y, crossed = within(kernel, pair.x), within(kernel, pair.y), between(kernel, pair.x, pair.y)
    from_x = 2 * (of_x.rows - crossed.rows)
    from_y = 2 * (of_y.rows - crossed.columns)
    spread = from_x.var(ddof=1) / n + from_y.var(ddof=1) / m
    # Two or three samples do not tell interactions from the rest.
    inner = [own.interaction if size > 3 else crossed.interaction for own, size in ((of_x, n), (of_y, m))]
    second = 2 * inner[0] / (n * (n - 1)) + 2 * inner[1] / (m * (m - 1)) + 4 * crossed.interaction / (n * m)
    stderr = math.sqrt(max(spread - second, _LEAST * second))
    return _Discrepancy(of_x.mean + of_y.mean - 2 * crossed.mean, from_x, from_y, stderr)
