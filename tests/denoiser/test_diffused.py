"""Data that come with noise: the same denoiser twice over, and what is still legible of a label."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROBLEM = ex.data.JointGaussian.random(jr.key(0), dim_x=3, dim_y=2, noise_std=0.7)


@pytest.mark.parametrize("level", (-2.0, 1.0, 6.0))
def test_noise_adds_to_the_covariance(level):
    mean, cov = np.array([1.0, -2.0]), np.array([[1.0, 0.4], [0.4, 0.3]])
    found = ex.Diffused(ex.Gaussian(mean, cov), level)
    wanted = ex.Gaussian(mean, cov + np.exp(-level) * np.eye(2))
    z, log_snrs = jr.normal(jr.key(1), (50, 2)), jnp.linspace(-8.0, 12.0, 50)
    np.testing.assert_allclose(jax.vmap(found)(z, log_snrs), jax.vmap(wanted)(z, log_snrs), rtol=2e-5, atol=2e-6)


def test_noise_on_noise():
    gaussian = ex.Gaussian(np.zeros(1), np.eye(1))
    # e^0 + e^0 = e^log 2
    twice, once = ex.Diffused(ex.Diffused(gaussian, 0.0), 0.0), ex.Diffused(gaussian, -float(np.log(2)))
    z, log_snr = jnp.array([0.7]), jnp.asarray(1.5)
    np.testing.assert_allclose(twice(z, log_snr), once(z, log_snr), rtol=1e-5)


def test_the_information_that_noise_leaves():
    level, (x, y) = 2.0, PROBLEM.sample(jr.key(2), 4_000)
    seen = x + np.exp(-level / 2) * jr.normal(jr.key(3), x.shape)
    model = ex.Diffused(PROBLEM.denoiser(), level)
    found = ex.mutual_information(model, seen, y, key=jr.key(4), method=ex.Orthogonal())
    of_x, of_x_given_y = (
        np.asarray(cov, np.float64) + np.exp(-level) * np.eye(3) for cov in (PROBLEM.cov_x, PROBLEM.cov_x_given_y)
    )
    exact = 0.5 * (np.linalg.slogdet(of_x)[1] - np.linalg.slogdet(of_x_given_y)[1])
    assert abs(found.value - exact) < 4 * found.stderr < 0.1
    # As much as the rates at all larger noise levels add up to.
    log_snr = np.linspace(-20, level, 4_001)
    np.testing.assert_allclose(np.trapezoid(PROBLEM.mutual_information_rate(log_snr), log_snr), exact, rtol=1e-4)


def test_where_it_can_be_trusted():
    class Trained(ex.Equilibrium):
        @property
        def log_snr_range(self):
            return -4.0, 6.0

    found = ex.Diffused(Trained(), 1.0)
    low, high = found.log_snr_range
    np.testing.assert_allclose(np.logaddexp(-low, -1.0), 4.0)
    assert high == np.inf
    with pytest.raises(ValueError, match="`log_snr` must be where the denoiser can be trusted, -4.0 to 6.0; got 7.0"):
        ex.Diffused(Trained(), 7.0)
