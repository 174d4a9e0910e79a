"""Units of data: a denoiser of samples is also a denoiser of the same samples in other units."""

import functools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._arguments import check_positive
from .._arrays import as_floats, as_known, rounded
from .._untrained import Untrained
from ._base import AbstractDenoiser, noise, signal


class Moments(eqx.Module):
    r"""Mean and standard deviation of the samples that a model was trained on, coordinate by coordinate, in the units
    of the samples.

    They define the model's own units, $u = (x - m)/c$, where $c$ is the power of two next to the largest of the
    standard deviations: a division by it rounds nothing, and it is 1 for standardised samples.

    **Arguments:**

    - `mean`: $m$.
    - `std`: the standard deviations.
    - `scale`: $c$.

    **Raises:** `ValueError` where they are not finite, a standard deviation is negative, or $c$ is not positive.
    """

    mean: Float[Array, "*shape"]
    std: Float[Array, "*shape"]
    scale: float = eqx.field(static=True)

    def __init__(self, mean: Float[ArrayLike, "*shape"], std: Float[ArrayLike, "*shape"], scale: float):
        check_positive(scale=scale)
        self.mean, self.std = as_moments(mean=mean, std=std)
        self.scale = scale

    @property
    def shift(self) -> float:
        r"""$2\log c$: by how much the $\lambda$ of $u$ is larger than that of $x$ in the same noise."""
        return 2 * math.log(self.scale)

    @classmethod
    def fit(cls, x: Float[ArrayLike, " batch *shape"]) -> "Moments":
        """The moments of the samples `x`, computed in float64.

        **Raises:** `ValueError` where the samples are not finite, do not differ, or have moments beyond the range of
            JAX's precision.
        """
        x = as_known(x, "x")
        # Numbers of that range have squares in float64.
        rounded(x, "x")
        # In two steps: the mean of large numbers is rounded, and what it is off would add to the variance.
        mean = x.mean(0)
        mean = mean + (x - mean).mean(0)
        std = np.sqrt(np.mean((x - mean) ** 2, 0))
        dtype = jax.dtypes.canonicalize_dtype(np.float64)
        if x.ndim < 1 or not std.size or not std.max() >= np.finfo(dtype).tiny:
            found = f"their greatest standard deviation is {std.max():.3g}" if std.size else f"got shape {x.shape}"
            raise ValueError(f"`x` must hold samples that differ in {dtype}; {found}.")
        return cls(jnp.asarray(mean, dtype), jnp.asarray(std, dtype), 2.0 ** round(math.log2(std.max())))

    def standardise(self, x: Float[ArrayLike, " batch *shape"]) -> Float[Array, " batch *shape"]:
        r"""The samples `x` in these units, $u = (x - m)/c$, computed in float64 if they are a NumPy array: of samples
        far from zero float32 would keep few digits."""
        if isinstance(x, jax.Array):
            return (x - self.mean[None]) / self.scale
        mean = np.asarray(self.mean, np.float64)
        return jnp.asarray((np.asarray(x, np.float64) - mean) / self.scale, self.mean.dtype)


def as_moments(**values: ArrayLike) -> tuple[Array, ...]:
    """A mean and a spread, given by their names in this order, as JAX arrays.

    **Raises:** `ValueError` that names the one that is not finite, or a spread that is negative.
    """
    mean, spread = (as_floats(value, name) for name, value in values.items())
    if not isinstance(spread, Tracer) and (np.asarray(spread) < 0).any():
        name = list(values)[1]
        raise ValueError(f"`{name}` must not be negative; its least entry is {np.asarray(spread).min():.3g}.")
    return mean, spread


def in_units(z: Array, log_snr: Array, origin: Array, scale: float) -> tuple[Array, Array]:
    r"""The diffused state of $x$ as the diffused state of $u = (x - o)/c$, and its log-SNR,

    $$\lambda_u = \lambda + 2\log c, \qquad
      z_u = \sqrt{\frac{\mathrm{sigmoid}(-\lambda_u)}{\mathrm{sigmoid}(-\lambda)}}\,\bigl(z -
      \sqrt{\mathrm{sigmoid}(\lambda)}\,o\bigr).$$

    The noise $\varepsilon$ is the same in both.
    """
    log_snr_u = log_snr + 2 * math.log(scale)
    return (noise(log_snr_u) / noise(log_snr)) * (z - signal(log_snr) * origin), log_snr_u


class ChangedUnits(AbstractDenoiser):
    """The denoiser of u = (x - origin)/scale, from that of x."""

    denoiser: AbstractDenoiser
    origin: Untrained[Array]
    scale: float = eqx.field(static=True)

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return shifted(self.denoiser.log_snr_range, self.scale)

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        # x = (u - (-o/c)) / (1/c).
        return self.denoiser(*in_units(z, log_snr, -self.origin / self.scale, 1 / self.scale), y)

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        return self.denoiser.dimension(self.origin + self.scale * x, y)


def shifted(log_snr_range: tuple[float, float], scale: float) -> tuple[float, float]:
    r"""A range of $\lambda$ of $x$ as a range of that of $x/c$."""
    shift = 2 * math.log(scale)
    return log_snr_range[0] + shift, log_snr_range[1] + shift


@functools.singledispatch
def change_units(denoiser: AbstractDenoiser, origin: Float[Array, "*shape"], scale: float) -> AbstractDenoiser:
    r"""The denoiser of $u = (x - o)/c$, from a denoiser of $x$. Isotropic noise remains isotropic under a translation
    and a common factor, so that this is exact for every denoiser; other affine maps change what a denoiser means.

    **Arguments:**

    - `denoiser`: the denoiser of $x$.
    - `origin`, `scale`: $o$ and $c$.
    """
    return change_any_units(denoiser, origin, scale)


def change_any_units(denoiser: AbstractDenoiser, origin: Array, scale: float) -> AbstractDenoiser:
    """As above, whatever the denoiser."""
    return ChangedUnits(denoiser, origin, scale)


class IndependentGaussian(AbstractDenoiser):
    r"""The optimal denoiser of a Gaussian with independent coordinates, of mean $m_k$ and standard deviation
    $\sigma_k$,

    $$\hat\varepsilon(z, \lambda)_k = \frac{\sqrt{1-a}\,(z_k - \sqrt a\,m_k)}{a\sigma_k^2 + 1 - a}, \qquad
      a = \mathrm{sigmoid}(\lambda).$$

    **Arguments:**

    - `mean`, `std`: $m$ and $\sigma$.
    """

    mean: Float[Array, "*shape"]
    std: Float[Array, "*shape"]

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -np.inf, np.inf

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        del y
        variance = self.std**2 * jax.nn.sigmoid(log_snr) + jax.nn.sigmoid(-log_snr)
        return (noise(log_snr) / variance) * (z - signal(log_snr) * self.mean)

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        return jnp.asarray(x.size, x.dtype)

    def log_densities(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        r"""$\log p(x_k)$ of each coordinate in nats, of one sample."""
        return -(0.5 * ((x - self.mean) / self.std) ** 2 + jnp.log(self.std) + 0.5 * math.log(2 * math.pi))

    def log_density(self, x: Float[Array, "*shape"]) -> Float[Array, ""]:
        r"""$\log p(x)$ in nats, of one sample."""
        return jnp.sum(self.log_densities(x))
