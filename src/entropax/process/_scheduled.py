import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._arguments import check_positive
from .._arrays import as_floats
from ._base import AbstractProcess


class ScheduledVariancePreserving(AbstractProcess):
    r"""The variance-preserving process with any $\beta$, linear between knots,

    $$\mathrm{d}X = -\tfrac12\beta(s)\,X\,\mathrm{d}s + \sqrt{\beta(s)}\,\mathrm{d}B_s, \qquad
      \beta(s) \propto \sum_k e^{r_k}\,h_k(s), \qquad \int_0^T\beta\,\mathrm{d}s = B_T,$$

    with the hat functions $h_k$ of knots equally spaced over $[0, T]$. It ends at the same noise level whatever the
    $r_k$, so that these can be trained: they say how the noise levels are spread over time, and nothing else.

    **Arguments:**

    - `log_rates`: $r$, up to a constant, two of them or more.
    - `total`: $B_T$, by default that of [`entropax.VariancePreserving`][].
    - `T`: the end time.

    **Raises:** `ValueError` where there are fewer than two knots, rates that are not finite, or `total` or `T` is not
        positive.
    """

    log_rates: Float[Array, " knots"]
    total: float
    T: float

    def __init__(self, log_rates: Float[ArrayLike, " knots"], total: float = 8.05, T: float = 1.0):
        self.log_rates, self.total, self.T = as_floats(log_rates, "log_rates"), total, T
        if self.log_rates.ndim != 1 or self.log_rates.size < 2:
            raise ValueError(
                f"`log_rates` must be two numbers or more along one axis; got shape {self.log_rates.shape}."
            )

    def __check_init__(self):
        check_positive(total=self.total)

    def _integrated(self, s):
        rates = jnp.exp(self.log_rates - jnp.max(self.log_rates))
        cells = rates.shape[0] - 1
        before = jnp.concatenate([jnp.zeros_like(rates[:1]), jnp.cumsum(0.5 * (rates[1:] + rates[:-1]))])
        position = s / self.T * cells
        whole = jnp.clip(jnp.floor(position), 0, cells - 1)
        cell, part = whole.astype(int), position - whole
        first, last = rates[cell], rates[cell + 1]
        within = part * first + 0.5 * part**2 * (last - first)
        return self.total * (before[cell] + within) / before[-1]

    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return -jnp.log(jnp.expm1(self._integrated(s)))

    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return -0.5 * self._integrated(s)

    @property
    def equilibrium_std(self) -> float:
        return 1.0
