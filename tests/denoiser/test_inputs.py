"""What networks see of the state: in units of its spread, and with the waves that a Gaussian posterior expects."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


# Samples whose moments are known, since they are what they are made to have.
MEAN, STDS = np.array([0.7, -0.2]), np.array([2.0, 0.05])


@pytest.fixture(scope="module")
def fourier():
    x = jr.normal(jr.key(0), (2000, 2))
    x = (x - x.mean(0)) @ jnp.linalg.inv(jnp.linalg.cholesky(jnp.cov(x, rowvar=False, bias=True))).T
    x = jnp.asarray(STDS, jnp.float32) * x + jnp.asarray(MEAN, jnp.float32)
    return ex.FourierFeatures.fit(x, key=jr.key(1), num=12, highest=20.0)


@pytest.mark.parametrize("log_snr", [-3.0, 1.0, 7.0])
def test_waves_are_those_that_the_posterior_expects(fourier, log_snr):
    a = 1 / (1 + np.exp(-log_snr))
    z = np.array([0.9, 0.1])
    # The posterior of each coordinate by itself: both are independent under these moments.
    precision = 1 / STDS**2 + a / (1 - a)
    mean = (MEAN / STDS**2 + np.sqrt(a) * z / (1 - a)) / precision
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    grids = [(m + nodes / np.sqrt(p) - c) / s for m, p, c, s in zip(mean, precision, MEAN, STDS)]
    u = np.stack(np.meshgrid(*grids, indexing="ij"), -1)
    weight = weights[:, None] * weights / (2 * np.pi)
    phases = u @ np.asarray(fourier.waves, np.float64).T
    expected = [np.einsum("ij,ijk->k", weight, f(phases)) for f in (np.sin, np.cos)]
    found = fourier(jnp.asarray(z, jnp.float32), jnp.asarray(log_snr))
    np.testing.assert_allclose(found[2:], np.concatenate(expected), atol=2e-3)


def test_the_state_itself_comes_first(fourier):
    z, log_snr = jr.normal(jr.key(2), (2,)), jnp.asarray(0.3)
    np.testing.assert_array_equal(fourier(z, log_snr)[:2], fourier.whitening(z, log_snr))


def test_waves_reach_from_the_size_of_the_data_to_the_finest_detail(fourier):
    lengths = np.linalg.norm(fourier.waves, axis=1)
    np.testing.assert_allclose(lengths, np.geomspace(0.5, 20.0, 12), rtol=1e-5)


@pytest.mark.slow
def test_a_network_learns_through_them():
    # Pairs of points 0.02 apart. In this time the whitened state alone loses 1.31 of the 1.50 nats that there are to
    # learn between λ = 6 and 10, where the noise is as wide as a pair.
    x = jnp.where(jr.bernoulli(jr.key(3), shape=(4000, 1)), 1.0, -1.0)
    x = x + 0.01 * jr.rademacher(jr.key(4), (4000, 1), jnp.float32)
    features = ex.FourierFeatures.fit(x, key=jr.key(5), num=32, highest=150.0)
    settings = ex.Settings(steps=400, batch_size=256, chunk=100)
    model = ex.fit(x, key=jr.key(6), normalise=features, width=64, log_snr_range=(-9.0, 12.0), settings=settings)
    assert jax.eval_shape(model, x[0], jnp.zeros(())).shape == (1,)
    integrator = ex.Integrator(nodes=ex.Stratified(16), log_snr_range=(6.0, 10.0))
    truth = ex.Empirical(jnp.asarray([[-1.01], [-0.99], [0.99], [1.01]]))
    lost = ex.integrate(ex.Gap(model, truth), x[:1000], key=jr.key(7), integrator=integrator)
    gained = ex.integrate(ex.Gap(ex.Equilibrium(), truth), x[:1000], key=jr.key(7), integrator=integrator)
    assert float(lost.value) < 0.05 * float(gained.value)


def test_bad_arguments():
    x = jnp.zeros((10, 2))
    with pytest.raises(ValueError, match="`num` must be a whole number, at least 1; got 0"):
        ex.FourierFeatures.fit(x, key=jr.key(0), num=0)
    with pytest.raises(ValueError, match="`highest` must be above 1/2 and finite; got 0.1"):
        ex.FourierFeatures.fit(x, key=jr.key(0), highest=0.1)
