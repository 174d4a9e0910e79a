"""Distances to a law that is known: entropies of Gaussians, and the weights of a mixture."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.scipy.stats import norm

from entropax import distance


ENTROPY = 0.5 * np.log(2 * np.pi * np.e)


def standard(x):
    return jnp.sum(norm.logpdf(x), -1)


def close(estimate, exact, most):
    error = float(estimate.stderr)
    return abs(float(estimate.value) - exact) < 4 * error and error < most


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_between_gaussians(dim):
    x = 0.5 + 0.8 * jr.normal(jr.key(dim), (8000, dim))
    entropy = dim * (ENTROPY + np.log(0.8))
    cross = dim * (0.5 * np.log(2 * np.pi) + 0.5 * (0.8**2 + 0.5**2))
    assert close(distance.cross_entropy(x, standard), cross, 0.03)
    assert close(distance.nearest_neighbour_entropy(x), entropy, 0.03)
    # The contributions of a sample nearly cancel: the difference is known better than its parts.
    assert close(distance.kl_to(x, standard), cross - entropy, 0.02)
    assert close(distance.kl_to(jr.normal(jr.key(9), (8000, dim)), standard), 0.0, 0.01)


def test_the_error_of_the_entropy():
    found = [distance.nearest_neighbour_entropy(jr.normal(jr.key(20 + i), (200, 1))) for i in range(200)]
    values, errors = np.array([e.value for e in found]), np.array([e.stderr for e in found])
    assert 0.85 < np.sqrt(np.mean(errors**2)) / values.std() < 1.2


def test_occupancy_of_modes():
    weights, means = np.array([0.2, 0.3, 0.5]), np.array([-2.0, 0.0, 1.0])
    log_densities = lambda x: norm.logpdf(x[:, None], means)
    draw = lambda key, p: means[jr.choice(key, 3, (4000,), p=jnp.asarray(p))] + jr.normal(jr.fold_in(key, 1), (4000,))
    # Overlapping components, whose mean responsibilities are their weights.
    true = distance.mode_occupancy(log_densities(draw(jr.key(3), weights)), weights)
    assert bool(jnp.all(jnp.abs(true.shares.value - weights) < 4 * true.shares.stderr))
    assert true.total_variation < 0.03 and true.p_value > 1e-3
    wrong = distance.mode_occupancy(log_densities(draw(jr.key(4), [0.5, 0.3, 0.2])), weights)
    assert wrong.p_value < 1e-6
    # Of labels it is Pearson's statistic of the counts.
    labels = np.repeat([0, 1, 2], [25, 30, 45])
    counted = distance.mode_occupancy(np.where(np.arange(3) == labels[:, None], 0.0, -np.inf), weights)
    np.testing.assert_allclose(counted.shares.value, [0.25, 0.3, 0.45], rtol=1e-6)
    assert abs(counted.chi_square - (25 / 20 + 25 / 50)) < 1e-4 and abs(counted.total_variation - 0.05) < 1e-6
    assert abs(counted.p_value - np.exp(-0.875)) < 1e-4


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: distance.nearest_neighbour_entropy(np.zeros((4, 1))), "`x` must hold at least 5 samples; got 4"),
        (lambda: distance.nearest_neighbour_entropy(np.zeros((9, 1))), "9 of its 9 samples coincide"),
        (lambda: distance.nearest_neighbour_entropy(np.zeros((9, 1)), neighbours=0), "`neighbours` must be at least 1"),
        (lambda: distance.cross_entropy(np.zeros((9, 1)), lambda x: x), r"must return shape \(9,\), .* got \(9, 1\)"),
        (lambda: distance.cross_entropy(np.zeros((9, 1)), lambda x: x[:, 0] - np.inf), "-inf at 9 of 9 .* infinite"),
        (lambda: distance.cross_entropy(np.zeros((9, 1)), lambda x: x[:, 0] + np.nan), "NaN or infinite at 9 of 9"),
        (
            lambda: distance.mode_occupancy(np.zeros((9, 2)), np.array([0.5, 0.6])),
            "`weights` must be positive with sum 1",
        ),
        (lambda: distance.mode_occupancy(np.zeros((9, 3)), np.array([0.5, 0.5])), r"must have shape \(samples, 2\)"),
        (lambda: distance.mode_occupancy(np.full((9, 2), -np.inf), np.array([0.5, 0.5])), "finite for one component"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
