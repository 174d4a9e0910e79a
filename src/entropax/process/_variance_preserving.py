import jax.numpy as jnp
from jaxtyping import Array, Float

from .._arguments import check_at_most, check_positive
from ._base import AbstractProcess


def _integrated_beta(beta_min, beta_max, T, s):
    r"""$B(s) = \int_0^s \beta$ of the linear schedule $\beta(s) = \beta_\mathrm{min} + (\beta_\mathrm{max} -
    \beta_\mathrm{min})\,s/T$."""
    return beta_min * s + (beta_max - beta_min) * s**2 / (2 * T)


class VariancePreserving(AbstractProcess):
    r"""The variance-preserving process with linear $\beta$ and equilibrium $\mathcal{N}(0, \kappa^2 I)$,

    $$\mathrm{d}X = -\tfrac12\beta(s)\,X\,\mathrm{d}s + \kappa\sqrt{\beta(s)}\,\mathrm{d}B_s, \qquad
      \lambda(s) = -\log(e^{B(s)} - 1) - 2\log\kappa, \qquad B(s) = \int_0^s\beta.$$

    With `kappa=1` it is VP-SDE, with another value VPx.

    **Arguments:**

    - `beta_min`, `beta_max`: $\beta(0)$ and $\beta(T)$, positive.
    - `kappa`: the standard deviation of the equilibrium.
    - `T`: the end time.

    **Raises:** `ValueError` unless $0 < \beta_\mathrm{min} \le \beta_\mathrm{max}$ and `kappa` and `T` are positive.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (60); Song et al., Score-based generative modeling through SDEs (2021).
    """

    beta_min: float = 0.1
    beta_max: float = 16.0
    kappa: float = 1.0
    T: float = 1.0

    def __check_init__(self):
        check_positive(beta_min=self.beta_min, beta_max=self.beta_max, kappa=self.kappa)
        check_at_most(beta_min=self.beta_min, beta_max=self.beta_max)

    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return -jnp.log(jnp.expm1(_integrated_beta(self.beta_min, self.beta_max, self.T, s))) - 2 * jnp.log(self.kappa)

    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return -0.5 * _integrated_beta(self.beta_min, self.beta_max, self.T, s)

    @property
    def equilibrium_std(self) -> float:
        return self.kappa


class SubVariancePreserving(AbstractProcess):
    r"""The sub-VP process,

    $$\mathrm{d}X = -\tfrac12\beta(s)\,X\,\mathrm{d}s + \sqrt{\beta(s)(1 - e^{-2B(s)})}\,\mathrm{d}B_s, \qquad
      \lambda(s) = -2\log\bigl(2\sinh\tfrac12 B(s)\bigr), \qquad B(s) = \int_0^s\beta.$$

    **Arguments:**, **Raises:** as [`entropax.VariancePreserving`][], without `kappa`.

    ??? cite "Source"
        Song et al., Score-based generative modeling through SDEs (2021), App. B.
    """

    beta_min: float = 0.1
    beta_max: float = 16.0
    T: float = 1.0

    def __check_init__(self):
        check_positive(beta_min=self.beta_min, beta_max=self.beta_max)
        check_at_most(beta_min=self.beta_min, beta_max=self.beta_max)

    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return -2 * jnp.log(2 * jnp.sinh(0.5 * _integrated_beta(self.beta_min, self.beta_max, self.T, s)))

    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return -0.5 * _integrated_beta(self.beta_min, self.beta_max, self.T, s)

    @property
    def equilibrium_std(self) -> float:
        raise ValueError(
            "SubVariancePreserving has no fixed equilibrium: its quasi-invariant state N(0, (1 - exp(-2B(s))) I) moves "
            "with time. Entropies need one; VariancePreserving(), VariancePreserving(kappa=...), StraightLine() and "
            "Cosine() have it."
        )
