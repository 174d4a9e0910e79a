"""The decoder of DDPM: probabilities of levels under what a denoiser predicts."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

import entropax as ex
from entropax.information._predicted_decoder import log_normal_mass


GRID = ex.Grid(-1.0, 1.0, 17)


def test_it_is_a_gaussian_in_bins(getkey):
    model = ex.Gaussian(np.array([0.1, -0.2]), np.array([[0.5, 0.3], [0.3, 0.4]]))
    decoder = ex.PredictedDecoder(model, GRID, 0.07)
    values = jnp.asarray(GRID.values, jnp.float32)
    x = values[jr.randint(getkey(), (2,), 0, 17)]
    for log_snr in (0.0, 4.0, 9.0):
        z = ex.diffuse(x, jnp.asarray(log_snr), jr.normal(getkey(), (2,)))
        a = expit(log_snr)
        mean = (np.asarray(z) - np.sqrt(1 - a) * np.asarray(model(z, jnp.asarray(log_snr)))) / np.sqrt(a)
        edges = np.concatenate([[-np.inf], 0.5 * (GRID.values[1:] + GRID.values[:-1]), [np.inf]])
        shares = np.diff(norm.cdf(edges[:, None], mean, 0.07), axis=0)
        places = np.asarray(GRID.index(x))
        expected = -np.log(shares[places, [0, 1]]).sum()
        np.testing.assert_allclose(decoder(x, z, jnp.asarray(log_snr)), expected, rtol=2e-3, atol=2e-4)
        # All images of two pixels have probability one together.
        every = jnp.stack([m.ravel() for m in jnp.meshgrid(values, values)], 1)
        logs = jax.vmap(decoder, (0, None, None))(every, z, jnp.asarray(log_snr))
        np.testing.assert_allclose(jnp.sum(jnp.exp(-logs)), 1, atol=1e-4)


@pytest.mark.slow
def test_the_integral_below_a_noise_level_and_the_decoder_above_are_the_entropy(getkey):
    # Of a hundred images, equally likely: -log P = log 100, and at λ = 8 the denoiser knows which one it was.
    points = GRID.nearest(jr.uniform(getkey(), (100, 6), minval=-1, maxval=1))
    model = ex.Empirical(points)
    high = 8.0
    decoder = ex.PredictedDecoder(model, GRID, 0.02)
    body = ex.integrate(
        ex.Loss(model), jnp.tile(points, (20, 1)), key=getkey(), integrator=ex.Integrator(log_snr_range=(-14.0, high))
    )
    z = jax.vmap(ex.diffuse, (0, None, 0))(points, jnp.asarray(high), jr.normal(getkey(), points.shape))
    rest = jnp.mean(jax.vmap(decoder, (0, 0, None))(points, z, jnp.asarray(high)))
    assert abs(float(body.value + rest) - np.log(100)) < 4 * float(body.stderr) + 0.01


def test_the_logarithm_of_a_mass_is_good_everywhere():
    ends = np.array([-40.0, -9.0, -1.0, -1e-3, 0.0, 1e-3, 0.04, 0.06, 2.0, 9.0, 40.0])
    lower, upper = (side.ravel() for side in np.meshgrid(ends, ends))
    lower, upper = lower[lower < upper], upper[lower < upper]
    near, far = np.where(lower > 0, -lower, upper), np.where(lower > 0, -upper, lower)
    exact = norm.logcdf(near) + np.log1p(-np.exp(norm.logcdf(far) - norm.logcdf(near)))
    found = log_normal_mass(jnp.asarray(lower, jnp.float32), jnp.asarray(upper, jnp.float32))
    np.testing.assert_allclose(found, exact, rtol=2e-5, atol=2e-4)
    whole = log_normal_mass(jnp.asarray([-jnp.inf, -jnp.inf, 1.0]), jnp.asarray([jnp.inf, 1.0, jnp.inf]))
    np.testing.assert_allclose(np.asarray(whole), np.asarray([0.0, norm.logcdf(1), norm.logsf(1)]), atol=1e-6)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="`std` must be positive and finite; got 0.0"):
        ex.PredictedDecoder(ex.Equilibrium(), GRID, 0.0)
    with pytest.raises(ValueError, match="`x` must lie on the grid"):
        ex.PredictedDecoder(ex.Equilibrium(), GRID, 0.1).check(jnp.asarray([[0.03]]))
