"""Moments that denoisers hold, against those of samples and of closed forms."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.denoiser import data_moments


PROBLEM = ex.data.JointGaussian.random(jr.key(7), dim_x=3, dim_y=2, noise_std=1.0)
EXACT = PROBLEM.denoiser()
STD = np.sqrt(np.diag(PROBLEM.cov_x))
COV = np.array([[1.0, 0.6], [0.6, 2.0]])
MIXTURE = ex.GaussianMixture(np.array([0.2, 0.8]), np.array([[-2.0, 1.0], [3.0, 1.0]]), np.stack([COV, np.eye(2)]))
# Of the mixture: Σ w m, and Σ w (C + m²) less the square of the mean.
MIXTURE_MOMENTS = np.array([2.0, 1.0]), np.sqrt(np.array([0.2 * 5 + 0.8 * 10 - 4, 0.2 * 3 + 0.8 * 2 - 1]))
DATA = np.asarray(jr.normal(jr.key(1), (500, 2, 3))) * np.array([1.0, 20.0, 0.1]) + 5.0
TABLE = DATA[:, 0]


def _neural(normalise):
    return ex.Neural(lambda z, log_snr, y: z, ex.Zero(), jnp.ones_like, normalise, (-9.0, 9.0))


GRID = ex.Grid(-1.0, 1.0, 3)
CASES = {
    "gaussian": (ex.Gaussian(np.array([1.0, 2.0]), COV), (np.array([1.0, 2.0]), np.sqrt([1.0, 2.0]))),
    "conditional gaussian": (EXACT, (np.zeros(3), STD)),
    "wrapped": (ex.Guided(ex.Clipped(ex.Given(EXACT, lambda y: y), -1.0, 1.0), 1.0), (np.zeros(3), STD)),
    "rescaled": (ex.Rescaled(ex.Guided(EXACT, 1.0), 0.5), (np.zeros(3), STD)),
    "diffused": (ex.Diffused(EXACT, 2.0), (np.zeros(3), np.sqrt(STD**2 + np.exp(-2.0)))),
    "ensemble": (ex.Ensemble((ex.Zero(), EXACT), (-1.0, 0.0, 1.0), (0, 1)), (np.zeros(3), STD)),
    "mixture": (MIXTURE, MIXTURE_MOMENTS),
    "points": (ex.Empirical(DATA), (DATA.mean(0), DATA.std(0))),
    "flattened": (ex.Flattened(ex.Empirical(DATA), (2, 3)), (DATA.mean(0).ravel(), DATA.std(0).ravel())),
    "product": (ex.Product.fit(TABLE, components=2), (TABLE.mean(0), TABLE.std(0))),
    "levels": (ex.GridPosterior(GRID, np.log([[0.5, 0.25, 0.25]])), ([-0.25], [np.sqrt(0.75 - 0.0625)])),
    "bins": (
        ex.Histogram((0.0, 1.0, 3.0), np.log([[0.5, 0.5]])),
        ([1.25], [np.sqrt(0.5 * (1 / 3 + 13 / 3) - 1.25**2)]),
    ),
    "whitening": (_neural(ex.Whitening.fit(jnp.asarray(TABLE))), (TABLE.mean(0), TABLE.std(0))),
    "standardising": (_neural(ex.Standardising.fit(jnp.asarray(DATA))), (DATA.mean(0), DATA.std(0))),
    "fourier": (
        _neural(ex.FourierFeatures.fit(jnp.asarray(TABLE), key=jr.key(2), num=4)),
        (TABLE.mean(0), TABLE.std(0)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_moments_are_those_of_the_data(name):
    denoiser, (mean, std) = CASES[name]
    found = data_moments(denoiser)
    assert found is not None
    np.testing.assert_allclose(found[0], mean, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(found[1], std, rtol=2e-3)


def test_references_and_models_that_hold_none_have_none():
    for denoiser in (ex.Equilibrium(), ex.Zero(), _neural(lambda z, log_snr: z), ex.Clipped(ex.Zero(), -1.0, 1.0)):
        assert data_moments(denoiser) is None
    stack = eqx.filter_vmap(lambda std: ex.Equilibrium(std))(jnp.ones(3))
    assert data_moments(ex.Product(stack)) is None
