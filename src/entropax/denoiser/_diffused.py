import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._arguments import check_finite
from ._base import AbstractDenoiser, check_parts, signal


class Diffused(AbstractDenoiser):
    r"""The denoiser of data that come with noise already, $x' = x + e^{-\lambda_0/2}\varepsilon_0$, from that of the
    data: both noises together are one of $s^2 = e^{-\lambda_0} + e^{-\lambda}$, of which the latter has its share,

    $$\hat\varepsilon'(z, \lambda, y) = \frac{e^{-\lambda/2}}{s}\;\hat\varepsilon\Bigl(\sqrt{\tfrac{a'}{a}}\,z,\
      \lambda', y\Bigr), \qquad \lambda' = -\log s^2, \quad a = \mathrm{sigmoid}(\lambda),\ a' =
      \mathrm{sigmoid}(\lambda').$$

    What an estimand tells of it, it tells of the data as they are seen at a noise level: with samples $x'$,
    [`entropax.mutual_information`][] is $I(x_{\lambda_0};Y)$, the information on $Y$ that is still legible there.

    **Arguments:**

    - `denoiser`: of the data.
    - `log_snr`: $\lambda_0$.

    **Raises:** `ValueError` where the denoiser cannot be trusted at $\lambda_0$.
    """

    denoiser: AbstractDenoiser
    log_snr: float = eqx.field(static=True)

    def __check_init__(self):
        check_parts(self)
        check_finite(log_snr=self.log_snr)
        low, high = self.denoiser.log_snr_range
        if not low < self.log_snr <= high:
            raise ValueError(
                f"`log_snr` must be where the denoiser can be trusted, {low} to {high}; got {self.log_snr}."
            )

    @property
    def log_snr_range(self) -> tuple[float, float]:
        low, _ = self.denoiser.log_snr_range
        # e^-low less the noise that there is already.
        return (low if low == -math.inf else low - math.log1p(-math.exp(low - self.log_snr))), math.inf

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        total = -jnp.logaddexp(-log_snr, -jnp.asarray(self.log_snr, log_snr.dtype))
        share = jnp.exp(0.5 * (total - log_snr))
        return share * self.denoiser(signal(total) / signal(log_snr) * z, total, y)

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        # The noise that they hold gives diffused data a density.
        del y
        return jnp.asarray(x.size, x.dtype)
