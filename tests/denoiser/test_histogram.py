"""Densities that are constant in bins: their denoiser by quadrature, their likelihood in closed form."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.special
from scipy.special import log_ndtr

import entropax as ex


PROBABILITIES = np.array([0.6, 0.0, 0.05, 0.35])
ONE = ex.Histogram(np.linspace(-1, 1, 5), np.log(np.maximum(PROBABILITIES, 1e-30))[None])
FINE = ex.Histogram(np.linspace(-1, 1, 257), jr.normal(jr.key(0), (3, 256)))
# As of images whose pixels are black, white, and now and then of a shade between.
UNEVEN = ex.Histogram(
    (-1.0, -127 / 128, -0.5, 0.125, 31 / 32, 1.0), np.log([[0.7, 0.02, 0.05, 0.03, 0.2], [0.1, 0.2, 0.3, 0.2, 0.2]])
)
predict = eqx.filter_jit(lambda histogram, z, log_snr: histogram(z, log_snr))


def density(histogram, coordinate, x):
    p = np.exp(np.asarray(histogram.log_probabilities[coordinate], np.float64)) / np.diff(histogram.edges)
    return p[np.clip(np.searchsorted(histogram.edges, x) - 1, 0, len(p) - 1)]


def by_quadrature(histogram, coordinate, z, log_snr):
    """The posterior mean of the noise, in float64 on a grid that is fine where the posterior is."""
    a = 1 / (1 + np.exp(-log_snr))
    centre, std = z / np.sqrt(a), np.exp(-log_snr / 2)
    # The middle of equal cells: no node on an edge of a bin.
    cells = 2**18
    low, high = max(-1.0, centre - 12 * std), min(1.0, centre + 12 * std)
    x = low + (high - low) * (np.arange(cells) + 0.5) / cells
    t = (x - centre) / std
    weight = density(histogram, coordinate, x) * np.exp(-0.5 * t**2)
    return -(weight * t).sum() / weight.sum()


@pytest.mark.parametrize("histogram", (ONE, FINE, UNEVEN), ids=("four bins", "256 bins", "uneven bins"))
@pytest.mark.parametrize("log_snr", (-9.0, -2.0, 1.5, 6.0, 7.9, 8.5, 12.0, 16.0))
def test_is_the_posterior_mean(histogram, log_snr):
    a = jax.nn.sigmoid(log_snr)
    # The data, their noise, and one state that is as far outside as noise ever takes it.
    x, noise = np.array([-0.93, 0.72, -0.99, 0.999]), np.array([0.3, -1.2, 2.0, 4.0])
    states = np.asarray(jnp.sqrt(a) * x + jnp.sqrt(1 - a) * noise, np.float64)
    dim = histogram.log_probabilities.shape[0]
    for z in states:
        wanted = [by_quadrature(histogram, k, np.float64(np.float32(z)), log_snr) for k in range(dim)]
        # A float32 state is known to 1e-7 of itself, in units of the noise.
        accuracy = 1e-4 + 2e-7 * np.exp(log_snr / 2)
        found = predict(histogram, jnp.full(dim, z, jnp.float32), jnp.asarray(log_snr, jnp.float32))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=accuracy)


def test_far_outside_of_all_bins_it_points_back():
    (found,) = predict(ONE, jnp.array([3.0]), jnp.asarray(10.0))
    # Noise of 0.0067: the nearest edge is 297 standard deviations away.
    np.testing.assert_allclose(found, (3.0 / np.sqrt(1 / (1 + np.exp(-10))) - 1) * np.exp(5), rtol=1e-3)


def test_the_likelihood_is_that_of_the_bins():
    law = ex.Histogram(np.linspace(-1, 1, 17), jr.normal(jr.key(0), (3, 16)))
    bins = jr.categorical(jr.key(1), law.log_probabilities, shape=(1_024, 3))
    x = (bins.astype(float) + jr.uniform(jr.key(2), bins.shape)) / 8 - 1
    densities = jax.jit(jax.vmap(law.log_density))
    log_density = densities(x)
    p = np.exp(np.asarray(law.log_probabilities, np.float64))
    entropy = -(p * np.log(p)).sum() - 3 * np.log(8)
    np.testing.assert_allclose(-log_density.mean(), entropy, atol=float(4 * log_density.std() / 32))
    integrator = ex.Integrator(nodes=ex.Stratified(32), log_snr_range=(-9.0, 20.0))
    found = ex.nll(law, x, key=jr.key(3), integrator=integrator, baseline=ex.Gaussian.fit(x))
    assert abs(found.value + log_density.mean()) < 4 * found.stderr_nodes + 0.02
    outside, edge, inside = densities(jnp.array([[0.0, 0.0, 1.001], 3 * [1.0], 3 * [0.9999]]))
    assert outside == -np.inf
    np.testing.assert_allclose(edge, inside, rtol=1e-6)


def test_fitted_probabilities_are_frequencies_drawn_to_those_of_all():
    x = np.array([[-0.9, 0.9], [-0.8, 0.1], [-0.7, 0.2]])
    found = np.exp(ex.Histogram.fit(x, (-1.0, 0.0, 1.0), strength=2.0).log_probabilities)
    pooled = np.array([3.5, 3.5]) / 7
    np.testing.assert_allclose(found, (np.array([[3, 0], [0, 3]]) + 2 * pooled) / 5, rtol=1e-6)
    with pytest.raises(ValueError, match="`x` must lie within `edges`, 0.0 to 1.0; it holds -0.9 to 0.9"):
        ex.Histogram.fit(x, (0.0, 0.5, 1.0))
    with pytest.raises(ValueError, match="`edges` must increase, two of them or more; got 1, 1"):
        ex.Histogram((1.0, 1.0), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="`edges` must be 3, around the 2 bins; got 2"):
        ex.Histogram((0.0, 1.0), np.zeros((1, 2)))


def test_the_likelihood_of_uneven_bins_is_that_of_the_bins():
    heights = np.exp(np.asarray(UNEVEN.log_probabilities)) / np.diff(UNEVEN.edges)
    found = UNEVEN.log_density(jnp.array([-0.995, 0.5]))
    np.testing.assert_allclose(found, np.log(heights[0, 0] * heights[1, 3]), rtol=1e-6)
    # Bins that are cut in two in proportion to their widths are the same law.
    edges = np.sort(np.concatenate([UNEVEN.edges, 0.5 * (np.array(UNEVEN.edges[1:]) + UNEVEN.edges[:-1])]))
    cut = ex.Histogram(edges, np.repeat(UNEVEN.log_probabilities, 2, -1))
    for log_snr in (-3.0, 5.0, 12.0):
        both = [predict(law, jnp.array([-0.7, 0.4]), jnp.asarray(log_snr)) for law in (UNEVEN, cut)]
        np.testing.assert_allclose(*both, rtol=1e-4, atol=1e-4 + 2e-7 * np.exp(log_snr / 2))


def in_log_space(histogram, z, log_snr):
    """The posterior mean of the noise of the first coordinate, in float64 by logarithms of normal tails."""
    log_p = np.asarray(histogram.log_probabilities[0], np.float64)
    t = (np.asarray(histogram.edges) - z * np.sqrt(1 + np.exp(-log_snr))) * np.exp(0.5 * log_snr)
    # Each bin mirrored to the negative side, where logarithms of tails have all their digits.
    mirrored = t[:-1] + t[1:] > 0
    low, high = np.where(mirrored, -t[1:], t[:-1]), np.where(mirrored, -t[:-1], t[1:])
    log_mass = log_ndtr(high) + np.log1p(-np.exp(log_ndtr(low) - log_ndtr(high)))
    density = lambda t: np.exp(-0.5 * t**2 - 0.5 * np.log(2 * np.pi) - log_mass)
    mean = (density(low) - density(high)) * np.where(mirrored, -1, 1)
    weights = scipy.special.softmax(log_p - np.log(np.diff(histogram.edges)) + log_mass)
    return -np.sum(np.where(weights > 0, weights * mean, 0.0))


EMPTY_MIDDLE = ex.Histogram((-3.0, -2.0, 2.0, 3.0), np.array([[np.log(0.4), -np.inf, np.log(0.6)]]))
# Probabilities that float32 has no numbers for, and empty bins between them.
UNLIKELY = ex.Histogram(
    (-4.0, -1.0, -0.75, 0.0, 0.5, 2.0, 6.0), np.array([[-250.0, -np.inf, 0.0, -np.inf, -90.0, -300.0]])
)


@pytest.mark.parametrize("histogram", (EMPTY_MIDDLE, UNLIKELY), ids=("empty middle", "unlikely bins"))
@pytest.mark.parametrize("log_snr", (-8.0, 0.0, 2.0, 4.0, 8.0, 10.0, 14.0, 18.0))
def test_where_no_probability_is_near_it_points_to_the_likeliest_edge(histogram, log_snr):
    states = np.array([-50.0, -9.0, -2.5, -1.9, -0.9, 0.04, 0.2, 0.3, 1.9, 2.5, 3.4, 5.0, 400.0], np.float32)
    for z in states:
        (found,) = predict(histogram, jnp.array([z]), jnp.asarray(log_snr, jnp.float32))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            wanted, *near = (
                in_log_space(histogram, float(np.nextafter(z, np.float32(side))), log_snr) for side in (z, -1e9, 1e9)
            )
        # What the rounding of the state alone does, as where two bins are equally near.
        rounding = 3 * max(abs(wanted - other) for other in near)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 + rounding, err_msg=f"z = {z}")


def test_its_slope_is_that_of_the_posterior_mean():
    for log_snr in (-3.0, 0.0, 4.0, 9.0):
        slopes = jax.vmap(jax.grad(lambda z: predict(EMPTY_MIDDLE, z[None], jnp.asarray(log_snr))[0]))
        # In the middle of a bin, outside of all, and far outside of all.
        for z in (2.5, 5.0, 50.0):
            step = 1e-3 * np.exp(-0.5 * log_snr) * max(1.0, abs(z))
            ends = [in_log_space(EMPTY_MIDDLE, z + side * step, log_snr) for side in (-1, 1)]
            np.testing.assert_allclose(slopes(jnp.array([z])), (ends[1] - ends[0]) / (2 * step), rtol=1e-3, atol=1e-3)
    even = ex.Histogram((-1.0, -0.5, 0.5, 1.0), np.log([[0.3, 0.4, 0.3]]))
    slope = jax.grad(lambda z: predict(even, z[None], jnp.asarray(0.0))[0])(0.0)
    np.testing.assert_allclose(
        slope, (in_log_space(even, 1e-3, 0.0) - in_log_space(even, -1e-3, 0.0)) / 2e-3, rtol=1e-3
    )
