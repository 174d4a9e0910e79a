import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray


class DiagonalNormal(eqx.Module):
    r"""$q = \mathcal{N}\bigl(m, \mathrm{diag}(e^{2l})\bigr)$: what a Gaussian encoder says of the latent of one sample.

    **Arguments:**

    - `mean`: $m$.
    - `log_std`: $l$, the logarithms of the standard deviations.
    """

    mean: Float[Array, "*batch dim"]
    log_std: Float[Array, "*batch dim"]

    def sample(self, key: PRNGKeyArray) -> Float[Array, "*batch dim"]:
        r"""$m + e^l\varepsilon$, a draw that has gradients in $m$ and $l$ (the reparameterisation trick)."""
        return self.mean + jnp.exp(self.log_std) * jr.normal(key, self.mean.shape, self.mean.dtype)

    def kl(self) -> Float[Array, " *batch"]:
        r"""$\mathrm{KL}\bigl(q\,\|\,\mathcal{N}(0, I)\bigr) = \frac12\sum_k(m_k^2 + e^{2l_k} - 1 - 2l_k)$, in nats."""
        # With expm1, next to the prior nothing cancels.
        return 0.5 * jnp.sum(self.mean**2 + jnp.expm1(2 * self.log_std) - 2 * self.log_std, -1)

    def log_density(self, z: Float[Array, "*batch dim"]) -> Float[Array, " *batch"]:
        r"""$\log q(z)$, in nats."""
        scaled = (z - self.mean) * jnp.exp(-self.log_std)
        return -jnp.sum(0.5 * scaled**2 + self.log_std + 0.5 * np.log(2 * np.pi), -1)
