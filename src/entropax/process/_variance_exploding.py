import jax.numpy as jnp
from jaxtyping import Array, Float

from .._arguments import check_less, check_positive
from ._base import AbstractProcess


class VarianceExploding(AbstractProcess):
    r"""The variance-exploding process with a geometric noise scale, as an SDE that starts from the data itself,

    $$\mathrm{d}X = \sigma_\mathrm{min} r^{s/T}\sqrt{2\log r/T}\,\mathrm{d}B_s, \qquad
      \mu = 1, \qquad \Sigma(s) = \sigma_\mathrm{min}^2\,(r^{2s/T} - 1), \qquad
      r = \sigma_\mathrm{max}/\sigma_\mathrm{min}.$$

    **Arguments:**

    - `sigma_min`, `sigma_max`: the noise scales at both ends, $0 < \sigma_\mathrm{min} < \sigma_\mathrm{max}$.
    - `T`: the end time.

    **Raises:** `ValueError` unless $0 < \sigma_\mathrm{min} < \sigma_\mathrm{max}$ and `T` is positive.

    ??? cite "Source"
        Song et al., Score-based generative modeling through SDEs (2021), App. B.
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0
    T: float = 1.0

    def __check_init__(self):
        check_positive(sigma_min=self.sigma_min, sigma_max=self.sigma_max)
        check_less(sigma_min=self.sigma_min, sigma_max=self.sigma_max)

    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        growth = 2 * (jnp.log(self.sigma_max) - jnp.log(self.sigma_min)) / self.T
        return -2 * jnp.log(self.sigma_min) - jnp.log(jnp.expm1(growth * s))

    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.zeros_like(s)

    @property
    def equilibrium_std(self) -> float:
        raise ValueError(
            "VarianceExploding has no equilibrium: its variance grows without bound. Entropies relative to an "
            "equilibrium need a process that relaxes, such as VariancePreserving() or Cosine()."
        )
