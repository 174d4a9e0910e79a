from collections.abc import Callable

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._arguments import check_callable, check_instance, check_not_negative, check_share
from ..train import AbstractObjective, AbstractWeighting, Likelihood


class NegativeELBO(AbstractObjective):
    r"""Distortion and rate of an autoencoder, in nats,

    $$\mathbb{E}_{q(z|x)}[-\log p(x|z)] + \beta\sum_i\mathrm{KL}\bigl(q(z_i|x)\,\|\,\mathcal{N}(0, I)\bigr).$$

    At $\beta = 1$ this is $-\mathrm{ELBO}$; with less, a nat of the latent is worth its price sooner. For
    [`entropax.train`][], whose held-out loss is at the $\beta$ of the end.

    **Arguments:**

    - `weight`: $\beta$, a number or a function of the share of the training that was taken, from 0 to 1.
    - `weighting`: $w$ of the noise levels, for a diffusion decoder. With any other than [`entropax.Likelihood`][] the
        distortion is not that of a bound on the likelihood.
    - `unconditional`: the share of each batch that a diffusion decoder has to do without latents, so that it is a model
        of $p(x)$ as well; the rate counts for the others.

    **Raises:** `ValueError` where `weight` is a number below zero, which would pay for telling more, `weighting` is
        none, and where `unconditional` is not between 0 and 1.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (66), (67), (74), whose $\gamma$ is $\beta$; Higgins et al., beta-VAE
        (2017); Alemi et al., Fixing a broken ELBO (2018).
    """

    weight: float | Callable[[Array], Float[Array, ""]] = 1.0
    weighting: AbstractWeighting = Likelihood()
    unconditional: float = 0.0

    def __check_init__(self):
        if callable(self.weight):
            check_callable("weight", self.weight, "the share of the training that was taken")
        else:
            check_not_negative(weight=self.weight)
        check_instance("weighting", self.weighting, AbstractWeighting)
        check_share(unconditional=self.unconditional)

    def __call__(self, model, x, y, *, key, progress, dropout):
        del y
        own_key, key = jr.split(key)
        posteriors = model.posteriors(x)
        latents = tuple(q.sample(k) for q, k in zip(posteriors, jr.split(own_key, len(posteriors)), strict=True))
        distortion = model.loss(
            x, latents, key=key, weighting=self.weighting, unconditional=self.unconditional, dropout=dropout
        )
        rate = sum(jnp.mean(q.kl()) for q in posteriors)
        weight = self.weight(progress) if callable(self.weight) else self.weight
        return distortion + (1 - self.unconditional) * weight * rate

    def unit(self, model, size):
        return model.unit(size)
