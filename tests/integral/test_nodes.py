"""Nodes against integrals known in closed form."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.integral._nodes import check_covers


LOW, HIGH = jnp.asarray(-4.0), jnp.asarray(6.0)


def _logistic_rate(log_snr):
    # d/dλ of ½ log(1 + e^λ) is ½ sigmoid; its integral is the difference of softplus.
    return 0.5 / (1 + np.exp(-np.asarray(log_snr, np.float64)))


EXACT = 0.5 * (np.log1p(np.exp(6.0)) - np.log1p(np.exp(-4.0)))


def test_gauss_legendre_is_exact_to_rounding():
    draw = ex.GaussLegendre(panels=4, order=8).draw(jr.key(0), 1, LOW, HIGH)
    value = np.sum(np.asarray(draw.weight[0], np.float64) * _logistic_rate(draw.log_snr[0]))
    np.testing.assert_allclose(value, EXACT, rtol=2e-7)


PIECEWISE = ex.Piecewise(jnp.array([-6.0, -1.0, 0.0, 5.0, 7.0]), jnp.array([1.0, 5.0, 2.0, 0.5]))


@pytest.mark.parametrize("density", [ex.Uniform(), ex.Logistic(1.0, 2.0), PIECEWISE])
def test_stratified_nodes_are_unbiased_and_converge_fast(density, getkey):
    def error(batch):
        draw = ex.Stratified(4, density).draw(getkey(), batch, LOW, HIGH)
        weight = np.asarray(draw.weight, np.float64)
        return np.mean(np.sum(weight * _logistic_rate(draw.log_snr), 1)) - EXACT

    errors = np.array([error(16) for _ in range(200)])
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(200)
    # Sixteen times the nodes: N^{-3/2} where the density is smooth, N^{-1} where it jumps within a stratum, against
    # N^{-1/2} for independent nodes.
    finer = np.array([error(256) for _ in range(50)])
    assert finer.std() < errors.std() / (10 if density is PIECEWISE else 40)


@pytest.mark.parametrize("density", [ex.Uniform(), ex.Logistic(1.0, 2.0), PIECEWISE])
def test_densities_are_normalised_and_invert(density):
    u = jnp.linspace(0.001, 0.999, 2001)
    log_snr = density.quantile(u, LOW, HIGH)
    pdf = np.asarray(density.pdf(0.5 * (log_snr[1:] + log_snr[:-1]), LOW, HIGH))
    # The density is du/dλ: away from the jumps of a piecewise one.
    slope = np.asarray(jnp.diff(u) / jnp.diff(log_snr))
    assert np.median(np.abs(pdf / slope - 1)) < 1e-3
    assert float(log_snr[0]) > -4.1 and float(log_snr[-1]) < 6.1


NARROW = {
    "beyond": ex.Logistic(40.0, 0.5),
    "below": ex.Logistic(-30.0, 1.0),
    "too narrow": ex.Logistic(1.0, 0.1),
    "half of it": ex.Piecewise(jnp.array([0.0, 6.0]), jnp.array([1.0])),
    "all but an end": ex.Piecewise(jnp.array([-4.0, 5.5]), jnp.array([1.0])),
    "next to nothing in the middle": ex.Piecewise(jnp.array([-4.0, 0.0, 1.0, 6.0]), jnp.array([1.0, 1e-7, 1.0])),
}


@pytest.mark.parametrize("name", NARROW)
def test_a_density_that_leaves_out_a_part_of_the_range_is_refused(name):
    with pytest.raises(ValueError, match="`density`, .*, must cover the range of integration, λ = -4 to 6; "):
        check_covers(NARROW[name], LOW, HIGH)


class Unnormalised(ex.integral.AbstractDensity):
    """Uniform nodes with half of their weight."""

    def quantile(self, u, low, high):
        return low + (high - low) * u

    def pdf(self, log_snr, low, high):
        return 2 * jnp.ones_like(log_snr) / (high - low)


def test_a_density_of_ones_own_is_held_to_its_quantiles():
    with pytest.raises(ValueError, match="`density`, Unnormalised, must be normalised: its `pdf` integrates to 2 "):
        check_covers(Unnormalised(), LOW, HIGH)
    for density in (ex.Uniform(), ex.Logistic(1.0, 2.0), PIECEWISE, ex.Logistic(-3.0, 1.0)):
        check_covers(density, LOW, HIGH)


def test_a_fitted_density_reaches_both_ends_of_the_range_that_it_was_fitted_on():
    x = jr.normal(jr.key(0), (50, 2))
    integrator = ex.Integrator(nodes=ex.Stratified(4), log_snr_range=(-4.0, 6.0))
    for seed in range(5):
        profile = ex.entropy_rate(ex.Equilibrium(2.0), x, key=jr.key(seed), integrator=integrator)
        check_covers(ex.fit_density(profile), LOW, HIGH)
        with pytest.raises(ValueError, match="`floor` must be above 0.*; got 0"):
            ex.fit_density(profile, 0.0)


def _pilot(second_moment):
    moments = jnp.asarray(second_moment, jnp.float32)
    return ex.Profile(jnp.linspace(-2.0, 3.0, len(moments)), jnp.sqrt(moments), jnp.zeros_like(moments), moments)


def test_a_pilot_of_zeros_asks_for_no_noise_level_more_than_for_another():
    density = ex.fit_density(_pilot(jnp.zeros(6)))
    np.testing.assert_allclose(density.heights, 1 / 7)
    jitted = jax.jit(lambda moments: ex.fit_density(_pilot(moments)).heights)
    np.testing.assert_allclose(jitted(jnp.zeros(6)), 1 / 7)
    # One of one level asks for that level.
    heights = ex.fit_density(_pilot(jnp.zeros(6).at[2].set(9.0)), 0.1).heights
    np.testing.assert_allclose(heights, 0.1 / 7 + 0.9 * (np.arange(6) == 2))


@pytest.mark.parametrize(
    "moments, says",
    [
        ([1.0, np.inf, 1.0], "`profile` must have finite rates; that at λ = 0.5 is not"),
        (np.ones((3, 2)), r"`profile` must have one rate at each node; got rates of shape \(2,\)"),
    ],
)
def test_a_pilot_that_no_density_fits_is_refused(moments, says):
    with pytest.raises(ValueError, match=says):
        ex.fit_density(_pilot(moments))
