"""Wasserstein and Fréchet distances against closed forms."""

import jax.random as jr
import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import multivariate_normal, wasserstein_distance

import entropax as ex
from entropax import distance


def random_cov(key, dim):
    root = np.asarray(jr.normal(key, (dim, dim)), np.float64)
    return root @ root.T


def test_between_commuting_gaussians():
    # Each direction by itself: (m − m')² + (σ − σ')².
    means, stds = np.array([[0.0, 1.0, -2.0], [0.5, 1.0, 2.0]]), np.array([[1.0, 0.3, 0.0], [2.0, 0.3, 0.7]])
    exact = np.sqrt(np.sum((means[0] - means[1]) ** 2 + (stds[0] - stds[1]) ** 2))
    found = distance.gaussian_w2(means[0], np.diag(stds[0] ** 2), means[1], np.diag(stds[1] ** 2))
    assert abs(found - exact) < 1e-12
    # Neither the axes nor a common scale matter.
    turn = np.linalg.qr(random_cov(jr.key(0), 3))[0]
    turned = [1e-4 * turn @ np.diag(std**2) @ turn.T for std in stds]
    found = distance.gaussian_w2(1e-2 * turn @ means[0], turned[0], 1e-2 * turn @ means[1], turned[1])
    assert abs(found / (1e-2 * exact) - 1) < 1e-8


def test_between_gaussians_of_different_axes():
    one, two = random_cov(jr.key(1), 6), random_cov(jr.key(2), 6)
    root = np.real(sqrtm(one))
    exact = np.sqrt(np.trace(one) + np.trace(two) - 2 * np.trace(np.real(sqrtm(root @ two @ root))))
    assert abs(distance.gaussian_w2(np.zeros(6), one, np.zeros(6), two) / exact - 1) < 1e-8


def test_of_a_small_difference_nothing_cancels():
    cov = random_cov(jr.key(3), 4)
    values, axes = np.linalg.eigh(cov)
    near = (axes * (np.sqrt(values) + 1e-9) ** 2) @ axes.T
    assert abs(distance.gaussian_w2(np.zeros(4), cov, np.zeros(4), near) / 2e-9 - 1) < 1e-3
    assert distance.gaussian_w2(np.zeros(4), cov, np.zeros(4), cov) < 1e-12


def test_of_a_point():
    # From a Gaussian to a point all variance goes.
    cov = random_cov(jr.key(4), 3)
    assert abs(distance.gaussian_w2(np.ones(3), cov, np.zeros(3), np.zeros((3, 3))) ** 2 - 3 - np.trace(cov)) < 1e-10


def test_the_divergence_is_the_mean_log_ratio():
    rng = np.random.default_rng(0)
    means, covs = rng.normal(size=(2, 4)), [random_cov(jr.key(12), 4), random_cov(jr.key(13), 4)]
    found = distance.gaussian_kl(means[0], covs[0], means[1], covs[1])
    # The log-ratio is quadratic: these points, whose moments are the Gaussian's, have its mean.
    root = np.linalg.cholesky(covs[0])
    points = means[0] + 2 * np.concatenate([root.T, -root.T])
    laws = [multivariate_normal(mean, cov) for mean, cov in zip(means, covs)]  # pyright: ignore[reportArgumentType]
    own, other = (law.logpdf(points) for law in laws)
    np.testing.assert_allclose(found, np.mean(own - other), rtol=1e-9)
    assert distance.gaussian_kl(means[0], covs[0], means[0], covs[0]) < 1e-12
    # Of a small difference nothing cancels: ε² d for a scale of 1 + ε.
    near = distance.gaussian_kl(means[0], covs[0] * (1 + 1e-5) ** 2, means[0], covs[0])
    np.testing.assert_allclose(near, 4e-10, rtol=1e-3)


def test_frechet_distance_is_that_of_the_moments():
    x, y = jr.normal(jr.key(5), (50, 2, 3)), 1.5 * jr.normal(jr.key(6), (70, 2, 3)) + 0.3
    mean, cov = distance.moments(x)
    rows = np.asarray(x, np.float64).reshape(50, 6)
    np.testing.assert_allclose(cov, (rows - rows.mean(0)).T @ (rows - rows.mean(0)) / 49, rtol=1e-12)
    exact = distance.gaussian_w2(mean, cov, *distance.moments(y)) ** 2
    assert abs(distance.frechet_distance(x, y) / exact - 1) < 1e-8
    # A shift is all the difference between a sample and its copy; rounding in float32 is the rest.
    assert abs(distance.frechet_distance(x, x + 2.0) / 24 - 1) < 1e-6


def test_sliced_wasserstein_on_the_line_is_wasserstein():
    x, y = np.asarray(jr.normal(jr.key(7), (91, 1))), np.asarray(2 * jr.normal(jr.key(8), (60, 1)) + 1)
    found = distance.sliced_wasserstein(x, y, key=jr.key(9), projections=3, order=1.0)
    assert abs(found / wasserstein_distance(x[:, 0], y[:, 0]) - 1) < 1e-5
    # Of order two between equal numbers: sorted samples, one against the other.
    x = x[:60]
    exact = np.sqrt(np.mean((np.sort(x[:, 0]) - np.sort(y[:, 0])) ** 2))
    assert abs(distance.sliced_wasserstein(x, y, key=jr.key(9), projections=3) / exact - 1) < 1e-5


def test_sliced_wasserstein_of_a_shift():
    x, shift = jr.normal(jr.key(10), (200, 4)), np.array([0.5, -1.0, 0.0, 2.0], np.float32)
    found = distance.sliced_wasserstein(x, x + shift, key=jr.key(11), projections=8)
    assert abs(found / (np.linalg.norm(shift) / 2) - 1) < 1e-5
    # In a scale of which float32 cannot hold the square.
    far = distance.sliced_wasserstein(1e25 * x, 1e25 * (x + shift), key=jr.key(11), projections=8)
    assert abs(far / (1e25 * found) - 1) < 1e-5


def test_of_a_high_order_it_is_the_largest_difference():
    x, y = np.sort(np.asarray(jr.normal(jr.key(7), (40, 1))), 0), np.sort(np.asarray(jr.normal(jr.key(8), (40, 1))), 0)
    largest = np.abs(x - y).max()
    for order in (1e3, 1e6):
        found = distance.sliced_wasserstein(x, y, key=jr.key(9), projections=1, order=order)
        assert largest * (1 / 40) ** (1 / order) * (1 - 1e-5) < found < largest * (1 + 1e-5)
    assert distance.sliced_wasserstein(x, x, key=jr.key(9)) == 0


def test_units_do_not_matter():
    x, y = np.asarray(jr.normal(jr.key(5), (50, 3)), float), np.asarray(1.5 * jr.normal(jr.key(6), (70, 3)), float)
    plain = distance.sliced_wasserstein(x, y, key=jr.key(0))
    for scale in (1e-200, 1e160):
        np.testing.assert_allclose(distance.sliced_wasserstein(scale * x, scale * y, key=jr.key(0)) / scale, plain)
        for call in (distance.frechet_distance, lambda x, y: distance.moments(x)):
            with pytest.raises(ValueError, match="out of the range of float64. Give the samples in other units"):
                call(scale * x, scale * y)
    np.testing.assert_allclose(
        distance.frechet_distance(1e100 * x, 1e100 * y), 1e200 * distance.frechet_distance(x, y), rtol=1e-10
    )
    # Between Gaussians.
    means, covs = (np.zeros(3), np.ones(3)), (random_cov(jr.key(1), 3), random_cov(jr.key(2), 3))
    divergence = distance.gaussian_kl(means[0], covs[0], means[1], covs[1])
    width = distance.gaussian_w2(means[0], covs[0], means[1], covs[1])
    for scale in (1e-150, 1e-9, 1e150):
        scaled = [(scale * mean, scale * (scale * cov)) for mean, cov in zip(means, covs)]
        np.testing.assert_allclose(distance.gaussian_w2(*scaled[0], *scaled[1]) / scale, width, rtol=1e-9)
    # Each coordinate has a unit of its own.
    units = np.array([1e-100, 1.0, 1e60])
    scaled = [(units * mean, units[:, None] * cov * units) for mean, cov in zip(means, covs)]
    np.testing.assert_allclose(distance.gaussian_kl(*scaled[0], *scaled[1]), divergence, rtol=1e-9)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: distance.gaussian_w2(np.zeros(2), np.eye(3), np.zeros(2), np.eye(2)),
            r"`cov_a` must have shape \(2, 2",
        ),
        (
            lambda: distance.gaussian_w2(np.zeros(2), np.eye(2), np.zeros(3), np.eye(2)),
            r"`mean_b` must have shape \(2,",
        ),
        (
            lambda: distance.gaussian_w2(np.zeros(1), -np.eye(1), np.zeros(1), np.eye(1)),
            "`cov_a` must be positive semi",
        ),
        (
            lambda: distance.gaussian_w2(np.zeros(2), np.triu(np.ones((2, 2))), np.zeros(2), np.eye(2)),
            "`cov_a` must be symmetric",
        ),
        (
            lambda: distance.gaussian_w2(np.full(1, np.nan), np.eye(1), np.zeros(1), np.eye(1)),
            "`mean_a` must be finite",
        ),
        (
            lambda: distance.gaussian_kl(np.zeros(2), np.diag([1.0, 0.0]), np.zeros(2), np.eye(2)),
            "`cov_a` must be positive definite",
        ),
        (
            lambda: distance.gaussian_kl(np.zeros(2), np.eye(2), np.zeros(2), np.ones((2, 2))),
            "`cov_b` must be positive definite",
        ),
        (
            lambda: distance.gaussian_kl(
                np.zeros(3), np.outer([0.1, 0.2, 0.7], [0.1, 0.2, 0.7]), np.zeros(3), np.eye(3)
            ),
            "`cov_a` must be positive definite",
        ),
        (
            lambda: distance.frechet_distance(np.zeros((1, 2)), np.zeros((5, 2))),
            "`x` must hold at least 2 samples; got 1",
        ),
        (lambda: distance.frechet_distance(np.zeros((4, 2)), np.zeros((5, 3))), r"`y` must hold samples of the shape"),
        (
            lambda: distance.frechet_distance(np.full((4, 2), np.nan), np.zeros((5, 2))),
            "`x` must be finite; 8 of its 8",
        ),
        (
            lambda: distance.sliced_wasserstein(np.eye(2), np.eye(2), key=jr.key(0), projections=0),
            "`projections`",
        ),
        (lambda: distance.sliced_wasserstein(np.eye(2), np.eye(2), key=jr.key(0), order=0.5), "`order` must be"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_floor_says_what_real_samples_are_at():
    real, other, generated = jr.normal(jr.key(12), (3, 400, 2))
    same = distance.with_floor(distance.energy_distance, generated, real, other)
    assert same.indistinguishable and isinstance(same.floor, ex.Estimate)
    assert not distance.with_floor(distance.energy_distance, generated + 0.5, real, other).indistinguishable
    # Numbers without an error bar: within a factor of two.
    assert distance.with_floor(distance.frechet_distance, other, real, other).indistinguishable
    far = distance.with_floor(distance.frechet_distance, generated + 0.5, real, other)
    assert not far.indistinguishable and f"(floor {far.floor:.4g})" in str(far)
    with pytest.raises(ValueError, match="`other_real` must have the shape of `generated`"):
        distance.with_floor(distance.frechet_distance, generated, real, other[:100])
