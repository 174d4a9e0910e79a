"""Rates beside priors that are known exactly."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


# x|y ~ N(±1, VARIANCE), and z|x ~ N(x, NOISE) in the units of the prior's N(0, 1).
VARIANCE, NOISE = 0.5, 0.2


def _autoencoder():
    encoder = ex.nn.MLPEncoder((1,), 1, (), key=jr.key(0))
    weights = jnp.array([[1.0], [0.0]]), jnp.array([0.0, 0.5 * np.log(NOISE)])
    encoder = eqx.tree_at(lambda e: (e.head.weight, e.head.bias), encoder, weights)
    return ex.latent.VariationalAutoencoder((encoder,), lambda z: z, jnp.zeros(()))


class _Prior(ex.AbstractDenoiser):
    """Exact, of z given y and without it."""

    @property
    def log_snr_range(self):
        return -np.inf, np.inf

    def __call__(self, z, log_snr, y=None):
        a, b = jax.nn.sigmoid(log_snr), jax.nn.sigmoid(-log_snr)
        scale = a * (VARIANCE + NOISE) + b
        likely = jax.nn.sigmoid(2 * jnp.sqrt(a) * z / scale)
        mean = jnp.sqrt(a) * (2 * likely - 1 if y is None else 2.0 * y.astype(z.dtype) - 1)
        return jnp.sqrt(b) * (z - mean) / scale


def test_rates_beside_an_exact_prior_are_information(getkey):
    y = jnp.arange(4_000) % 2
    x = 2.0 * y[:, None].astype(float) - 1 + np.sqrt(VARIANCE) * jr.normal(getkey(), (4_000, 1))
    model = _autoencoder()
    (conditional,) = ex.latent.learnt_rates(model, x, (_Prior(),), y, key=getkey())
    (marginal,) = ex.latent.learnt_rates(model, x, (_Prior(),), key=getkey())
    # I(X;Z|Y) of Gaussians, and I(X;Z) by quadrature.
    exact = 0.5 * np.log1p(VARIANCE / NOISE)
    grid = np.linspace(-8, 8, 40_001)
    width = VARIANCE + NOISE
    density = sum(np.exp(-0.5 * (grid - m) ** 2 / width) for m in (-1, 1)) / np.sqrt(8 * np.pi * width)
    entropy = -np.trapezoid(density * np.log(np.maximum(density, 1e-300)), grid)
    without = entropy - 0.5 * np.log(2 * np.pi * np.e * NOISE)
    assert abs(float(conditional.value) - exact) < 4 * float(conditional.stderr), f"{conditional}, {exact}"
    assert abs(float(marginal.value) - without) < 4 * float(marginal.stderr), f"{marginal}, {without}"
    # What q(z|x) says of z is drawn once for both parts: the error is that of the information's pointwise values.
    assert float(conditional.stderr) < 0.02 and float(marginal.stderr) < 0.02
    # The rate beside N(0, I) is more than either.
    (rate,) = ex.latent.rates(model, x)
    assert float(rate.value) > without > exact


def test_a_prior_for_each_latent(getkey):
    model = _autoencoder()
    with pytest.raises(ValueError, match="`priors` must be 1, one for each latent; got 2"):
        ex.latent.learnt_rates(model, jnp.zeros((3, 1)), (_Prior(), _Prior()), key=getkey())
