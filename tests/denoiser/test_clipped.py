"""Denoisers that are told where data can be, and what shape they have."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


def test_what_is_cut_to_the_bounds_never_errs_more(getkey):
    # For each sample and each noise, not in the mean alone; and the same where nothing had to be cut.
    rough = ex.Gaussian(np.zeros(3), np.diag([9.0, 1.0, 0.1]))
    clipped = ex.Clipped(rough, -1.0, 1.0)
    x, eps = jr.uniform(getkey(), (500, 3), minval=-1, maxval=1), jr.normal(getkey(), (500, 3))
    for log_snr in (-6.0, 0.0, 5.0):
        z = jax.vmap(ex.diffuse, (0, None, 0))(x, jnp.asarray(log_snr), eps)
        one, other = (jax.vmap(d, (0, None))(z, jnp.asarray(log_snr)) for d in (rough, clipped))
        assert np.all((other - eps) ** 2 <= (one - eps) ** 2 + 1e-5)
        a = jax.nn.sigmoid(log_snr)
        for noise, most in ((one, np.inf), (other, 1 + 1e-4)):
            denoised = (z - jnp.sqrt(1 - a) * noise) / jnp.sqrt(a)
            assert np.max(np.abs(denoised)) < most
            inside = np.abs(denoised) < 1 - 1e-4
            np.testing.assert_array_equal(np.where(inside, one, 0), np.where(inside, other, 0)) if most > 2 else None
    assert clipped.log_snr_range == rough.log_snr_range
    with pytest.raises(ValueError, match="`low` must be less than `high`; got 1.0 and -1.0"):
        ex.Clipped(rough, 1.0, -1.0)


def test_vectors_stand_for_images(getkey):
    images = ex.Histogram(np.linspace(-1, 1, 6), 1.5 * jr.normal(getkey(), (1, 2, 2, 5)))
    x = jr.uniform(getkey(), (50, 1, 2, 2), minval=-1, maxval=1)
    vectors = ex.Flattened(images, (1, 2, 2))
    key = getkey()
    one = ex.neural_entropy(images, x, key=key)
    other = ex.neural_entropy(vectors, x.reshape(50, 4), key=key)
    np.testing.assert_allclose(np.asarray(one.pointwise), np.asarray(other.pointwise), rtol=1e-5)
