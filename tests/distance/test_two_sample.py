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
from entropax.distance import _pairs as pairs


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


BANK = np.array([0.5, 1.0, 2.0])


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
@pytest.mark.parametrize(
    "metric", [distance.energy_distance, lambda x, y: distance.mmd(x, y, bandwidths=BANK)], ids=["energy", "mmd"]
)
def test_the_error_is_right_at_equality_near_it_and_far_from_it(metric, shift, dim):
    # At equality the first order of the variance vanishes: a naive error would be of the wrong power of n.
    found = []
    for seed in range(400):
        rng = np.random.default_rng([seed, dim])
        found.append(metric(rng.normal(size=(60, dim)), shift + rng.normal(size=(100, dim))))
    values, errors = np.array([e.value for e in found]), np.array([e.stderr for e in found])
    # The spread of 400 values that are distributed as a square of a normal variable is known to 9 %. A shift by two of
    # its errors is the worst case, in which a root of what varies so much is a seventh too small.
    assert 0.83 < values.std() / errors.mean() < (1.3 if shift == 0.3 else 1.17)
    if shift == 0:
        assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))


def test_the_second_order_is_unbiased():
    """Of the kernel x y the interaction of centred x, y is x y itself, with a mean square of one."""

    class Product(pairs.AbstractKernel):
        # Of points on a circle the inner product is a function of the distance.
        def __call__(self, squared):
            return 1 - squared / 2

    rng = np.random.default_rng(0)
    draw = lambda num: np.stack([np.cos(t := rng.uniform(0, 2 * np.pi, num)), np.sin(t)], 1)
    own = [pairs.within(Product(), draw(6)).interaction for _ in range(600)]
    crossed = [pairs.between(Product(), draw(6), draw(4)).interaction for _ in range(600)]
    # The mean square of a cosine.
    for found in (own, crossed):
        assert abs(np.mean(found) - 0.5) < 4 * np.std(found) / np.sqrt(len(found))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_units_do_not_matter(scale):
    found, scaled = distance.energy_distance(X, Y), distance.energy_distance(scale * X, scale * Y)
    np.testing.assert_allclose(scaled.value / scale, found.value, rtol=1e-5)
    np.testing.assert_allclose(scaled.stderr / scale, found.stderr, rtol=1e-5)
    for extreme in (1e-200, 1e160):
        found, scaled = distance.mmd(X, Y), distance.mmd(extreme * X, extreme * Y)
        np.testing.assert_allclose([scaled.value, scaled.stderr], [found.value, found.stderr], rtol=1e-5)
        np.testing.assert_allclose(distance.median_bandwidths(extreme * X) / extreme, distance.median_bandwidths(X))
        if extreme < 1:
            with pytest.raises(ValueError, match="out of the range of float32. Give `x`"):
                distance.energy_distance(extreme * X, extreme * Y)
            with jax.enable_x64(True):
                one = distance.energy_distance(extreme * X, extreme * Y).value / extreme
                np.testing.assert_allclose(one, distance.energy_distance(X, Y).value)


def test_wide_kernels_see_the_means():
    """k = 1 - D²/2h²: MMD² is the squared distance of the means over h², less what that has too much."""
    excess = np.trace(np.cov(X.T)) / len(X) + np.trace(np.cov(Y.T)) / len(Y)
    exact = np.sum((X.mean(0) - Y.mean(0)) ** 2) - excess
    for width in (1e4, 1e7):
        found = distance.mmd(X, Y, bandwidths=np.array([width]))
        np.testing.assert_allclose(found.value * width**2, exact, rtol=1e-4)


def test_trees_are_the_same_in_any_units():
    x, y = np.asarray(jr.normal(jr.key(4), (60, 2))), np.asarray(jr.normal(jr.key(5), (40, 2))) + 0.5
    plain = distance.classifier_two_sample(x, y, key=jr.key(6))
    units = 2.0 ** np.array([600, -500])
    assert float(distance.classifier_two_sample(x * units, y * units, key=jr.key(6)).value) == float(plain.value)


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


def test_ranks_need_not_be_promoted():
    with jax.numpy_rank_promotion("raise"):
        distance.energy_distance(X, Y)
        distance.mmd(X, Y)
        distance.sliced_wasserstein(X, Y, key=jr.key(0), projections=5)
