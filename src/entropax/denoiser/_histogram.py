import itertools
import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from ._base import AbstractDenoiser, check_state, signal


# Bins narrower than this many standard deviations of the noise are taken by a series: of the difference of two nearly
# equal probabilities float32 leaves little.
_NARROW = 0.25

# The least probability that float32 tells with all its digits.
_LEAST = 1e-30


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

    **Raises:** `ValueError` unless edges increase and enclose as many bins as there are probabilities.
    """

    edges: tuple[float, ...] = eqx.field(static=True)
    log_probabilities: Float[Array, "*shape bins"]

    def __init__(
        self, edges: Sequence[float] | Float[np.ndarray, " edges"], log_probabilities: Float[ArrayLike, "..."]
    ):
        self.edges = _checked(edges)
        self.log_probabilities = jax.nn.log_softmax(jnp.asarray(log_probabilities))
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

        **Raises:** `ValueError` where edges do not increase, or a sample lies outside of all bins.
        """
        samples = np.asarray(x, np.float64)
        values, edges = samples.reshape(len(samples), -1), _checked(edges)
        if not (values.min() >= edges[0] and values.max() <= edges[-1]):
            raise ValueError(
                f"`x` must lie within `edges`, {edges[0]} to {edges[-1]}; it holds {values.min():g} to "
                f"{values.max():g}."
            )
        counts = np.stack([np.histogram(column, edges)[0] for column in values.T])
        pooled = counts.sum(0) + 0.5
        smoothed = counts + strength * pooled / pooled.sum()
        return cls(edges, jnp.asarray(np.log(smoothed).reshape(*samples.shape[1:], -1), float))

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

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        del y
        check_state(z, self.log_probabilities.shape[:-1])
        # Not `noise / signal`, which two roundings would make less exact.
        scale = jnp.exp(-0.5 * log_snr)
        centre = z / signal(log_snr)
        edges, widths = (jnp.asarray(part(self.edges), z.dtype) for part in (np.asarray, np.diff))
        mass, moment = _of_bins((edges - centre[..., None]) / scale, widths / scale)
        # Densities in units of that of the widest bin: what is left of P/δ where all are of one width is P.
        heights = jnp.exp(self.log_probabilities) * (jnp.max(widths) / widths)
        # On a CPU many times as fast as the sum of a product.
        mass, moment = (
            jnp.einsum("...b,...b->...", heights, of_bins, precision="highest") for of_bins in (mass, moment)
        )
        # Farther from all bins than float32 has digits for, all of the mass is at the nearest edge.
        edge = (jnp.clip(centre, self.edges[0], self.edges[-1]) - centre) / scale
        return -jnp.where(mass < _LEAST, edge, moment / jnp.maximum(mass, _LEAST))


def _checked(edges) -> tuple[float, ...]:
    edges = tuple(float(edge) for edge in edges)
    if len(edges) < 2 or not all(low < high for low, high in itertools.pairwise(edges)):
        raise ValueError(f"`edges` must increase, two of them or more; got {_few(edges)}.")
    return edges


def _few(edges) -> str:
    return ", ".join(f"{edge:g}" for edge in edges[:6]) + (", ..." if len(edges) > 6 else "")


def _of_bins(edges, width):
    r"""$\int\varphi\,\mathrm{d}t$ and $\int t\varphi\,\mathrm{d}t$ over the bins between edges, of these widths."""
    # The root of the density, and the normal distribution's tail on the side of each edge: once for both of its bins.
    root, tail = jnp.exp(-0.25 * edges**2), 0.5 * jax.lax.erfc(jnp.abs(edges) / _SQRT_2)
    left, right = edges[..., :-1], edges[..., 1:]
    around = (left < 0) & (right > 0)
    wide = jnp.where(around, 1 - tail[..., :-1] - tail[..., 1:], jnp.abs(tail[..., :-1] - tail[..., 1:]))
    first = (root[..., :-1] ** 2 - root[..., 1:] ** 2) / _ROOT_2_PI
    # By a series to fourth order about the middle.
    middle, step = 0.5 * (left + right), jnp.minimum(width, _NARROW) ** 2 / 24
    density = root[..., :-1] * root[..., 1:] * jnp.exp(3 * step) / _ROOT_2_PI
    series = density * width * (1 + step * (middle**2 - 1))
    narrow = width < _NARROW
    return (
        jnp.where(narrow, series, wide),
        jnp.where(narrow, middle * (series - 2 * step * width * density), first),
    )


_SQRT_2, _ROOT_2_PI = math.sqrt(2), math.sqrt(2 * math.pi)
