import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from .._arguments import check_finite, check_instance, check_less, check_not_negative, check_whole
from .._arrays import as_float64, as_known
from ._base import AbstractDenoiser, as_log_probabilities, check_state, noise, signal


# How far from a level, in units of the spacing, a sample may lie: float32 needs some.
_TOLERANCE = 1e-3


class Grid(eqx.Module):
    r"""Equally spaced values, the same for every coordinate of the data: $b_j = \mathrm{low} + j\,\delta$.

    **Arguments:**

    - `low`, `high`: the least and the greatest value.
    - `levels`: how many values there are, at least 2; 8-bit images in $[-1, 1]$ have 256.

    **Raises:** `ValueError` unless `low` is less than `high` and there are two levels or more.
    """

    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    levels: int = eqx.field(static=True)

    def __check_init__(self):
        check_finite(low=self.low, high=self.high)
        check_less(low=self.low, high=self.high)
        check_whole("levels", self.levels, least=2)

    @property
    def spacing(self) -> float:
        r"""$\delta$."""
        return (self.high - self.low) / (self.levels - 1)

    @property
    def values(self) -> Float[np.ndarray, " levels"]:
        """All levels, in float64."""
        return np.linspace(self.low, self.high, self.levels)

    def index(self, x: Float[Array, "*shape"]) -> Int[Array, "*shape"]:
        """Which level is nearest."""
        # Rounded, not cut: in float32 (high - low)/δ falls just below an integer as often as not.
        return jnp.clip(jnp.round((x - self.low) / self.spacing), 0, self.levels - 1).astype(int)

    def nearest(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The nearest level itself."""
        return jnp.asarray(self.values, x.dtype)[self.index(x)]

    def check(self, x: Float[ArrayLike, "*shape"]) -> None:
        r"""Makes sure that samples lie on the grid, to a thousandth of the spacing; tracers pass.

        **Raises:** `ValueError` that names the entry farthest from it.
        """
        if isinstance(x, Tracer):
            return
        x = as_float64(x, "x")
        places = np.clip(np.round((x - self.low) / self.spacing), 0, self.levels - 1)
        off = np.abs(x - (self.low + places * self.spacing)) / self.spacing
        off = np.where(np.isnan(off), np.inf, off)
        if off.size and off.max() > _TOLERANCE:
            worst = tuple(int(k) for k in np.unravel_index(off.argmax(), off.shape))
            raise ValueError(
                f"`x` must lie on the grid of {self.levels} levels from {self.low:g} to {self.high:g}, with spacing "
                f"{self.spacing:.6g}; x{list(worst)} = {x[worst]:.6g} is {off.max():.3g} spacings from the nearest one."
            )


class HardRounding(AbstractDenoiser):
    r"""A denoiser for data on a grid: the denoised mean of another one, rounded to the nearest level,

    $$\hat x = \mathrm{round}\Bigl(\frac{z - \sqrt{1-a}\,\hat\varepsilon}{\sqrt a}\Bigr), \qquad
      \hat\varepsilon_\mathrm{hard} = \frac{z - \sqrt a\,\hat x}{\sqrt{1-a}}, \qquad a = \mathrm{sigmoid}(\lambda).$$

    It errs less than its model only where the noise is below the spacing: choose between the two by
    [`entropax.Ensemble`][].

    **Arguments:**

    - `denoiser`: the model.
    - `grid`: the values that the data take.

    ??? cite "Source"
        Kong et al., Information-theoretic diffusion (2023), and its code.
    """

    denoiser: AbstractDenoiser
    grid: Grid

    def __check_init__(self):
        check_instance("grid", self.grid, Grid)

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        x = self.grid.nearest(_denoised(self.denoiser, z, log_snr, y))
        return (z - signal(log_snr) * x) / noise(log_snr)


class SoftRounding(AbstractDenoiser):
    r"""A denoiser for data on a grid: the law $\mathcal{N}\bigl(\hat x, \tfrac1{1+\gamma}I\bigr)$ around the denoised
    mean of another one, $\gamma = e^\lambda$, restricted to the levels,

    $$\hat x_\mathrm{soft} = \sum_b b\;\mathrm{softmax}_b\bigl(-\tfrac12(1 + \gamma)(\hat x - b)^2\bigr).$$

    That law is the posterior under the prior $\mathcal{N}(0, I)$: with [`entropax.Equilibrium`][] as model this is
    exact for independent coordinates with $P(b) \propto e^{-b^2/2}$, with another it is a rule of thumb. At low
    $\gamma$ it draws every mean to the middle of the grid: choose by [`entropax.Ensemble`][] where it helps.

    **Arguments:** as [`entropax.HardRounding`][].

    ??? cite "Source"
        The code of Kong et al., Information-theoretic diffusion (2023), `soft_round`.
    """

    denoiser: AbstractDenoiser
    grid: Grid

    def __check_init__(self):
        check_instance("grid", self.grid, Grid)

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        x = _denoised(self.denoiser, z, log_snr, y)
        # 1 + γ = 1/sigmoid(-λ).
        distances = (x[..., None] - _levels(self.grid, x)) / noise(log_snr)
        return jnp.sum(jax.nn.softmax(-0.5 * distances**2) * _residuals(self.grid, z, log_snr), -1)


class GridPosterior(AbstractDenoiser):
    r"""The optimal denoiser of independent coordinates on a grid, with any probabilities $P_k$ of the levels for
    coordinate $k$,

    $$\hat\varepsilon(z, \lambda)_k = \frac{z_k - \sqrt a\,\hat x_k}{\sqrt{1-a}}, \qquad
      \hat x_k = \sum_b b\;\mathrm{softmax}_b\Bigl(\log P_k(b) - \frac{\gamma}{2}\bigl(z_k/\sqrt a - b\bigr)^2\Bigr),
      \quad \gamma = e^\lambda,\ a = \mathrm{sigmoid}(\lambda).$$

    Of data whose coordinates depend on each other it is the best that knows the marginals alone: its
    [`entropax.discrete_nll`][] is the sum of the marginals' code lengths.

    **Arguments:**

    - `grid`: the levels.
    - `log_probabilities`: $\log P$, shape `(*shape, levels)`, `-inf` where a level does not occur; normalised here.
    """

    grid: Grid
    log_probabilities: Float[Array, "*shape levels"]

    def __init__(self, grid: Grid, log_probabilities: Float[ArrayLike, "*shape levels"]):
        check_instance("grid", grid, Grid)
        log_probabilities = as_log_probabilities(log_probabilities)
        if log_probabilities.shape[-1:] != (grid.levels,):
            raise ValueError(
                f"`log_probabilities` must have {grid.levels} levels along its last axis; got shape "
                f"{log_probabilities.shape}."
            )
        self.grid = grid
        self.log_probabilities = log_probabilities

    @classmethod
    def fit(cls, x: Float[ArrayLike, " batch *shape"], grid: Grid, pseudocount: float = 0.5) -> "GridPosterior":
        """With the frequencies of the levels in samples `x`, coordinate by coordinate.

        **Arguments:**

        - `x`: samples on the grid.
        - `grid`: the levels.
        - `pseudocount`: what is added to every count, so that a level unseen is rare, not impossible.

        **Raises:** `ValueError` where `x` does not lie on the grid, or `pseudocount` is negative.
        """
        check_instance("grid", grid, Grid)
        check_not_negative(pseudocount=pseudocount)
        samples = as_known(x, "x")
        grid.check(samples)
        index = np.asarray(grid.index(jnp.asarray(samples, float)))
        flat = index.reshape(len(index), -1)
        counts = np.stack([np.bincount(column, minlength=grid.levels) for column in flat.T])
        with np.errstate(divide="ignore"):
            logs = np.log(counts + pseudocount)
        return cls(grid, jnp.asarray(logs.reshape(*index.shape[1:], grid.levels), float))

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -np.inf, np.inf

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        del y
        check_state(z, self.log_probabilities.shape[:-1])
        residuals = _residuals(self.grid, z, log_snr)
        return jnp.sum(jax.nn.softmax(self.log_probabilities - 0.5 * residuals**2) * residuals, -1)

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        index = self.grid.index(x)
        off = jnp.abs(x - self.grid.low - index.astype(x.dtype) * self.grid.spacing) > _TOLERANCE * self.grid.spacing
        found = jnp.take_along_axis(self.log_probabilities, index[..., None], -1)[..., 0]
        return jnp.where(jnp.any(off | (found == -jnp.inf)), jnp.inf, jnp.zeros((), x.dtype))


def _residuals(grid, z, log_snr):
    """The noise that a state would hold if its data were at each of the levels, along a new last axis."""
    return (z[..., None] - signal(log_snr) * _levels(grid, z)) / noise(log_snr)


def _levels(grid, z):
    """The levels along an axis after those of a state."""
    return jnp.asarray(grid.values, z.dtype).reshape((1,) * z.ndim + (-1,))


def _denoised(denoiser, z, log_snr, y):
    return (z - noise(log_snr) * denoiser(z, log_snr, y)) / signal(log_snr)
