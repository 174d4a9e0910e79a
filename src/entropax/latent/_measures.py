import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import as_sequence, check_key
from ..denoiser import AbstractDenoiser, check_denoiser
from ..information import nll
from ..integral import as_samples, Estimate, Integrator, mean_of
from ._autoencoder import AbstractAutoencoder, check_autoencoder
from ._bands import Latents


# A latent that tells less than this of a sample, in nats, has collapsed to its prior.
_COLLAPSED = 0.05

# Deviations beyond this many of the prior's diverge: no sample of such a latent tells anything.
_WIDEST = 100.0


class CollapseWarning(UserWarning):
    """An encoder that says of every sample next to the same as the prior does."""


class RateDistortion(NamedTuple):
    r"""A point in the plane of rate and distortion.

    **Arguments:**

    - `rates`: $\mathbb{E}\,\mathrm{KL}\bigl(q(z_i|x)\,\|\,\mathcal{N}(0, I)\bigr)$ of each latent, at least $I(X;Z_i)$.
    - `distortion`: $\mathbb{E}[-\log p(x|z)]$.
    """

    rates: tuple[Estimate, ...]
    distortion: Estimate

    @property
    def rate(self) -> Estimate:
        """Of all latents together."""
        first, *others = self.rates
        return sum(others, start=first)


def encode(model: AbstractAutoencoder, x: Float[Array, " batch *shape"], *, key: PRNGKeyArray) -> Latents:
    r"""A draw of each latent from $q(z_i|x)$, shapes `(batch, dim)`.

    **Arguments:**

    - `model`: the autoencoder.
    - `x`: samples, shape `(batch, *shape)`.
    - `key`: for the draws.

    **Raises:** `ValueError` where `model` is no autoencoder and on samples that are empty, not finite or of another
    shape than the encoders were made for; `FloatingPointError` where an
    encoder's $\sigma$ is not finite, or diverges.
    """
    check_key(key)
    posteriors = _checked(model, x)
    return tuple(q.sample(k) for q, k in zip(posteriors, jr.split(key, len(posteriors)), strict=True))


def rates(model: AbstractAutoencoder, x: Float[Array, " batch *shape"]) -> tuple[Estimate, ...]:
    r"""The rate of each latent, $\mathbb{E}\,\mathrm{KL}\bigl(q(z_i|x)\,\|\,\mathcal{N}(0, I)\bigr)$ in nats.

    **Arguments:**

    - `model`: the autoencoder.
    - `x`: samples, shape `(batch, *shape)`.

    **Returns:** an [`entropax.Estimate`][] for each latent. Below 0.05 nats there is a
    [`entropax.latent.CollapseWarning`][].

    **Raises:** as [`entropax.latent.encode`][].
    """
    found = tuple(mean_of(q.kl()) for q in _checked(model, x))
    for place, rate in enumerate(found):
        if float(rate.value) < _COLLAPSED:
            warnings.warn(
                f"Latent {place} has collapsed: KL(q(z|x)‖N(0, I)) is {rate}, below {_COLLAPSED}. It tells next to "
                "nothing of a sample; a smaller `weight` (β), or a band in which there is something to tell, may help.",
                CollapseWarning,
                stacklevel=2,
            )
    return found


def learnt_rates(
    model: AbstractAutoencoder,
    x: Float[Array, " batch *shape"],
    priors: Sequence[AbstractDenoiser],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    integrator: Integrator = Integrator(),
) -> tuple[Estimate, ...]:
    r"""The rate of each latent beside a prior that was learnt in place of $\mathcal{N}(0, I)$,

    $$\mathbb{E}\bigl[\log q(z_i|x) - \log p(z_i|y)\bigr] \ge I(X;Z_i|Y),$$

    the rate within a class where $y$ is a label, and without $y$ at least $I(X;Z_i)$. With the exact prior they are
    equal; their difference is then $I(Z_i;Y)$.

    **Arguments:**

    - `model`: the autoencoder.
    - `x`: samples that neither it nor the priors were fitted to, shape `(batch, *shape)`.
    - `priors`: a denoiser of each latent, such as [`entropax.fit`][] makes of what [`entropax.latent.encode`][]
        returns.
    - `y`: conditions of the samples, a pytree with a leading axis of `batch`.
    - `key`: for latents, nodes and noise.
    - `integrator`: see [`entropax.nll`][].

    **Returns:** an [`entropax.Estimate`][] for each latent, in nats.

    **Raises:** `ValueError` unless there is a prior for each latent; as [`entropax.latent.encode`][].
    """
    check_autoencoder(model)
    check_key(key)
    for place, prior in enumerate(as_sequence("priors", priors, "denoisers, one for each latent")):
        check_denoiser(prior, f"priors[{place}]")
    if len(priors) != len(model.encoders):
        raise ValueError(f"`priors` must be {len(model.encoders)}, one for each latent; got {len(priors)}.")
    found = []
    for q, prior, own in zip(_checked(model, x), priors, jr.split(key, len(priors))):
        latent_key, noise_key = jr.split(own)
        z = q.sample(latent_key)
        found.append(nll(prior, z, y, key=noise_key, integrator=integrator).shifted(q.log_density(z)))
    return tuple(found)


def rate_distortion(
    model: AbstractAutoencoder,
    x: Float[Array, " batch *shape"],
    *,
    key: PRNGKeyArray,
    integrator: Integrator = Integrator(),
) -> RateDistortion:
    r"""Where an autoencoder lies in the plane of rate and distortion: $-\mathrm{ELBO}$ is their sum.

    **Arguments:**

    - `model`: the autoencoder.
    - `x`: samples that it was not trained on, shape `(batch, *shape)`.
    - `key`: for latents, nodes and noise.
    - `integrator`: of a diffusion decoder, see [`entropax.nll`][].

    **Returns:** [`entropax.latent.RateDistortion`][], in nats.

    **Raises:** as [`entropax.latent.encode`][].
    """
    latent_key, key = jr.split(check_key(key))
    latents = encode(model, x, key=latent_key)
    return RateDistortion(rates(model, x), model.distortion(x, latents, key=key, integrator=integrator))


@eqx.filter_jit
def _posteriors(model, x):
    return model.posteriors(x)


def _checked(model, x):
    check_autoencoder(model)
    posteriors = _posteriors(model, as_samples(x)[0])
    for place, q in enumerate(posteriors):
        widest = float(jnp.max(q.log_std))
        if not bool(jnp.all(jnp.isfinite(q.mean))) or not widest <= math.log(_WIDEST):
            raise FloatingPointError(
                f"Encoder {place} diverges: its largest σ is {math.exp(min(widest, 700.0)):g}, where the prior's is 1. "
                "Train with a smaller `learning_rate`, or look for samples unlike those that it was trained on."
            )
    return posteriors
