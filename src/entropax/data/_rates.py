r"""The rates of `_spectra` as functions of a traced $\lambda$: what a control variate adds back."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class LogRatioRate(eqx.Module):
    r"""$\tfrac12\sum_i a\bar a(c_i - v_i) / \bigl((ac_i + \bar a)(av_i + \bar a)\bigr)$, with $a =
    \mathrm{sigmoid}(\lambda)$, $\bar a = 1 - a$: the rate of mutual information and of total correlation.

    **Arguments:**

    - `larger`, `smaller`: the spectra $c$ and $v$.
    """

    larger: Float[Array, " dim"]
    smaller: Float[Array, " dim"]

    def __call__(self, log_snr: Float[Array, ""]) -> Float[Array, ""]:
        a, b = jax.nn.sigmoid(log_snr), jax.nn.sigmoid(-log_snr)
        # a(c - v)b / ((ac + b)(av + b)) as a difference of two shares, each of order one.
        return 0.5 * jnp.sum(b / (a * self.smaller + b) - b / (a * self.larger + b))


class DivergenceRate(eqx.Module):
    r"""$\tfrac12\sum_i \bar a a^2 (v_i - k)^2 / \bigl((av_i + \bar a)(ak + \bar a)^2\bigr)$: the rate of the divergence
    of $\mathcal{N}(0, v)$ from the isotropic $\mathcal{N}(0, k)$, that is, of the total entropy.

    **Arguments:**

    - `variances`: the spectrum $v$.
    - `reference`: $k$.
    """

    variances: Float[Array, " dim"]
    reference: float

    def __call__(self, log_snr: Float[Array, ""]) -> Float[Array, ""]:
        a, b = jax.nn.sigmoid(log_snr), jax.nn.sigmoid(-log_snr)
        excess = a * (self.variances - self.reference) / (a * self.reference + b)
        return 0.5 * jnp.sum(b * excess**2 / (a * self.variances + b))
