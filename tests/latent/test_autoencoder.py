"""Autoencoders, trained on laws whose best latents are known in closed form."""

import warnings

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


# Labels Y = X + noise are of a scale of their own, in whose band a latent tells of them.
VARIANCE, LABEL_NOISE = 0.1, 0.05
RANGE, WEIGHT = (-9.0, 8.0), 0.7


def _samples(key, num):
    x_key, y_key = jr.split(key)
    x = np.sqrt(VARIANCE) * jr.normal(x_key, (num, 1))
    return x, x + np.sqrt(LABEL_NOISE) * jr.normal(y_key, (num, 1))


def _split(edge, key):
    """An autoencoder of two latents of one number each, linear but in its decoder."""
    first_key, second_key, condition_key, net_key = jr.split(key, 4)
    net = ex.nn.MLP(1, ex.nn.LatentCondition(2, 64, key=condition_key), RANGE, depth=2, key=net_key)
    law = ex.Gaussian(jnp.zeros(1), VARIANCE * jnp.eye(1))
    normalise = ex.Whitening(law.mean, law.variances, law.axes)
    denoiser = ex.Neural(net, law, ex.entropy_matching().scale, normalise, RANGE)
    encoders = tuple(ex.nn.MLPEncoder((1,), 1, (), key=k) for k in (first_key, second_key))
    return ex.latent.DiffusionAutoencoder(encoders, ex.latent.Bands(denoiser, (edge,)))


def _information(a, b):
    """Of jointly Gaussian columns."""
    return -0.5 * np.log1p(-(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1] ** 2))


@pytest.fixture(scope="module", params=[pytest.param(0.0, marks=pytest.mark.slow), 5.0])
def trained(request):
    edge, keys = request.param, jr.split(jr.key(0), 4)
    (x, _), (held_out, _) = _samples(keys[0], 10_000), _samples(keys[1], 1_000)
    # What tells of fine noise is learnt late.
    steps = 4_000 if edge == 0.0 else 2_000
    settings = ex.Settings(steps=steps, batch_size=256, learning_rate=4e-3, averages=(0.99,), chunk=1_000)
    # The rate is free at first: else encoders give up before the decoder has learnt to listen.
    objective = ex.latent.NegativeELBO(weight=lambda progress: WEIGHT * jnp.minimum(2 * progress, 1.0))
    training = ex.train(
        _split(edge, keys[2]), x, held_out=(held_out, None), key=keys[3], settings=settings, objective=objective
    )
    return edge, training.denoiser, ex.latent.gaussian_optimum(np.array([VARIANCE]), (RANGE[0], edge, RANGE[1]), WEIGHT)


def test_information_is_in_the_latent_in_whose_band_it_serves(getkey, trained):
    edge, model, exact = trained
    x, y = _samples(getkey(), 10_000)
    latents = ex.latent.encode(model, x, key=getkey())
    # ρ² of X and Z_i, by what the best latent leaves of the variance.
    told = -np.expm1(-2 * exact.rates[:, 0])
    of_labels = -0.5 * np.log1p(-told * VARIANCE / (VARIANCE + LABEL_NOISE))
    found = [_information(z, y) for z in latents]
    # It crosses between the two edges.
    assert (of_labels[0] < of_labels[1]) == (edge == 0.0)
    np.testing.assert_allclose(found, of_labels, atol=0.03)
    np.testing.assert_allclose([_information(z, x) for z in latents], exact.rates[:, 0], atol=0.15)


def test_rate_and_distortion_are_those_of_the_optimum(getkey, trained):
    edge, model, exact = trained
    x, _ = _samples(getkey(), 4_000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        point = ex.latent.rate_distortion(model, x, key=getkey())
    for rate, wanted in zip(point.rates, exact.rates[:, 0], strict=True):
        np.testing.assert_allclose(float(rate.value), wanted, atol=0.15)
    # The silent latent says that it is.
    silent = int(np.argmin(exact.rates[:, 0]))
    assert [f"Latent {silent} has collapsed" in str(w.message) for w in caught].count(True) == 1
    # -log p(x|z) is that of the prior less the decoder's gain.
    edges, left = (RANGE[0], edge, RANGE[1]), exact.log_variances[:, 0]
    cost = lambda u, a, b: 0.5 * (np.logaddexp(0, b + u) - np.logaddexp(0, a + u))
    gain = sum(cost(np.log(VARIANCE), a, b) - cost(u, a, b) for u, a, b in zip(left, edges, edges[1:]))
    entropy = 0.5 * np.log(2 * np.pi * np.e * VARIANCE)
    # In the sum, as a little more of the one is a little less of the other.
    cost_of_all = entropy - gain + WEIGHT * exact.rates.sum()
    found = point.distortion + WEIGHT * point.rate
    assert abs(float(found.value) - cost_of_all) < 0.05 + 4 * float(found.stderr)


def test_a_linear_variational_autoencoder_is_probabilistic_pca(getkey):
    # The evidence bound is tight for linear Gaussians: the best is the likelihood of principal components, whose noise
    # is the mean of the variances left (Tipping and Bishop, 1999; Dai et al., 2018).
    variances = np.array([4.0, 1.0, 0.25])
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    draw = lambda key, num: jr.normal(key, (num, 3)) * np.sqrt(variances) @ turn.T.astype(np.float32)
    encoder = ex.nn.MLPEncoder((3,), 1, (), key=getkey())
    decoder = ex.nn.MLPDecoder(1, (3,), (), key=getkey())
    model = ex.latent.VariationalAutoencoder((encoder,), decoder, jnp.zeros(()))
    settings = ex.Settings(steps=2_000, batch_size=256, learning_rate=1e-2, averages=(0.99,), chunk=500)
    training = ex.train(
        model,
        draw(getkey(), 20_000),
        held_out=(draw(getkey(), 2_000), None),
        key=getkey(),
        settings=settings,
        objective=ex.latent.NegativeELBO(),
    )
    noise = variances[1:].mean()
    entropy = 0.5 * (np.log(variances[0]) + 2 * np.log(noise) + 3 * np.log(2 * np.pi * np.e))
    point = ex.latent.rate_distortion(training.denoiser, draw(getkey(), 20_000), key=getkey())
    minus_elbo = point.distortion + point.rate
    assert abs(float(minus_elbo.value) - entropy) < 0.01 + 4 * float(minus_elbo.stderr), f"{minus_elbo}, {entropy}"
    # The rate is the information of the first component on its latent.
    np.testing.assert_allclose(float(point.rate.value), 0.5 * np.log(variances[0] / noise), atol=0.05)


class _ToldOne(ex.AbstractDenoiser):
    """Exact, of x ~ N(0, 1) given a latent whose correlation with it is 0.8."""

    @property
    def log_snr_range(self):
        return -np.inf, np.inf

    def __call__(self, z, log_snr, y=None):
        assert y is not None
        a, b = jax.nn.sigmoid(log_snr), jax.nn.sigmoid(-log_snr)
        return jnp.sqrt(b) * (z - jnp.sqrt(a) * 0.8 * y) / (a * 0.36 + b)


def test_samples_through_the_latent_have_the_law_of_the_data(getkey):
    encoder = ex.nn.MLPEncoder((1,), 1, (), key=getkey())
    model = ex.latent.DiffusionAutoencoder((encoder,), ex.latent.Bands(_ToldOne(), ()))
    # The latent is ±1 by its label, with noise of variance 1/4.
    means = jnp.array([-1.0, 1.0])

    class Prior(ex.AbstractDenoiser):
        @property
        def log_snr_range(self):
            return -np.inf, np.inf

        def __call__(self, z, log_snr, y=None):
            a, b = jax.nn.sigmoid(log_snr), jax.nn.sigmoid(-log_snr)
            return jnp.sqrt(b) * (z - jnp.sqrt(a) * means[y]) / (a * 0.25 + b)

    y = jnp.arange(4_000) % 2
    sampler = ex.Sampler(steps=64, log_snr_range=(-12.0, 12.0))
    x = ex.latent.generate(model, Prior(), y, key=getkey(), prior_sampler=sampler, sampler=sampler)
    for label in (0, 1):
        mine = np.asarray(x[y == label])
        # x = 0.8 z + noise of variance 0.36.
        assert abs(mine.mean() - 0.8 * float(means[label])) < 4 * np.sqrt(0.52 / 2_000) + 0.01
        np.testing.assert_allclose(mine.var(), 0.64 * 0.25 + 0.36, rtol=0.12)
    first, second = ex.latent.split_latents(_split(0.0, getkey()), jnp.array([[1.0, 2.0]]))
    assert first == 1 and second == 2


def test_what_does_not_fit_is_refused(getkey):
    encoder = ex.nn.MLPEncoder((1,), 1, (), key=getkey())
    with pytest.raises(ValueError, match="`encoders` must be 2, one for each band; got 1"):
        ex.latent.DiffusionAutoencoder((encoder,), ex.latent.Bands(_ToldOne(), (0.0,)))
    with pytest.raises(ValueError, match="`encoders` of a variational autoencoder must be one; got 2"):
        ex.latent.VariationalAutoencoder((encoder, encoder), lambda z: z, jnp.zeros(()))
    model = ex.latent.DiffusionAutoencoder((encoder,), ex.latent.Bands(_ToldOne(), ()))
    with pytest.raises(ValueError, match=r"shape \(1,\) that the encoder was made for; got \(2,\)"):
        ex.latent.encode(model, jnp.zeros((3, 2)), key=getkey())
    with pytest.raises(ValueError, match="`z` must hold the 1 numbers"):
        ex.latent.split_latents(model, jnp.zeros((3, 2)))
    wide = jax.tree.map(lambda leaf: 1e3 * leaf, encoder)
    diverging = ex.latent.DiffusionAutoencoder((wide,), ex.latent.Bands(_ToldOne(), ()))
    with pytest.raises(ValueError, match="`weight` must be finite and not negative; got -1.0"):
        ex.latent.NegativeELBO(weight=-1.0)
    with pytest.raises(FloatingPointError, match="Encoder 0 diverges"):
        ex.latent.encode(diverging, jnp.linspace(-5, 5, 11)[:, None], key=getkey())
