import math

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from .._arguments import check_shape
from ._base import AbstractDenoiser, check_state


class Flattened(AbstractDenoiser):
    """A denoiser of images, or of any other arrays, for the same as vectors: what compares it with a
    [`entropax.Gaussian`][], which knows vectors alone.

    **Arguments:**

    - `denoiser`: of samples of that shape.
    - `shape`: of a sample.
    """

    denoiser: AbstractDenoiser
    shape: tuple[int, ...] = eqx.field(static=True)

    def __check_init__(self):
        check_shape("shape", self.shape)

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(
        self, z: Float[Array, " dim"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, " dim"]:
        check_state(z, (math.prod(self.shape),))
        return self.denoiser(z.reshape(self.shape), log_snr, y).ravel()

    def dimension(self, x: Float[Array, " dim"], y: PyTree | None = None) -> Float[Array, ""]:
        return self.denoiser.dimension(x.reshape(self.shape), y)
