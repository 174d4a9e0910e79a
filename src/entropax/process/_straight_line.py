import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from .._arguments import check_positive
from ._base import AbstractProcess


class StraightLine(AbstractProcess):
    r"""The process whose mean goes to zero on a straight line,

    $$\mathrm{d}X = -\frac{X}{1-s}\,\mathrm{d}s + \kappa\sqrt{\frac{2}{1-s}}\,\mathrm{d}B_s, \qquad
      \mu(s) = 1 - s, \qquad \Sigma(s) = \kappa^2\bigl(1 - (1-s)^2\bigr).$$

    Its rates diverge at $s = 1$, so it stops short of it.

    **Arguments:**

    - `kappa`: the standard deviation of the equilibrium.
    - `T`: the end time, below 1.

    **Raises:** `ValueError` unless `kappa` is positive and $0 < T < 1$.

    ??? cite "Source"
        Premkumar, Neural entropy (2025).
    """

    kappa: float = 1.0
    T: float = 1.0 - 1e-5

    def __check_init__(self):
        check_positive(kappa=self.kappa, T=self.T)
        if not isinstance(self.T, Tracer) and not self.T < 1:
            raise ValueError(f"`T` must be less than 1, where the drift of StraightLine diverges; got {self.T}.")

    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return 2 * jnp.log1p(-s) - jnp.log(s * (2 - s)) - 2 * jnp.log(self.kappa)

    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.log1p(-s)

    @property
    def equilibrium_std(self) -> float:
        return self.kappa
