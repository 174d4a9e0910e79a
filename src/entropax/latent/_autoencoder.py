import abc
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array, Float, PRNGKeyArray

from .._arguments import as_sequence, check_callable, check_finite, check_instance
from ..denoiser import check_denoiser
from ..information import nll
from ..integral import Estimate, Integrator, mean_of
from ..nn import AbstractEncoder, DiagonalNormal
from ..process import LogSNR
from ..solve import sample, Sampler
from ..train import AbstractWeighting, denoising_loss
from ._bands import Bands, Latents


class AbstractAutoencoder(eqx.Module):
    r"""Encoders $q(z_i|x)$, one for each latent, and what makes a sample of them, $p(x|z)$. To add one, subclass this
    and state how good a latent is and what it is decoded to."""

    encoders: AbstractVar[tuple[AbstractEncoder, ...]]

    @abc.abstractmethod
    def loss(
        self,
        x: Float[Array, " batch *shape"],
        latents: Latents,
        *,
        key: PRNGKeyArray,
        weighting: AbstractWeighting,
        unconditional: float,
        dropout: PRNGKeyArray | None,
    ) -> Float[Array, ""]:
        r"""One draw of the mean of $-\log p(x|z)$ over a batch, in nats, up to a constant; a share `unconditional` of
        the batch without latents, where the decoder knows of that."""

    @abc.abstractmethod
    def unit(self, size: int) -> float:
        """As of [`entropax.AbstractObjective`][]."""

    @abc.abstractmethod
    def distortion(
        self,
        x: Float[Array, " batch *shape"],
        latents: Latents,
        *,
        key: PRNGKeyArray,
        integrator: Integrator = Integrator(),
    ) -> Estimate:
        r"""$\mathbb{E}[-\log p(x|z)]$ in nats, of the coordinates that `x` comes in."""

    @abc.abstractmethod
    def decode(
        self, latents: Latents, *, key: PRNGKeyArray, sampler: Sampler | None = None
    ) -> Float[Array, " batch *shape"]:
        """A sample for each latent, shape `(batch, *shape)`. A diffusion decoder draws it by `sampler`; where none is
        given, over all noise levels that it can be trusted at."""

    def posteriors(self, x: Float[Array, " batch *shape"]) -> tuple[DiagonalNormal, ...]:
        """$q(z_i|x)$ of each latent, batched."""
        return tuple(jax.vmap(encoder)(x) for encoder in self.encoders)


def check_autoencoder(model: object) -> None:
    """Refuses what is no autoencoder.

    **Raises:** `ValueError` that names it `model`.
    """
    check_instance("model", model, AbstractAutoencoder)


def check_encoders(encoders: object) -> None:
    """Refuses what is not a tuple of encoders.

    **Raises:** `ValueError` that names the one that is none.
    """
    for place, encoder in enumerate(as_sequence("encoders", encoders, "encoders")):
        check_instance(f"encoders[{place}]", encoder, AbstractEncoder)


class DiffusionAutoencoder(AbstractAutoencoder):
    r"""Encoders and a diffusion decoder,

    $$\mathbb{E}[-\log p(x|z)] + c \le \frac12\int\mathbb{E}\|\hat\varepsilon(\cdot, \lambda, z) - \varepsilon\|^2\,
      \mathrm{d}\lambda.$$

    **Arguments:**

    - `encoders`: one for each band.
    - `denoiser`: of samples given the latents.

    **Raises:** `ValueError` unless there is an encoder for each band.

    ??? cite "Source"
        Preechakul et al., Diffusion autoencoders (2022); Diffusion models are Kelly gamblers, Eqs. (67), (74).
    """

    encoders: tuple[AbstractEncoder, ...]
    denoiser: Bands

    def __check_init__(self):
        check_denoiser(self.denoiser, "denoiser", Bands)
        check_encoders(self.encoders)
        if len(self.encoders) != len(self.denoiser.edges) + 1:
            raise ValueError(
                f"`encoders` must be {len(self.denoiser.edges) + 1}, one for each band; got {len(self.encoders)}."
            )

    def loss(self, x, latents, *, key, weighting, unconditional, dropout):
        return denoising_loss(
            self.denoiser, x, latents, key=key, weighting=weighting, unconditional=unconditional, dropout=dropout
        )

    def unit(self, size):
        low, high = self.denoiser.log_snr_range
        return 0.5 * size * (high - low)

    def distortion(self, x, latents, *, key, integrator=Integrator()):
        return nll(self.denoiser, x, latents, key=key, integrator=integrator)

    def decode(self, latents, *, key, sampler=None):
        sampler = sampler or Sampler(log_snr_range=self.denoiser.log_snr_range)
        shape = (len(latents[0]), *self.encoders[0].shape)
        return sample(LogSNR(), self.denoiser, shape, latents, key=key, sampler=sampler).x


class VariationalAutoencoder(AbstractAutoencoder):
    r"""One encoder and a decoder with a Gaussian likelihood, $p(x|z) = \mathcal{N}\bigl(x;\ f(z), e^{2l} I\bigr)$.

    **Arguments:**

    - `encoders`: one.
    - `net`: $f$, such as [`entropax.nn.ConvDecoder`][].
    - `log_std`: $l$, trained as all else is.

    **Raises:** `ValueError` unless there is one encoder.

    ??? cite "Source"
        Kingma and Welling, Auto-encoding variational Bayes (2014); Rybkin et al., Simple and effective VAE training
        with calibrated decoders (2021), for $l$.
    """

    encoders: tuple[AbstractEncoder, ...]
    net: Callable[[Array], Array]
    log_std: Float[Array, ""]

    def __check_init__(self):
        check_encoders(self.encoders)
        check_callable("net", self.net, "the latent")
        check_finite(log_std=self.log_std)
        if len(self.encoders) != 1:
            raise ValueError(f"`encoders` of a variational autoencoder must be one; got {len(self.encoders)}.")

    def _minus_log_density(self, x, latents):
        """For each of a batch."""
        scaled = (x - jax.vmap(self.net)(latents[0])) * jnp.exp(-self.log_std)
        squares = jnp.sum(scaled.reshape(len(x), -1) ** 2, -1)
        return 0.5 * squares + x[0].size * (self.log_std + 0.5 * math.log(2 * math.pi))

    def loss(self, x, latents, *, key, weighting, unconditional, dropout):
        del key, weighting, unconditional, dropout
        return jnp.mean(self._minus_log_density(x, latents))

    def unit(self, size):
        return float(size)

    def distortion(self, x, latents, *, key, integrator=Integrator()):
        del key, integrator
        return mean_of(self._minus_log_density(x, latents))

    def decode(self, latents, *, key, sampler=None):
        """The means."""
        del key, sampler
        return jax.vmap(self.net)(latents[0])
