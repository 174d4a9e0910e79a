import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import check_instance, check_key
from .._arrays import as_floats
from ..denoiser import AbstractDenoiser, check_denoiser
from ..information._condition import check_given
from ..process import LogSNR
from ..solve import sample, Sampler
from ._autoencoder import AbstractAutoencoder, check_autoencoder
from ._bands import Latents


def split_latents(model: AbstractAutoencoder, z: Float[Array, "batch width"]) -> Latents:
    """The latents of an autoencoder out of one vector that holds them one after the other.

    **Raises:** `ValueError` where `model` is no autoencoder, or they are not as wide together.
    """
    check_autoencoder(model)
    z = as_floats(z, "z")
    widths = [encoder.dim for encoder in model.encoders]
    if z.ndim < 1 or z.shape[-1] != sum(widths):
        raise ValueError(f"`z` must hold the {sum(widths)} numbers of all latents; got shape {z.shape}.")
    return tuple(jnp.split(z, list(itertools.accumulate(widths))[:-1], -1))


def generate(
    model: AbstractAutoencoder,
    prior: AbstractDenoiser,
    y: PyTree,
    *,
    key: PRNGKeyArray,
    prior_sampler: Sampler | None = None,
    sampler: Sampler | None = None,
) -> Float[Array, " batch *shape"]:
    r"""Samples through the latent: $z \sim p(z|y)$, then $x \sim p(x|z)$.

    **Arguments:**

    - `model`: the autoencoder.
    - `prior`: a denoiser of all latents, one after the other, given $y$, such as [`entropax.fit`][] makes of
        `jnp.concatenate(ex.latent.encode(model, x, key=key), 1)`; guided or not.
    - `y`: conditions of the samples, a pytree with a leading axis of `batch`.
    - `key`: all randomness.
    - `prior_sampler`, `sampler`: of latents and of samples; where they are not given, over all noise levels that the
        denoisers can be trusted at.

    **Returns:** samples, shape `(batch, *shape)`.

    **Raises:** `ValueError` where one of the first two is no autoencoder or no denoiser; as [`entropax.sample`][].

    ??? cite "Source"
        Diffusion models are Kelly gamblers, the end of App. F.1; Preechakul et al., Diffusion autoencoders (2022).
    """
    check_autoencoder(model)
    check_denoiser(prior, "prior")
    check_given(y)
    check_instance("prior_sampler", prior_sampler, (Sampler, type(None)))
    check_instance("sampler", sampler, (Sampler, type(None)))
    latent_key, key = jr.split(check_key(key))
    width = sum(encoder.dim for encoder in model.encoders)
    shape = (len(jax.tree.leaves(y)[0]), width)
    prior_sampler = prior_sampler or Sampler(log_snr_range=prior.log_snr_range)
    z = sample(LogSNR(), prior, shape, y, key=latent_key, sampler=prior_sampler).x
    return model.decode(split_latents(model, z), key=key, sampler=sampler)
