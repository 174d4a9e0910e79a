import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._arguments import check_less
from ._base import AbstractDenoiser, noise, signal


class Clipped(AbstractDenoiser):
    r"""A denoiser for bounded data: the denoised mean of another one, cut to where data can be,

    $$\hat x = \mathrm{clip}\Bigl(\frac{z - \sqrt{1-a}\,\hat\varepsilon}{\sqrt a}\Bigr), \qquad
      \hat\varepsilon_\mathrm{clip} = \frac{z - \sqrt a\,\hat x}{\sqrt{1-a}}, \qquad a = \mathrm{sigmoid}(\lambda).$$

    It errs no more than its model, whatever $x$ between the bounds and whatever the noise: the nearest point of a
    convex set is nearer to all that is in it. Published bounds of networks on images are those of clipped ones.

    **Arguments:**

    - `denoiser`: the model.
    - `low`, `high`: the bounds of every coordinate.

    **Raises:** `ValueError` unless `low` is less than `high`.
    """

    denoiser: AbstractDenoiser
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __check_init__(self):
        check_less(low=self.low, high=self.high)

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        eps = self.denoiser(z, log_snr, y)
        x = (z - noise(log_snr) * eps) / signal(log_snr)
        # What is inside stays as it is, to the last bit: from x it would come back with the rounding of a quotient.
        moved = jnp.clip(x, self.low, self.high) - x
        return eps - moved * (signal(log_snr) / noise(log_snr))
