"""Energy distance, kernels and classifiers between two samples: brute force, closed forms, coverage at equal laws."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import norm

import entropax as ex
from entropax import distance


X = np.asarray(jr.normal(jr.key(0), (7, 3)), np.float64)
Y = np.asarray(1.4 * jr.normal(jr.key(1), (5, 3)) + 0.5, np.float64)


def by_pairs(kernel):
    """The unbiased discrepancy, written out."""
    same_x, same_y, crossed = kernel(X, X), kernel(Y, Y), kernel(X, Y)
    off = lambda values: (values.sum() - np.trace(values)) / (len(values) * (len(values) - 1))
    return off(same_x) + off(same_y) - 2 * crossed.mean()


def gaussian_kernel(bandwidths):
    return lambda a, b: np.mean([np.exp(-0.5 * cdist(a, b) ** 2 / h**2) for h in bandwidths], 0)


def test_against_pairs_written_out():
    with jax.enable_x64(True):
        found = distance.energy_distance(X, Y)
        assert abs(float(found.value) - by_pairs(lambda a, b: -cdist(a, b))) < 1e-12
        # float32 within, where exponentials are dear.
        found = distance.mmd(X, Y, bandwidths=np.array([0.5, 2.0]))
        assert abs(float(found.value) - by_pairs(gaussian_kernel([0.5, 2.0]))) < 1e-6
        chosen = distance.median_bandwidths(np.concatenate([X, Y]))
        exact = np.median(cdist(np.concatenate([X, Y]), np.concatenate([X, Y]))[np.triu_indices(12, 1)])
        np.testing.assert_allclose(chosen, exact * np.array([0.25, 0.5, 1, 2, 4]), rtol=1e-12)
        np.testing.assert_allclose(distance.mmd(X, Y).value, distance.mmd(X, Y, bandwidths=chosen).value, atol=1e-6)


def within(estimate, exact):
    return abs(float(estimate.value) - exact) < 4 * float(estimate.stderr)


def test_between_gaussians():
    mean, std = 0.8, 1.5
    x, y = jr.normal(jr.key(2), (3000, 1)), mean + std * jr.normal(jr.key(3), (2000, 1))
    # E|N(m, s²)| of each difference.
    absolute = lambda m, s: s * np.sqrt(2 / np.pi) * np.exp(-0.5 * (m / s) ** 2) + m * (1 - 2 * norm.cdf(-m / s))
    exact = 2 * absolute(mean, np.hypot(1, std)) - absolute(0, np.sqrt(2)) - absolute(0, np.sqrt(2) * std)
    found = distance.energy_distance(x, y)
    assert within(found, exact) and float(found.stderr) < 0.1 * exact
    # E exp(−D²/2h²) = h/√(h² + s²) exp(−m²/2(h² + s²)) of a difference D of N(m, s²).
    h = 0.7
    mean_kernel = lambda m, v: h / np.sqrt(h**2 + v) * np.exp(-0.5 * m**2 / (h**2 + v))
    exact = mean_kernel(0, 2) + mean_kernel(0, 2 * std**2) - 2 * mean_kernel(mean, 1 + std**2)
    found = distance.mmd(x, y, bandwidths=np.array([h]))
    assert within(found, exact) and float(found.stderr) < 0.1 * exact


@pytest.mark.parametrize("metric", [distance.energy_distance, distance.mmd])
def test_the_error_is_right_where_laws_are_equal(metric):
    # There the first order of the variance vanishes: a naive error would be of the wrong power of n.
    found = [metric(*np.split(np.asarray(jr.normal(jr.key(100 + i), (160, 2))), [60])) for i in range(200)]
    values, errors = np.array([e.value for e in found]), np.array([e.stderr for e in found])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(200)
    assert 0.8 < np.sqrt(np.mean(errors**2)) / values.std() < 1.25


def test_the_error_is_right_where_laws_differ():
    draw = lambda i: (jr.normal(jr.key(500 + i), (60, 2)), 0.7 + jr.normal(jr.key(900 + i), (100, 2)))
    found = [distance.energy_distance(*draw(i)) for i in range(200)]
    values, errors = np.array([e.value for e in found]), np.array([e.stderr for e in found])
    assert 0.8 < np.sqrt(np.mean(errors**2)) / values.std() < 1.25


def test_a_classifier():
    x, y = jr.normal(jr.key(4), (500, 2)), jr.normal(jr.key(5), (400, 2))
    equal = distance.classifier_two_sample(x, y, key=jr.key(6))
    assert abs(float(equal.value) - 0.5) < 4 * float(equal.stderr)
    again = distance.classifier_two_sample(x, y, key=jr.key(6))
    assert float(again.value) == float(equal.value)
    assert float(distance.classifier_two_sample(x, y + 8, key=jr.key(6)).value) > 0.99
    # Never above (1 + TV)/2, and near it where one cut is best: TV of two normals a distance δ apart is 2Φ(δ/2) − 1.
    from sklearn.linear_model import LogisticRegression

    found = distance.classifier_two_sample(x, y + np.array([1.0, 0.0]), key=jr.key(7), classifier=LogisticRegression())
    assert abs(float(found.value) - norm.cdf(0.5)) < 4 * float(found.stderr)


def test_what_differences_share_cancels():
    real, one = jr.normal(jr.key(8), (2, 300, 2))
    difference = distance.energy_distance(real, one + 1.0) - distance.energy_distance(real, one + 1.0)
    assert float(difference.value) == 0 and float(difference.stderr) == 0
    assert str(distance.energy_distance(real, one)).count("nats") == 0
    with pytest.raises(ValueError, match="has no unit"):
        str(distance.energy_distance(real, one).bits)
    with pytest.raises(ValueError, match="in no unit and in nats do not add"):
        str(distance.energy_distance(real, one) + ex.Estimate(*jnp.zeros(3)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: distance.energy_distance(X, Y[:, :2]), "`y` must hold samples of the shape of those in `x`"),
        (
            lambda: distance.mmd(X, Y, bandwidths=np.array([1.0, -1.0])),
            r"`bandwidths` must be a row of positive numbers; got \[1",
        ),
        (lambda: distance.median_bandwidths(np.zeros((5, 2))), "`x` must hold different samples"),
        (lambda: distance.classifier_two_sample(X[:4], Y, key=jr.key(0)), "`x` must hold at least 5 samples; got 4"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
