import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from ._base import AbstractDenoiser, signal


# Bins narrower than this many standard deviations of the noise are taken by a series: of the difference of two nearly
# equal probabilities float32 leaves little.
_NARROW = 0.25

# The least probability that float32 tells with all its digits.
_LEAST = 1e-30


class Histogram(AbstractDenoiser):
    r"""The optimal denoiser of independent coordinates whose densities are constant in each of several bins of equal
    width $\delta$, with any probabilities $P_k$ of the bins for coordinate $k$: the product of the marginals of
    dequantised data. With the data's posterior scale $s = e^{-\lambda/2}$ and $t = (x - z/\sqrt a)/s$,

    $$\hat\varepsilon(z, \lambda)_k = -\mathbb{E}[t_k \mid z_k]
      = -\frac{\sum_b P_k(b)\,\bigl(\varphi(t_b) - \varphi(t_{b+1})\bigr)}
             {\sum_b P_k(b)\,\bigl(\Phi(t_{b+1}) - \Phi(t_b)\bigr)}, \qquad a = \mathrm{sigmoid}(\lambda),$$

    where $t_b$ are the edges. Of data whose coordinates depend on each other it is the best that knows the marginals
    alone; the gap between the data's denoiser and this one is the total correlation.

    **Arguments:**

    - `low`, `high`: the first and the last edge.
    - `log_probabilities`: $\log P$, shape `(*shape, bins)`, `-inf` for an empty bin; normalised here.

    **Raises:** `ValueError` unless `low` is less than `high`.
    """

    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    log_probabilities: Float[Array, "*shape bins"]

    def __init__(self, low: float, high: float, log_probabilities: Float[ArrayLike, "*shape bins"]):
        if not low < high:
            raise ValueError(f"`low` must be less than `high`; got {low} and {high}.")
        self.low, self.high = low, high
        self.log_probabilities = jax.nn.log_softmax(jnp.asarray(log_probabilities))

    @classmethod
    def fit(
        cls, x: Float[ArrayLike, " batch *shape"], *, low: float, high: float, bins: int, strength: float = 16.0
    ) -> "Histogram":
        r"""With the frequencies of the bins in samples, coordinate by coordinate, drawn towards those of all
        coordinates together,

        $$P_k(b) = \frac{n_k(b) + c\,\bar P(b)}{N + c},$$

        so that a bin that one coordinate was never seen in is rare, and rarer where no other was.

        **Arguments:**

        - `x`: the samples.
        - `low`, `high`, `bins`: the bins; for dequantised images $-1$, 1 and the number of levels.
        - `strength`: $c$, how many samples $\bar P$ counts for.

        **Raises:** `ValueError` where a sample lies outside of all bins.
        """
        values = np.asarray(x, np.float64).reshape(len(x), -1)
        if not (values.min() >= low and values.max() <= high):
            raise ValueError(
                f"`x` must lie from `low` to `high`, {low} to {high}; it holds {values.min():g} to {values.max():g}."
            )
        index = np.minimum((values - low) / (high - low) * bins, bins - 1).astype(int)
        counts = np.stack([np.bincount(column, minlength=bins) for column in index.T])
        pooled = counts.sum(0) + 0.5
        smoothed = counts + strength * pooled / pooled.sum()
        return cls(low, high, jnp.asarray(np.log(smoothed).reshape(*np.shape(x)[1:], bins), float))

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -np.inf, np.inf

    def log_density(self, x: Float[Array, "*shape"]) -> Float[Array, ""]:
        r"""$\log p(x)$ in nats, $-\infty$ outside of all bins."""
        bins = self.log_probabilities.shape[-1]
        place = jnp.floor((x - self.low) / (self.high - self.low) * bins).astype(int)
        # The last edge belongs to the last bin.
        place = jnp.where(x == self.high, bins - 1, place)
        found = jnp.take_along_axis(self.log_probabilities, jnp.clip(place, 0, bins - 1)[..., None], -1)[..., 0]
        inside = (place >= 0) & (place < bins)
        return jnp.sum(jnp.where(inside, found, -jnp.inf)) - x.size * np.log((self.high - self.low) / bins)

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        del y
        bins = self.log_probabilities.shape[-1]
        # Not `noise / signal`, which two roundings would make less exact.
        scale = jnp.exp(-0.5 * log_snr)
        edges = jnp.asarray(np.linspace(self.low, self.high, bins + 1), z.dtype)
        t = (edges - z[..., None] / signal(log_snr)) / scale
        width = jnp.asarray((self.high - self.low) / bins, z.dtype) / scale
        narrow = width < _NARROW
        log_mass, mean = jax.tree.map(
            lambda series, exact: jnp.where(narrow, series, exact), _narrow(t, width), _wide(t, width)
        )
        return -jnp.sum(jax.nn.softmax(self.log_probabilities + log_mass) * mean, -1)


def _narrow(t, width):
    r"""Of each bin, $\log \int\varphi\,\mathrm{d}t$ but for a constant, and the mean of $t$ in it, to fourth order."""
    middle = 0.5 * (t[..., 1:] + t[..., :-1])
    square = middle**2
    step = width**2 / 24
    mass = 1 + step * (square - 1)
    return -0.5 * square + jnp.log(jnp.maximum(mass, 0.5)), middle * (1 - 2 * step / jnp.maximum(mass, 0.5))


def _wide(t, width):
    """The same, by the normal distribution's tails, each from its own side."""
    first, last = t[..., :-1], t[..., 1:]
    tails = jax.scipy.special.ndtr(-jnp.abs(t))
    around = (first < 0) & (last > 0)
    mass = jnp.where(around, 1 - tails[..., 1:] - tails[..., :-1], jnp.abs(jnp.diff(tails)))
    nearest = jnp.minimum(jnp.abs(first), jnp.abs(last))
    far = mass < _LEAST
    # So far off, all of a bin's mass is at its nearer edge.
    beyond = jnp.maximum(nearest, 1.0)
    log_mass = jnp.where(far, -0.5 * beyond**2 - jnp.log(beyond), jnp.log(jnp.maximum(mass, _LEAST)) + _HALF_LOG_2PI)
    density = jnp.exp(-0.5 * t**2 - _HALF_LOG_2PI)
    mean = (density[..., :-1] - density[..., 1:]) / jnp.maximum(mass, _LEAST)
    return log_mass, jnp.where(far, jnp.sign(first + last) * (beyond + 1 / beyond), mean)


_HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))
