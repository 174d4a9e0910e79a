import itertools
import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._arguments import check_not_negative
from .._arrays import as_float64, as_known
from ._base import AbstractDenoiser, as_log_probabilities, check_state, signal


# Bins in which the exponent of the density changes by less than this are taken by a series: of the difference of two
# nearly equal probabilities float32 leaves little.
_NARROW = 0.25


class Histogram(AbstractDenoiser):
    r"""The optimal denoiser of independent coordinates whose densities are constant in each of several bins, with any
    probabilities $P_k$ of the bins for coordinate $k$: with a bin for each level the product of the marginals of
    dequantised data. With the data's posterior scale $s = e^{-\lambda/2}$ and $t = (x - z/\sqrt a)/s$,

    $$\hat\varepsilon(z, \lambda)_k = -\mathbb{E}[t_k \mid z_k]
      = -\frac{\sum_b \delta_b^{-1} P_k(b)\,\bigl(\varphi(t_b) - \varphi(t_{b+1})\bigr)}
             {\sum_b \delta_b^{-1} P_k(b)\,\bigl(\Phi(t_{b+1}) - \Phi(t_b)\bigr)}, \qquad
      a = \mathrm{sigmoid}(\lambda),$$

    where $t_b$ are the edges and $\delta_b$ the widths of the bins. Of data whose coordinates depend on each other it
    is the best that knows the marginals alone; the gap between the data's denoiser and this one is the total
    correlation.

    **Arguments:**

    - `edges`: of the bins, one more than there are bins, increasing; see [`numpy.linspace`][] for bins of equal width.
    - `log_probabilities`: $\log P$, shape `(*shape, bins)`, `-inf` for an empty bin; normalised here.

    **Raises:** `ValueError` unless edges are finite, increase, and enclose as many bins as there are probabilities, and
    each coordinate has a bin that is not empty.
    """

    edges: tuple[float, ...] = eqx.field(static=True)
    log_probabilities: Float[Array, "*shape bins"]

    def __init__(
        self, edges: Sequence[float] | Float[np.ndarray, " edges"], log_probabilities: Float[ArrayLike, "..."]
    ):
        self.edges = _checked(edges)
        self.log_probabilities = as_log_probabilities(log_probabilities)
        bins = self.log_probabilities.shape[-1]
        if len(self.edges) != bins + 1:
            raise ValueError(f"`edges` must be {bins + 1}, around the {bins} bins; got {len(self.edges)}.")

    @classmethod
    def fit(
        cls,
        x: Float[ArrayLike, " batch *shape"],
        edges: Sequence[float] | Float[np.ndarray, " edges"],
        *,
        strength: float = 16.0,
    ) -> "Histogram":
        r"""With the frequencies of the bins in samples, coordinate by coordinate, drawn towards those of all
        coordinates together,

        $$P_k(b) = \frac{n_k(b) + c\,\bar P(b)}{N + c},$$

        so that a bin that one coordinate was never seen in is rare, and rarer where no other was.

        **Arguments:**

        - `x`: the samples.
        - `edges`: of the bins; for dequantised images `numpy.linspace(-1, 1, levels + 1)`.
        - `strength`: $c$, how many samples $\bar P$ counts for.

        **Raises:** `ValueError` where edges do not increase, there are no samples, one is not finite or lies outside
        of all bins, or `strength` is negative or not finite.
        """
        check_not_negative(strength=strength)
        samples = as_known(x, "x")
        if samples.ndim < 1 or not samples.size:
            raise ValueError(f"`x` must hold at least one sample along its first axis; got shape {samples.shape}.")
        values, edges = samples.reshape(len(samples), -1), _checked(edges)
        if not (values.min() >= edges[0] and values.max() <= edges[-1]):
            raise ValueError(
                f"`x` must lie within `edges`, {edges[0]} to {edges[-1]}; it holds {values.min():g} to "
                f"{values.max():g}."
            )
        counts = np.stack([np.histogram(column, edges)[0] for column in values.T])
        pooled = counts.sum(0) + 0.5
        with np.errstate(divide="ignore"):
            logs = np.log(counts + strength * pooled / pooled.sum())
        return cls(edges, jnp.asarray(logs.reshape(*samples.shape[1:], -1), float))

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -np.inf, np.inf

    def log_density(self, x: Float[Array, "*shape"]) -> Float[Array, ""]:
        r"""$\log p(x)$ in nats, $-\infty$ outside of all bins."""
        edges = jnp.asarray(self.edges, x.dtype)
        bins = len(self.edges) - 1
        # The last edge belongs to the last bin.
        place = jnp.where(x == edges[-1], bins - 1, jnp.searchsorted(edges, x, side="right") - 1)
        heights = self.log_probabilities - np.log(np.diff(self.edges))
        found = jnp.take_along_axis(heights, jnp.clip(place, 0, bins - 1)[..., None], -1)[..., 0]
        inside = (place >= 0) & (place < bins)
        return jnp.sum(jnp.where(inside, found, -jnp.inf))

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        # An edge belongs to the bins on both of its sides, and so does what rounding may have moved off it.
        edges = jnp.asarray(self.edges, x.dtype)
        rounding = 4 * jnp.finfo(x.dtype).eps * jnp.max(jnp.abs(edges))
        left, right = jnp.searchsorted(edges, x - rounding, side="left"), jnp.searchsorted(edges, x + rounding, "right")
        bins = len(self.edges) - 1
        occurs = jnp.zeros(x.shape, bool)
        for place in (left - 1, right - 1):
            found = jnp.take_along_axis(self.log_probabilities, jnp.clip(place, 0, bins - 1)[..., None], -1)[..., 0]
            occurs = occurs | ((place >= 0) & (place < bins) & (found > -jnp.inf))
        return jnp.where(jnp.all(occurs), jnp.asarray(x.size, x.dtype), jnp.inf)

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        del y
        check_state(z, self.log_probabilities.shape[:-1])
        # Not `noise / signal`, which two roundings would make less exact.
        scale = jnp.exp(-0.5 * log_snr)
        centre = z / signal(log_snr)
        edges, widths = (jnp.asarray(part(self.edges), z.dtype) for part in (np.asarray, np.diff))
        distance, mass, moment = _of_bins((edges - centre[..., None]) / scale, widths / scale)
        # Relative to the nearest bin that holds probability, as a product: the difference of two large squares would
        # be rounding. What they are relative to cancels in the quotient.
        occupied = self.log_probabilities > -jnp.inf
        place = jnp.argmin(jnp.where(occupied, distance, jnp.inf), -1, keepdims=True)
        # By its place, so that its derivative cancels too.
        nearest = jnp.take_along_axis(distance, place, -1)
        logits = self.log_probabilities - jnp.log(widths) - 0.5 * (distance - nearest) * (distance + nearest)
        weights = jnp.exp(logits - jax.lax.stop_gradient(jnp.max(logits, -1, keepdims=True)))
        # On a CPU many times as fast as the sum of a product.
        mass, moment = (
            jnp.einsum("...b,...b->...", weights, of_bins, precision="highest") for of_bins in (mass, moment)
        )
        return -moment / mass


def _checked(edges) -> tuple[float, ...]:
    array = as_float64(edges, "edges")
    if array.ndim != 1:
        raise ValueError(f"`edges` must be numbers along one axis; got shape {array.shape}.")
    edges = tuple(array.tolist())
    if len(edges) < 2 or not all(low < high for low, high in itertools.pairwise(edges)):
        raise ValueError(f"`edges` must increase, two of them or more; got {_few(edges)}.")
    if math.isinf(edges[0]) or math.isinf(edges[-1]):
        raise ValueError(f"`edges` must be finite; got {_few(edges)}.")
    return edges


def _few(edges) -> str:
    return ", ".join(f"{edge:g}" for edge in edges[:6]) + (", ..." if len(edges) > 6 else "")


def _of_bins(edges, width):
    r"""The distance $l$ of each bin from zero, and $\int e^{(l^2-t^2)/2}\,\mathrm{d}t$ and $\int t\,e^{(l^2-t^2)/2}\,
    \mathrm{d}t$ over it: in units of the density at the point of the bin where it is largest, so that nothing
    underflows however far away a bin is."""
    left, right = edges[..., :-1], edges[..., 1:]
    around, middle = (left < 0) & (right > 0), 0.5 * (left + right)
    distance = jnp.where(around, 0.0, jnp.minimum(jnp.abs(left), jnp.abs(right)))

    # A tail of the normal distribution is its density there times Mills' ratio.
    ratio, density = _mills_ratio(jnp.abs(edges)), jnp.exp(-0.5 * edges**2)
    (ratio_left, ratio_right), (left_density, right_density) = ((e[..., :-1], e[..., 1:]) for e in (ratio, density))
    # The geometric mean of the densities at both edges; its square is that at the farther edge of a bin on one side.
    mean = jnp.exp(-jnp.where(around, 0.5 * middle**2 + width**2 / 8, 0.5 * width * jnp.abs(middle)))
    is_right = middle > 0
    near, far = jnp.where(is_right, ratio_left, ratio_right), jnp.where(is_right, ratio_right, ratio_left)
    wide = jnp.where(around, _ROOT_2_PI - left_density * ratio_left - right_density * ratio_right, near - mean**2 * far)
    first = jnp.where(around, left_density - right_density, jnp.where(is_right, 1 - mean**2, mean**2 - 1))

    # By a series to fourth order about the middle.
    narrow = width * jnp.maximum(jnp.abs(middle), 1.0) < _NARROW
    step, slope = (jnp.where(narrow, of_bin, 0.0) for of_bin in (width, width * middle))
    series = mean * step * (1 + step**2 / 12 + slope**2 / 24)
    first_series = mean * slope * (1 + slope**2 / 24)
    return distance, jnp.where(narrow, series, wide), jnp.where(narrow, first_series, first)


def _mills_ratio(t):
    r"""$\int_t^\infty e^{(t^2-u^2)/2}\,\mathrm{d}u$ for $t \ge 0$, to a relative error of 1.2e-7: the Chebyshev
    approximation of the scaled complementary error function in Press et al., Numerical Recipes (1992), Sec. 6.2."""
    reciprocal = 1 / (1 + t / (2 * _SQRT_2))
    polynomial = jnp.polyval(jnp.asarray(_CHEBYSHEV, t.dtype), reciprocal)
    return 0.5 * _ROOT_2_PI * reciprocal * jnp.exp(polynomial)


_CHEBYSHEV = (
    0.17087277,
    -0.82215223,
    1.48851587,
    -1.13520398,
    0.27886807,
    -0.18628806,
    0.09678418,
    0.37409196,
    1.00002368,
    -1.26551223,
)
_SQRT_2, _ROOT_2_PI = math.sqrt(2), math.sqrt(2 * math.pi)
