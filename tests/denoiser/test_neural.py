"""Parameterisations: each says what the network must be for the denoiser to be exact."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


DIM = 2
EXACT = ex.Gaussian(np.array([1.0, -0.5]), np.array([[0.5, 0.2], [0.2, 0.3]]))


def _neural(parameterisation, net):
    # Mean 0 and variance 1: the network sees z itself.
    normalise = ex.Standardising(jnp.zeros(DIM), jnp.ones(DIM))
    return ex.Neural(net, parameterisation.baseline, parameterisation.scale, normalise, (-9.0, 9.0))


def _velocity(z, log_snr, y=None):
    a = jax.nn.sigmoid(log_snr)
    eps = EXACT(z, log_snr)
    x = (z - jnp.sqrt(1 - a) * eps) / jnp.sqrt(a)
    return jnp.sqrt(a) * eps - jnp.sqrt(1 - a) * x


def _entropy(z, log_snr, y=None):
    return (EXACT(z, log_snr) - ex.Equilibrium()(z, log_snr)) / jnp.sqrt(jax.nn.sigmoid(log_snr))


def _score(z, log_snr, y=None):
    return -EXACT(z, log_snr) / jnp.sqrt(jax.nn.sigmoid(-log_snr))


def _noise(z, log_snr, y=None):
    return EXACT(z, log_snr)


@pytest.mark.parametrize(
    "parameterisation, net",
    [
        (ex.entropy_matching(), _entropy),
        (ex.velocity_matching(), _velocity),
        (ex.score_matching(), _score),
        (ex.noise_matching(), _noise),
    ],
)
def test_the_network_that_makes_a_parameterisation_exact(parameterisation, net):
    z, log_snr = jr.normal(jr.key(0), (DIM,)), jnp.asarray(1.5)
    np.testing.assert_allclose(_neural(parameterisation, net)(z, log_snr), EXACT(z, log_snr), rtol=1e-4, atol=1e-6)


def test_an_untrained_network_is_its_baseline():
    x, y = ex.data.JointGaussian.random(jr.key(0), dim_x=DIM, dim_y=1, noise_std=0.5).sample(jr.key(1), 500)
    parameterisation = ex.gaussian_matching(x, y)
    net = ex.nn.MLP(DIM, ex.nn.VectorCondition(y, 16, key=jr.key(2)), (-9.0, 9.0), key=jr.key(3))
    z, log_snr = x[0], jnp.asarray(0.5)
    denoiser = _neural(parameterisation, net)
    np.testing.assert_array_equal(denoiser(z, log_snr, y[0]), parameterisation.baseline(z, log_snr, y[0]))
    # The baseline has the moments of the samples.
    cov = np.cov(np.concatenate([x, y], 1).astype(np.float64), rowvar=False)
    residual = cov[:DIM, :DIM] - cov[:DIM, DIM:] @ np.linalg.inv(cov[DIM:, DIM:]) @ cov[DIM:, :DIM]
    mean = np.mean(x, 0) + cov[:DIM, DIM:] @ np.linalg.inv(cov[DIM:, DIM:]) @ (y[0] - np.mean(y, 0))
    expected = ex.Gaussian(mean, residual)(z, log_snr)
    np.testing.assert_allclose(denoiser(z, log_snr, y[0]), expected, rtol=1e-3, atol=1e-4)


def test_neither_baseline_nor_normalisation_is_trained():
    denoiser = _neural(ex.gaussian_matching(jr.normal(jr.key(0), (100, DIM))), lambda z, log_snr, y=None: z)
    gradients = eqx.filter_grad(lambda d: jnp.sum(d(jnp.ones(DIM), jnp.asarray(0.0))))(denoiser)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves((gradients.baseline, gradients.normalise)))
