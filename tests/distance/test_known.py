"""Distances to a law that is known: entropies of Gaussians, and the weights of a mixture."""

import jax
import jax.numpy as jnp
import jax.random as jr
import jaxtyping
import numpy as np
import pytest
from jax.scipy.stats import norm

from entropax import distance


ENTROPY = 0.5 * np.log(2 * np.pi * np.e)
X = np.random.default_rng(0).normal(size=(50, 2))


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
    # The error bar holds a bias, of edges for example, that samples do not rule out: more of it in three dimensions.
    assert close(distance.nearest_neighbour_entropy(x), entropy, 0.05)
    assert close(distance.kl_to(x, standard), cross - entropy, 0.05)
    equal = distance.kl_to(jr.normal(jr.key(9), (8000, dim)), standard)
    assert close(equal, 0.0, 0.04)
    # The contributions of a sample nearly cancel: the difference has a smaller error than its parts.
    assert float(equal.stderr_data) < 0.015


def test_the_error_of_the_entropy():
    found = [distance.nearest_neighbour_entropy(jr.normal(jr.key(20 + i), (200, 1))) for i in range(200)]
    values, errors = np.array([e.value for e in found]), np.array([e.stderr for e in found])
    # More than the spread by what a bias may be.
    assert 0.9 < np.sqrt(np.mean(errors**2)) / values.std() < 1.35


def _mixture(rng, num, dim):
    """Two normals a distance of five apart in the first column."""
    x = rng.normal(size=(num, dim))
    x[:, 0] += np.where(rng.random(num) < 0.5, -2.5, 2.5)
    return x


# An even mixture of two normals 2 m apart has the entropy of one plus E log 2/(1 + e^(-2m(m + z))).
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(200)
_TWO = -np.sum(_WEIGHTS * np.log(0.5 + 0.5 * np.exp(-5 * (2.5 + _NODES)))) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("dim", [1, 2, 4])
@pytest.mark.parametrize(
    "draw, entropy",
    [
        (lambda rng, num, dim: rng.normal(size=(num, dim)), lambda dim: dim * ENTROPY),
        (lambda rng, num, dim: rng.random((num, dim)), lambda dim: 0.0),
        (lambda rng, num, dim: rng.exponential(size=(num, dim)), lambda dim: dim),
        (lambda rng, num, dim: rng.logistic(size=(num, dim)), lambda dim: 2 * dim),
        (_mixture, lambda dim: dim * ENTROPY + _TWO),
    ],
    ids=["normal", "uniform", "exponential", "logistic", "mixture"],
)
def test_the_interval_holds_the_entropy(draw, entropy, dim):
    """Of columns whose units differ by three orders of magnitude, mixed."""
    rng = np.random.default_rng(dim)
    mix = np.linalg.qr(rng.normal(size=(dim, dim)))[0] * 10.0 ** rng.uniform(-1.5, 1.5, dim)
    exact = entropy(dim) + np.linalg.slogdet(mix)[1]
    held = 0
    for _ in range(60):
        low, high = distance.nearest_neighbour_entropy(draw(rng, 600, dim) @ mix).interval()
        held += bool(low < exact) and bool(exact < high)
    # 95 %, or 90 % at the least: 54 of 60 less two standard errors.
    assert held >= 50


def test_linear_maps_add_their_log_determinant():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3)) ** 3
    with jax.enable_x64(True):
        plain = distance.nearest_neighbour_entropy(x)
        for spread in (1.0, 1e3, 1e6):
            turn, other = (np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2))
            matrix = turn * np.array([1.0, spread, 1 / spread]) @ other
            found = distance.nearest_neighbour_entropy(x @ matrix.T + 7.0)
            shift = np.linalg.slogdet(matrix)[1]
            np.testing.assert_allclose(found.value - shift, plain.value, atol=1e-4 if spread > 1e3 else 1e-8)
            np.testing.assert_allclose(found.stderr, plain.stderr, rtol=1e-3)
        # In units at which squares overflow, and underflow.
        units = np.array([1e160, 1.0, 1e-200])
        found = distance.nearest_neighbour_entropy(x * units)
        np.testing.assert_allclose(found.value - np.log(units).sum(), plain.value, atol=1e-8)
        found = distance.kl_to(x * units, lambda y: -np.sum(np.abs(y / units), 1))
        np.testing.assert_allclose(
            found.value + np.log(units).sum(), distance.kl_to(x, lambda y: -np.sum(np.abs(y), 1)).value, atol=1e-8
        )


def test_no_divergence_from_its_own_density_whatever_the_units():
    rng, units = np.random.default_rng(1), np.array([1.0, 1e-3, 1e4])
    density = lambda x: norm.logpdf(x / units).sum(1) - np.log(units).sum()
    assert close(distance.kl_to(units * rng.normal(size=(2000, 3)), density), 0.0, 0.1)


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
        (
            lambda: distance.nearest_neighbour_entropy(np.zeros((9, 1)), neighbours=0),
            "`neighbours` must be a whole number, at least 1; got 0",
        ),
        (lambda: distance.nearest_neighbour_entropy(X[:, [0, 1, 0]]), "`x` must vary in all directions; one of its 3"),
        (
            lambda: distance.nearest_neighbour_entropy(np.c_[X, X.sum(1)].astype(np.float32)),
            "one of its 3 columns is a linear function of the others",
        ),
        (lambda: distance.nearest_neighbour_entropy(np.c_[X, np.ones(50)]), "`x` must vary; column 2 .* is constant"),
        (lambda: distance.nearest_neighbour_entropy(np.c_[X, X[:, 0] > 0]), "in column 2 .* 50 of 50 values repeat"),
        (lambda: distance.kl_to(np.maximum(X, 0), standard), "in column 0|samples coincide"),
        (
            lambda: distance.nearest_neighbour_entropy(X[:3], neighbours=1),
            "more samples than columns, 4 or more; got 3",
        ),
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


def test_densities_are_given_arrays(monkeypatch):
    """Of floats of any length, and of arrays that mask nothing."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    x = np.random.default_rng(0).normal(size=(50, 2))
    expected = distance.kl_to(x, standard).value
    for kind in (lambda x: np.ma.masked_greater(x, np.inf), lambda x: x.astype(np.longdouble)):
        assert distance.kl_to(kind(x), standard).value == expected
