"""What latents of images know of the labels, and of the images."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.special import digamma
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KDTree, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import entropax as ex


# How many neighbours a latent is compared with.
_NEIGHBOURS = 5

METHODS = ("posterior", "orthogonal", "entropy_difference", "loss_gap", "probe", "neighbours")


def known(
    model: ex.latent.AbstractAutoencoder, learn: tuple, test: tuple, *, key, steps: int = 2_000
) -> tuple[tuple[jax.Array, ...], list[dict[str, Any]]]:
    """Latents of unseen images, and for each of them its rate, that within a class, and what it tells of the label.

    **Arguments:**

    - `model`: an autoencoder.
    - `learn`, `test`: images and their labels; models of the latents are fitted to the one, and what is measured is of
        the other.
    - `steps`: of these models' training.
    """
    latent_key, fit_key, label_key, rate_key = jr.split(key, 4)
    seen, latents = (ex.latent.encode(model, x, key=latent_key) for x, _ in (learn, test))
    pairs = [
        tuple((np.asarray(z), np.asarray(y)) for z, (_, y) in zip(own, (learn, test))) for own in zip(seen, latents)
    ]
    priors = [latent_model(*own, key=fit_key, steps=steps) for own, _ in pairs]
    rates = ex.latent.rates(model, test[0])
    within = ex.latent.learnt_rates(model, test[0], priors, jnp.asarray(test[1]), key=rate_key)
    rows = []
    for prior, own, *found in zip(priors, pairs, rates, within):
        told = label_information(prior, *own, key=label_key)
        rows.append({"I(Z;Y)": told} | dict(zip(("rate", "rate_within"), found)))
    return latents, rows


def latent_model(z: np.ndarray, y: np.ndarray, *, key, steps: int = 2_000) -> ex.Neural:
    """A small diffusion model of z|y with a null token."""
    settings = ex.Settings(
        steps=steps, batch_size=256, learning_rate=2e-3, unconditional=0.2, averages=(0.99,), chunk=max(1, steps // 10)
    )
    return ex.fit(jnp.asarray(z), jnp.asarray(y), key=key, width=96, held_out=0.1, settings=settings)


def label_information(model: ex.Neural, learn: tuple, test: tuple, *, key) -> dict[str, ex.Estimate]:
    """I(Z;Y) of latents and labels: by a diffusion model of z|y in four forms; by a linear probe, cross-fitted over
    all, and by nearest neighbours of all.

    **Arguments:**

    - `model`: fitted to `learn`, and measured on `test`.
    - `learn`, `test`: latents, and their labels.
    """
    rate_key, posterior_key = jr.split(key)
    fresh, labels = (jnp.asarray(leaf) for leaf in test)
    # That the naive forms break their bounds is what they are shown for.
    with warnings.catch_warnings(action="ignore"):
        found = ex.integrate(ex.conditional_rates(model), fresh, labels, key=rate_key)
        posterior = ex.mutual_information(model, fresh, labels, key=posterior_key)
    found = {name: found[name] for name in METHODS if name in found} | {"posterior": posterior}
    every, own = (np.concatenate(parts) for parts in zip(learn, test))
    return found | {"probe": probe(every, own), "neighbours": neighbours(every, own)}


def probe(z: np.ndarray, y: np.ndarray) -> ex.Estimate:
    r"""The bound $H(Y) + \mathbb{E}\log q(y|z)$ of a logistic regression that has not seen the sample."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    classes, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    posterior = np.asarray(cross_val_predict(classifier, z, index, method="predict_proba"))
    own = np.arange(len(y)), index
    pointwise = np.log(posterior[own]) - np.log(counts / len(y))[index]
    return ex.integral.mean_of(jnp.asarray(pointwise, jnp.float32))


def neighbours(z: np.ndarray, y: np.ndarray, k: int = _NEIGHBOURS) -> ex.Estimate:
    r"""Of numbers and labels, $\psi(N) + \psi(k) - \langle\psi(N_y)\rangle - \langle\psi(m)\rangle$, where $m$ samples
    lie within the distance of the $k$-th neighbour that has the same label (Ross, 2014)."""
    radius, sizes = np.empty(len(z)), np.empty(len(z))
    for label in np.unique(y):
        own = y == label
        near = NearestNeighbors(n_neighbors=k).fit(z[own])
        # Of the samples themselves, none of which counts as its own neighbour.
        radius[own], sizes[own] = near.kneighbors()[0][:, -1], own.sum()
    within = KDTree(z).query_radius(z, np.nextafter(radius, 0), count_only=True)
    pointwise = digamma(len(z)) + digamma(k) - digamma(sizes) - digamma(np.maximum(within, k))
    return ex.integral.mean_of(jnp.asarray(pointwise, jnp.float32))
