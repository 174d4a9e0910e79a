"""Fits in units of the samples themselves: likelihoods, information and samples are those of any units."""

import functools as ft
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.denoiser import moments_of


CORRELATION = np.array([[1.0, 0.8], [0.8, 1.0]])
MEANS, STDS = np.array([1e4, -3.0]), np.array([50.0, 1e-3])
# Nothing is learned in so few steps, so that a fit is its baseline.
UNTRAINED = ex.Settings(steps=1, batch_size=16, learning_rate=0.0)
SHORT = ex.Settings(steps=400, batch_size=256)
PROCESS = ex.VariancePreserving()


def normal(seed: int, num: int, dim: int = 2) -> np.ndarray:
    """Standard normal samples with exactly these two moments."""
    u = np.random.default_rng(seed).normal(size=(num, dim))
    u = u - u.mean(0)
    return u @ np.linalg.inv(np.linalg.cholesky(u.T @ u / num)).T


def correlated(seed: int, num: int) -> np.ndarray:
    return normal(seed, num) @ np.linalg.cholesky(CORRELATION).T


@ft.cache
def of_unlike_units():
    x = jnp.asarray(MEANS + STDS * correlated(0, 3000), jnp.float32)
    return ex.fit(x, key=jr.key(0), width=64, settings=SHORT), x


def gaussian_entropy(stds, correlation=np.eye(2)) -> float:
    return float(np.log(stds).sum() + 0.5 * np.linalg.slogdet(2 * np.pi * np.e * correlation)[1])


UNITS = {
    "as they are": (np.zeros(2), np.ones(2), np.float32),
    "small": (np.zeros(2), np.array([1e-6, 2e-6]), np.float32),
    "large": (np.zeros(2), np.array([1e6, 1e5]), np.float32),
    "small beside large": (np.zeros(2), np.array([1e6, 1e-6]), np.float32),
    "far from zero": (np.array([1e5, -2e5]), np.ones(2), np.float32),
    "far from zero in float64": (np.array([1e9, -3.0]), np.array([0.5, 1.0]), np.float64),
    "extreme": (np.array([1e16, 0.0]), np.array([1e10, 1e-4]), np.float64),
}


@pytest.mark.parametrize("scheme", [ex.entropy_matching(), ex.velocity_matching()])
@pytest.mark.parametrize("units", UNITS)
def test_an_untrained_fit_is_the_gaussian_with_the_moments_of_its_samples(units, scheme):
    means, stds, dtype = UNITS[units]
    x = (means + stds * normal(1, 512)).astype(dtype)
    model = ex.fit(x, key=jr.key(0), width=8, depth=1, parameterisation=scheme, settings=UNTRAINED)
    entropy = gaussian_entropy(stds)
    estimate = ex.nll(model, x, key=jr.key(1))
    assert abs(float(estimate.value) - entropy) < 1e-2, (estimate, entropy)
    # Without the control variate of the same moments, which is all of the value.
    again = (
        ex.nll(model, x, key=jr.key(1), baseline=ex.Gaussian(means, np.diag(4 * stds**2)))
        if units in ("as they are", "far from zero")
        else estimate
    )
    assert abs(float(again.value) - entropy) < 4 * float(again.stderr) + 1e-2, (again, entropy)
    moments = moments_of(ex.Guided(model, 1.0, reference=model))
    assert moments is not None
    np.testing.assert_allclose(moments.std, stds, rtol=1e-3)
    np.testing.assert_allclose(moments.mean, means, rtol=1e-6, atol=1e-3 * stds.max())


def test_the_likelihood_of_data_in_unlike_units():
    model, x = of_unlike_units()
    exact = gaussian_entropy(STDS, CORRELATION)
    for estimate in (ex.nll(model, x, key=jr.key(1)), ex.nll_map(model, x, key=jr.key(1)).sum()):
        assert abs(float(estimate.value) - exact) < 0.1, estimate
        assert float(estimate.stderr) < 0.05
    flow = ex.log_density(PROCESS, model, x[:200], rtol=1e-4, atol=1e-5)
    u = (np.asarray(x[:200], np.float64) - MEANS) / STDS
    log_p = -0.5 * np.einsum("ij,jk,ik->i", u, np.linalg.inv(CORRELATION), u) - exact + 1
    np.testing.assert_allclose(np.median(np.abs(flow.value - log_p)), 0, atol=0.15)


def test_samples_of_data_in_unlike_units():
    model, _ = of_unlike_units()
    # A clock that resolves the smallest direction, at λ = 30.
    sampler = ex.Sampler(clock=ex.NoiseRatio(T=1e3))
    for denoiser in (model, ex.Guided(model, 0.0, reference=model)):
        x = np.asarray(ex.sample(PROCESS, denoiser, (2000, 2), key=jr.key(1), sampler=sampler).x, np.float64)
        u = (x - MEANS) / STDS
        np.testing.assert_allclose(u.mean(0), 0, atol=0.1)
        np.testing.assert_allclose(np.cov(u.T), CORRELATION, atol=0.12)


def test_neural_entropy_remains_that_of_the_units_of_the_samples():
    model, x = of_unlike_units()
    # KL(N(m, C) ‖ N(0, I)).
    exact = 0.5 * (np.sum(STDS**2 + MEANS**2) - 2 - np.linalg.slogdet(CORRELATION * np.outer(STDS, STDS))[1])
    estimate = ex.neural_entropy(model, x[:1000], key=jr.key(4))
    assert abs(float(estimate.value) - exact) < 4 * float(estimate.stderr) < 0.01 * exact


def test_latents_of_data_in_unlike_units_are_decoded_to_them():
    model, x = of_unlike_units()
    sampler = ex.Sampler(steps=100, clock=ex.NoiseRatio(T=1e3), finish=None)
    latent = ex.encode(PROCESS, model, x[:500], sampler=sampler)
    np.testing.assert_allclose(np.cov(np.asarray(latent, np.float64).T), np.eye(2), atol=0.25)
    again = ex.solve.decode(PROCESS, model, latent, sampler=sampler).x
    np.testing.assert_allclose((again - x[:500]) / STDS, 0, atol=0.1)


@pytest.mark.parametrize("scale, shift", [(2.0**10, 0.0), (2.0**-20, 0.0), (1.0, 4.0)])
def test_units_of_the_samples_change_nothing_but_the_likelihood(scale, shift):
    problem = ex.data.JointGaussian.random(jr.key(0), dim_x=2, dim_y=2, noise_std=0.7)
    x, y = (np.asarray(part, np.float64) for part in problem.sample(jr.key(1), 1000))
    fit = ft.partial(ex.fit, key=jr.key(2), width=16, depth=1, settings=ex.Settings(steps=200, batch_size=128))

    @ft.cache
    def measured(scale, shift):
        x_own = jnp.asarray(scale * x + shift, jnp.float32)
        y_own = jnp.asarray(np.array([1e5, 1e-5]) * y if scale != 1 else y, jnp.float32)
        model = fit(x_own, y_own)
        information = ex.mutual_information(model, x_own, y_own, key=jr.key(3))
        return float(information.value), ex.nll(model, x_own, key=jr.key(4))

    information, value = measured(1.0, 0.0)
    other_information, other_value = measured(scale, shift)
    assert abs(other_information - information) < 0.05 + 0.02 * abs(information)
    # As many bits of rounding as float32 has.
    np.testing.assert_allclose(other_value.value, value.value + 2 * math.log(scale), atol=0.02)
    assert jax.tree.structure(value) == jax.tree.structure(other_value)


def test_a_baseline_in_the_units_of_the_samples_serves_too():
    x = jnp.asarray(MEANS + STDS * correlated(2, 1000), jnp.float32)
    scheme = ex.gaussian_matching(x)
    model = ex.fit(x, key=jr.key(0), width=8, depth=1, parameterisation=scheme, settings=UNTRAINED)
    estimate = ex.nll(model, x, key=jr.key(1))
    exact = gaussian_entropy(STDS, CORRELATION)
    assert abs(float(estimate.value) - exact) < 4 * float(estimate.stderr) + 0.01 < 0.2, estimate


def test_the_path_likelihood_is_that_of_the_samples():
    means, stds = np.array([1e3, -20.0]), np.array([8.0, 4.0])
    x = jnp.asarray(means + stds * normal(3, 512), jnp.float32)
    model = ex.fit(x, key=jr.key(0), width=8, depth=1, settings=UNTRAINED)
    estimate = ex.solve.path_nll(PROCESS, model, x, key=jr.key(1))
    assert abs(float(estimate.value) - gaussian_entropy(stds)) < 4 * float(estimate.stderr) + 0.02, estimate
    with pytest.raises(ValueError, match=r"`paths` begin at `s_min` = 0.1, .*: give a smaller `s_min`"):
        ex.solve.path_nll(PROCESS, model, x, key=jr.key(1), paths=ex.solve.Paths(s_min=0.1))


@pytest.mark.parametrize("scheme", [ex.score_matching(), ex.noise_matching()])
def test_parameterisations_without_a_baseline_learn_in_any_units(scheme):
    x = jnp.asarray([300.0, -2.0] + np.array([20.0, 0.05]) * normal(4, 1000), jnp.float32)
    model = ex.fit(x, key=jr.key(0), width=32, depth=1, parameterisation=scheme, settings=SHORT)
    estimate = ex.nll(model, x, key=jr.key(1))
    assert abs(float(estimate.value) - gaussian_entropy(np.array([20.0, 0.05]))) < 0.25, estimate
