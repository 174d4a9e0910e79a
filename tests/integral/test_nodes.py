"""Nodes against integrals known in closed form."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


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
