import math

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float, Inexact

from .._arguments import check_instance, check_positive
from ..denoiser import AbstractDenoiser, check_denoiser, Grid, noise, signal
from ._variational import AbstractDecoder


# Intervals narrower than this are done by series: the difference of two distribution functions has lost its digits.
_NARROW = 0.05


class PredictedDecoder(AbstractDecoder):
    r"""A probability of each level of a grid from what a denoiser makes of the state, as DDPM has it: that of the bin
    around the level under a Gaussian around the denoised mean,

    $$P(x_k = b|z) = \Phi\Bigl(\frac{b + \frac\delta2 - \hat x_k}{s}\Bigr) - \Phi\Bigl(\frac{b - \frac\delta2 -
      \hat x_k}{s}\Bigr), \qquad \hat x = \frac{z - \sqrt{1-a}\,\hat\varepsilon(z, \lambda)}{\sqrt a},$$

    where the outermost bins reach to infinity. Unlike [`entropax.GridDecoder`][], it knows what the denoiser knows of
    the other coordinates.

    Of any state its mean is no less than $H(X|Z)$, which is what $\tfrac12\int\mathbb{E}\|\varepsilon -
    \hat\varepsilon\|^2\,\mathrm{d}\lambda$ still has above the noise level of $z$ for the best denoiser there is.

    **Arguments:**

    - `denoiser`: the model.
    - `grid`: the levels.
    - `std`: $s$, in units of the data.

    **Raises:** `ValueError` unless `std` is positive.

    ??? cite "Source"
        Ho, Jain and Abbeel, Denoising diffusion probabilistic models (2020), Eq. (13).
    """

    denoiser: AbstractDenoiser
    grid: Grid
    std: float = eqx.field(static=True)

    def __check_init__(self):
        check_denoiser(self.denoiser, "denoiser")
        check_instance("grid", self.grid, Grid)
        check_positive(std=self.std)

    def check(self, x: Inexact[Array, " batch *shape"]) -> None:
        self.grid.check(x)

    def __call__(
        self, x: Inexact[Array, "*shape"], z: Inexact[Array, "*shape"], log_snr: Float[Array, ""]
    ) -> Inexact[Array, ""]:
        denoised = (z - noise(log_snr) * self.denoiser(z, log_snr)) / signal(log_snr)
        edge = 0.5 * self.grid.spacing
        index = self.grid.index(x)
        lower = jnp.where(index == 0, -jnp.inf, (x - edge - denoised) / self.std)
        upper = jnp.where(index == self.grid.levels - 1, jnp.inf, (x + edge - denoised) / self.std)
        return -jnp.sum(log_normal_mass(lower, upper))


def log_normal_mass(lower: Float[Array, "..."], upper: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\log\bigl[\Phi(\mathrm{upper}) - \Phi(\mathrm{lower})\bigr]$ of $\mathcal{N}(0, 1)$, exact where the interval
    is narrow and where it is far out; ends may be infinite."""
    # Below zero, where no distribution function is near 1.
    flip = lower + upper > 0
    near, far = jnp.where(flip, -lower, upper), jnp.where(flip, -upper, lower)
    above, below = log_ndtr(near), log_ndtr(far)
    wide = above + jnp.log(-jnp.expm1(jnp.minimum(below - above, -1e-30)))
    width, middle = upper - lower, 0.5 * (upper + lower)
    series = jnp.log(width) - 0.5 * middle**2 - 0.5 * math.log(2 * math.pi) + width**2 * (middle**2 - 1) / 24
    return jnp.where(width < _NARROW, series, wide)
