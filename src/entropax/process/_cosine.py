import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from .._arguments import check_positive
from ._base import AbstractProcess


class Cosine(AbstractProcess):
    r"""The cosine schedule,

    $$\mu(s) = \cos\tfrac{\pi}{2}s, \qquad \Sigma(s) = \sin^2\tfrac{\pi}{2}s, \qquad
      \lambda(s) = -2\log\tan\tfrac{\pi}{2}s.$$

    It preserves variance, with $\beta(s) = \pi\tan\tfrac{\pi}{2}s$, which diverges at $s = 1$: the process stops short
    of it.

    **Arguments:**

    - `T`: the end time, below 1.

    **Raises:** `ValueError` unless $0 < T < 1$.

    ??? cite "Source"
        Nichol and Dhariwal, Improved denoising diffusion probabilistic models (2021), without the offset.
    """

    T: float = 1.0 - 1e-3

    def __check_init__(self):
        check_positive(T=self.T)
        if not isinstance(self.T, Tracer) and not self.T < 1:
            raise ValueError(f"`T` must be less than 1, where the drift of Cosine diverges; got {self.T}.")

    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return -2 * jnp.log(jnp.tan(0.5 * jnp.pi * s))

    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.log(jnp.cos(0.5 * jnp.pi * s))

    @property
    def equilibrium_std(self) -> float:
        return 1.0
