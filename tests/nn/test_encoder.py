"""Encoders and decoders."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


def test_the_divergence_of_a_diagonal_normal_is_that_of_its_densities():
    mean, log_std = jnp.array([0.3, -1.2, 0.0]), jnp.array([0.2, -0.7, 0.0])
    q = ex.nn.DiagonalNormal(mean, log_std)
    # By quadrature, each coordinate on its own.
    z = np.linspace(-12, 12, 40_001)
    exact = 0.0
    for m, s in zip(np.asarray(mean, np.float64), np.exp(np.asarray(log_std, np.float64))):
        density = np.exp(-0.5 * ((z - m) / s) ** 2) / s / np.sqrt(2 * np.pi)
        exact += np.trapezoid(density * (0.5 * z**2 - 0.5 * ((z - m) / s) ** 2 - np.log(s)), z)
    np.testing.assert_allclose(q.kl(), exact, rtol=1e-5)
    point = jnp.array([0.1, 0.2, -0.4])
    np.testing.assert_allclose(
        q.log_density(point), jnp.sum(jax.scipy.stats.norm.logpdf(point, mean, jnp.exp(log_std))), rtol=1e-5
    )
    assert ex.nn.DiagonalNormal(jnp.zeros(2), jnp.zeros(2)).kl() == 0


def test_draws_have_gradients_in_mean_and_deviation(getkey):
    key = getkey()
    drawn = lambda m, l: jnp.mean(ex.nn.DiagonalNormal(jnp.full(100_000, m), jnp.full(100_000, l)).sample(key) ** 2)
    # E z² = m² + e^{2l}.
    by_mean, by_log_std = jax.grad(drawn, (0, 1))(0.7, -0.3)
    np.testing.assert_allclose([by_mean, by_log_std], [1.4, 2 * np.exp(-0.6)], rtol=0.02)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 13, 10)])
def test_a_decoder_mirrors_its_encoder(getkey, shape):
    z = jr.normal(getkey(), (5,))
    for encoder, decoder in (
        (ex.nn.ConvEncoder(shape, 5, (4, 6), key=getkey()), ex.nn.ConvDecoder(5, shape, (4, 6), key=getkey())),
        (ex.nn.MLPEncoder(shape, 5, (16,), key=getkey()), ex.nn.MLPDecoder(5, shape, (16,), key=getkey())),
    ):
        image = jax.jit(lambda z: decoder(z))(z)
        assert image.shape == shape
        q = jax.jit(lambda x: encoder(x))(image)
        assert q.mean.shape == q.log_std.shape == (5,)
        # All of the image is seen, and all of the latent.
        seen = jax.jit(jax.grad(lambda x: jnp.sum(encoder(x).mean)))(image)
        heard = jax.jit(jax.jacobian(lambda z: decoder(z)))(z)
        assert np.all(np.any(np.asarray(heard).reshape(-1, 5) != 0, 0))
        assert np.mean(np.asarray(seen) != 0) > 0.9


def test_what_does_not_fit_is_refused(getkey):
    with pytest.raises(ValueError, match="`dim` must be a whole number, at least 1; got 0"):
        ex.nn.MLPEncoder((2,), 0, key=getkey())
    with pytest.raises(ValueError, match="`dim` must be a whole number, at least 1; got 0"):
        ex.nn.ConvEncoder((1, 8, 8), 0, key=getkey())
    with pytest.raises(ValueError, match="4 halvings want 16 pixels"):
        ex.nn.ConvEncoder((1, 8, 8), 2, (4, 4, 4, 4), key=getkey())
    with pytest.raises(ValueError, match=r"shape \(1, 8, 8\) that the encoder was made for; got \(1, 28, 28\)"):
        ex.nn.ConvEncoder((1, 8, 8), 2, key=getkey())(jnp.zeros((1, 28, 28)))
    with pytest.raises(ValueError, match=r"a latent of shape \(3,\)"):
        ex.nn.LatentCondition(3, 8, key=getkey())(jnp.zeros(2))
