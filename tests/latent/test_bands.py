"""Latents in their bands: exact Gaussians, of which all integrals are known."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


EDGE, VARIANCE = 1.0, 2.0
# What either latent leaves of the variance.
LEFT = np.array([0.8, 0.05])


class _Told(ex.AbstractDenoiser):
    """The exact denoiser of x ~ N(0, VARIANCE) given the latent of the band: z_i = x + noise, of unit variance."""

    @property
    def log_snr_range(self):
        return -np.inf, np.inf

    def __call__(self, z, log_snr, y=None):
        mean, variance = jnp.zeros(1), jnp.asarray(VARIANCE)
        if y is not None:
            place = jnp.where(log_snr > EDGE, 1, 0)
            variance = jnp.asarray(LEFT, z.dtype)[place]
            # E[x|z_i] for a latent of unit variance: its correlation with x, times the deviation of x.
            mean = jnp.sqrt(VARIANCE - variance) * jnp.sum(y, keepdims=True)
        a, b = jax.nn.sigmoid(log_snr), jax.nn.sigmoid(-log_snr)
        return jnp.sqrt(b) * (z - jnp.sqrt(a) * mean) / (a * variance + b)


def _latents(key, x):
    # Var(x|z) = left where z = r x/√v + √(1 - r²) noise, r² = 1 - left/v.
    r = np.sqrt(1 - LEFT / VARIANCE)
    noise = jr.normal(key, (2, *x.shape))
    return tuple(ri * x / np.sqrt(VARIANCE) + np.sqrt(1 - ri**2) * n for ri, n in zip(r, noise))


def _cost(low, high, variance):
    """½∫ of the least mean square error of the noise."""
    return 0.5 * (np.logaddexp(0, high + np.log(variance)) - np.logaddexp(0, low + np.log(variance)))


BANDS = ex.latent.Bands(_Told(), (EDGE,))


def test_each_band_hears_its_latent_alone():
    z, latents = jnp.ones(1), (jnp.array([0.3]), jnp.array([-2.0]))
    for log_snr, place in ((-4.0, 0), (EDGE, 0), (1.01, 1), (8.0, 1)):
        told = np.zeros(2)
        told[place] = latents[place][0]
        np.testing.assert_array_equal(BANDS.heard(jnp.asarray(log_snr), latents), told.astype(np.float32))
        changed = list(latents)
        changed[1 - place] = jnp.array([7.0])
        alone, other = (BANDS(z, jnp.asarray(log_snr), y) for y in (latents, tuple(changed)))
        assert alone == other
    several = ex.predictions(BANDS, z, jnp.asarray(2.0), (latents, None))
    assert several[0] == BANDS(z, jnp.asarray(2.0), latents) and several[1] == BANDS(z, jnp.asarray(2.0))


def test_the_gain_of_the_decoder_is_that_of_either_band(getkey):
    x = np.sqrt(VARIANCE) * jr.normal(getkey(), (4_000, 1))
    latents = _latents(getkey(), x)
    low, high = -9.0, 12.0
    integrator = ex.Integrator(log_snr_range=(low, high))
    exact = (
        _cost(low, EDGE, VARIANCE)
        - _cost(low, EDGE, LEFT[0])
        + _cost(EDGE, high, VARIANCE)
        - _cost(EDGE, high, LEFT[1])
    )
    for method in (ex.LossGapForm(), ex.Orthogonal()):
        found = ex.mutual_information(BANDS, x, latents, key=getkey(), method=method, integrator=integrator)
        assert abs(float(found.value) - exact) < 4 * float(found.stderr), f"{found}, exact {exact}"
    # A latent may be worth no more than it tells: I(X;Z_i) = ½ log(v/v').
    assert exact <= 0.5 * np.sum(np.log(VARIANCE / LEFT))


def test_times_become_edges():
    process = ex.VariancePreserving()
    edges = ex.latent.band_edges(process, 0.1, 0.5)
    np.testing.assert_allclose(edges, [float(process.log_snr(jnp.asarray(s))) for s in (0.5, 0.1)])
    for times in ((0.0,), (1.0,), (0.2, 0.2), (-0.1,)):
        with pytest.raises(ValueError, match="between 0 and T = 1"):
            ex.latent.band_edges(process, *times)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`y` must have 2 latents"):
        BANDS(jnp.ones(1), jnp.asarray(0.0), (jnp.ones(1),))
    with pytest.raises(ValueError, match="`edges` must increase"):
        ex.latent.Bands(_Told(), (1.0, 1.0))
    net = eqx.nn.Linear(1, 1, key=jr.key(0))
    model = ex.Neural(net, ex.Equilibrium(), lambda a: a, lambda z, a: z, (-9.0, 9.0))
    with pytest.raises(ValueError, match="between the denoiser's -9 and 9"):
        ex.latent.Bands(model, (10.0,))
