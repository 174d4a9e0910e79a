"""What a network sees of the diffused state: numbers of order one, whatever the units of the data."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._arguments import check_key, check_positive, check_whole
from .._arrays import as_floats
from ._base import as_batch, check_state, signal
from ._gaussian import Gaussian
from ._units import as_moments


class Standardising(eqx.Module):
    r"""Each coordinate of the state in units of its own spread at its noise level,

    $$\bar z = \frac{z - \sqrt{a}\,m}{\sqrt{a\,v + 1 - a}}, \qquad a = \mathrm{sigmoid}(\lambda).$$

    **Arguments:**

    - `mean`, `variance`: the data's $m$ and $v$, by coordinate.

    **Raises:** `ValueError` where they are not finite, or a variance is negative.
    """

    mean: Float[Array, "*shape"]
    variance: Float[Array, "*shape"]

    def __init__(self, mean: Float[ArrayLike, "*shape"], variance: Float[ArrayLike, "*shape"]):
        self.mean, self.variance = as_moments(mean=mean, variance=variance)

    @classmethod
    def fit(cls, x: Float[ArrayLike, " batch *shape"]) -> "Standardising":
        """With the moments of the samples `x`."""
        x = as_batch(x)
        return cls(jnp.mean(x, 0), jnp.var(x, 0))

    def __call__(self, z: Float[Array, "*shape"], log_snr: Float[Array, ""]) -> Float[Array, "*shape"]:
        # One mean and one variance may serve all coordinates.
        if self.mean.ndim:
            check_state(z, self.mean.shape)
        spread = jax.nn.sigmoid(log_snr) * self.variance + jax.nn.sigmoid(-log_snr)
        return (z - signal(log_snr) * self.mean) * jax.lax.rsqrt(spread)


class Whitening(eqx.Module):
    r"""The state in units of its spread at its noise level along every direction,

    $$\bar z = \bigl(aC + (1-a)I\bigr)^{-1/2}(z - \sqrt{a}\,m), \qquad a = \mathrm{sigmoid}(\lambda),$$

    with the symmetric root, which leaves the coordinates in their place. Without it a direction of small variance
    reaches the network as a small input that it must learn to amplify.

    **Arguments:**

    - `mean`: $m$.
    - `variances`, `axes`: eigenvalues and eigenvectors of the data's covariance $C$.
    """

    mean: Float[Array, " dim"]
    variances: Float[Array, " dim"]
    axes: Float[Array, "dim dim"]

    @classmethod
    def fit(cls, x: Float[ArrayLike, "batch dim"]) -> "Whitening":
        """With the moments of the samples `x`.

        **Raises:** `ValueError` as [`entropax.Gaussian.fit`][].
        """
        law = Gaussian.fit(x)
        return cls(law.mean, law.variances, law.axes)

    def __call__(self, z: Float[Array, " dim"], log_snr: Float[Array, ""]) -> Float[Array, " dim"]:
        check_state(z, self.mean.shape)
        spread = jax.nn.sigmoid(log_snr) * self.variances + jax.nn.sigmoid(-log_snr)
        centred = self.axes.T @ (z - signal(log_snr) * self.mean)
        return self.axes @ (jax.lax.rsqrt(spread) * centred)


class FourierFeatures(eqx.Module):
    r"""The whitened state, and beside it what it tells of waves in the data: with $u = C^{-1/2}(x - m)$ and waves $k$,

    $$\mathbb{E}\bigl[\sin(k\cdot u)\,\big|\,z\bigr] = e^{-\frac12 k^\top V k}\,\sin(k\cdot\hat u), \qquad
      \mathbb{E}\bigl[\cos(k\cdot u)\,\big|\,z\bigr] = e^{-\frac12 k^\top V k}\,\cos(k\cdot\hat u),$$

    under the Gaussian with the moments of the data, whose posterior given $z$ has mean $\hat u$ and covariance $V$. A
    network of smooth functions learns detail a hundredth of the data's size from these and not without; a wave that
    the noise has washed out is zero, and does not disturb. For data in few dimensions, where some hundred waves cover
    all directions.

    **Arguments:**

    - `whitening`: the moments.
    - `waves`: the wave vectors $k$, shape `(waves, dim)`.

    ??? cite "Source"
        Tancik et al., Fourier features let networks learn high frequency functions in low dimensional domains (2020);
        Barron et al., Mip-NeRF (2021), for their mean under a Gaussian.
    """

    whitening: Whitening
    waves: Float[Array, "waves dim"]

    @classmethod
    def fit(
        cls, x: Float[ArrayLike, "batch dim"], *, key: PRNGKeyArray, num: int = 128, highest: float = 300.0
    ) -> "FourierFeatures":
        """With the moments of the samples `x`, and waves in random directions whose lengths are a geometric sequence
        from 1/2 to `highest`.

        **Arguments:**

        - `x`: the samples.
        - `key`: for the directions.
        - `num`: how many waves.
        - `highest`: the inverse of the finest detail that is looked for, in standard deviations of the data.

        **Raises:** `ValueError` unless `num` is positive and `highest` above 1/2; of `x`, as
            [`entropax.Gaussian.fit`][].
        """
        check_key(key)
        check_whole("num", num, least=1)
        check_positive(highest=highest)
        if not highest > 0.5:
            raise ValueError(f"`highest` must be above 1/2 and finite; got {highest}.")
        whitening = Whitening.fit(x)
        x = as_floats(x, "x")
        directions = jr.normal(key, (num, x.shape[1]), x.dtype)
        directions = directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
        return cls(whitening, jnp.geomspace(0.5, highest, num, dtype=x.dtype)[:, None] * directions)

    def __call__(self, z: Float[Array, " dim"], log_snr: Float[Array, ""]) -> Float[Array, " features"]:
        law = self.whitening
        check_state(z, law.mean.shape)
        a, b = jax.nn.sigmoid(log_snr), jax.nn.sigmoid(-log_snr)
        spread = a * law.variances + b
        centred = law.axes.T @ (z - signal(log_snr) * law.mean)
        # In the principal axes: the posterior of a unit Gaussian seen through √(av) under noise of variance b.
        mean = signal(log_snr) * jnp.sqrt(law.variances) * centred / spread
        waves = self.waves @ law.axes
        damping = jnp.exp(-0.5 * (waves**2 @ (b / spread)))
        phase = waves @ mean
        whitened = law.axes @ (jax.lax.rsqrt(spread) * centred)
        return jnp.concatenate([whitened, damping * jnp.sin(phase), damping * jnp.cos(phase)])
