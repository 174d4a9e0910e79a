"""The optional Pólya tree beside closed forms."""

import itertools

import jax.random as jr
import numpy as np
import pytest
from scipy.special import betaln, logsumexp

import entropax as ex
from entropax.dependence._mixtures import departure_of_partitions, log_density


def evidence(points, depth) -> float:
    """log Φ of a rectangle, by the recursion as it stands: `points` in units of the rectangle."""
    n = len(points)
    cuts = [axis for axis in (0, 1) if depth[axis] > 0]
    if n == 0 or not cuts:
        return 0.0
    terms = [np.log(0.5)]
    for axis in cuts:
        second = points[:, axis] >= 0.5
        less = tuple(cuts - (own == axis) for own, cuts in enumerate(depth))
        unit = np.where(np.arange(2) == axis, 2.0, 1.0)
        offset = np.where(np.arange(2) == axis, 1.0, 0.0)
        parts = points[~second] * unit, points[second] * unit - offset
        shares = betaln(len(parts[0]) + 0.5, len(parts[1]) + 0.5) - betaln(0.5, 0.5)
        terms.append(np.log(0.5 / len(cuts)) + n * np.log(2) + shares + sum(evidence(part, less) for part in parts))
    return float(np.asarray(logsumexp(terms)))


def test_the_density_is_the_ratio_of_evidences():
    """q(v) = Φ(points and v) / Φ(points)."""
    rng = np.random.default_rng(0)
    points = rng.random((7, 2)) ** 2
    # Of seven points there are three cuts along each axis.
    assert len(points).bit_length() // 2 + 2 == 3
    others = rng.random((5, 2))
    wanted = [evidence(np.concatenate([points, one[None]]), (3, 3)) - evidence(points, (3, 3)) for one in others]
    np.testing.assert_allclose(log_density(points, others), wanted, rtol=1e-10, atol=1e-12)


def test_the_density_integrates_to_one():
    points = np.random.default_rng(0).random((60, 2)) ** 3
    centres = (np.arange(32) + 0.5) / 32
    grid = np.array(list(itertools.product(centres, centres)))
    np.testing.assert_allclose(np.exp(log_density(points, grid)).mean(), 1.0, rtol=1e-10)


@pytest.mark.parametrize("num", [500, 4_000])
def test_boxes_are_found(num):
    """Two of four quarters hold all samples: log 2."""
    rng = np.random.default_rng(0)
    points = rng.random((num, 2))
    points[:, 1] = (points[:, 1] + (points[:, 0] > 0.5)) / 2
    found = log_density(points[100:], points[:100])
    np.testing.assert_allclose(found.mean(), np.log(2), atol=20 / num)


def test_what_is_independent_is_found_so():
    points = np.random.default_rng(0).random((1_000, 2))
    assert abs(log_density(points[200:], points[:200]).mean()) < 2e-3


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_departures_are_from_the_gaussian_copula(rho):
    """Of boxes in which the samples of a Gaussian pair have been shuffled the departure is log c, less that of the
    copula with their correlation."""
    rng = np.random.default_rng(0)
    scores = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 4_000)
    scores = np.asarray(ex.data.rank_gaussianise(scores, jr.key(0)), np.float64)
    scores /= scores.std(0)
    rows = np.arange(4_000)
    found = departure_of_partitions(scores, rows[1_000:], rows[:1_000])
    ranks = (scores.argsort(0).argsort(0) + 0.5) / 4_000
    own = np.corrcoef(scores.T)[0, 1]
    x, y = scores[:1_000].T
    of_gaussian = -0.5 * np.log(1 - own**2) - (own**2 * (x**2 + y**2) - 2 * own * x * y) / (2 * (1 - own**2))
    np.testing.assert_allclose(found, log_density(ranks[1_000:], ranks[:1_000]) - of_gaussian, atol=1e-9)


def test_boxes_of_two_columns_are_measured():
    """A distribution whose samples are in five of sixteen boxes, of which mixtures see two thirds."""
    rng = np.random.default_rng(1)
    boxes = np.array([(0, 2), (1, 0), (1, 3), (2, 1), (3, 2)])
    x, y = (boxes[rng.integers(0, 5, 4_000)] + rng.random((4_000, 2))).T
    # Entropies of the labels of the boxes: of x, of y, and of both.
    entropy = lambda shares: -np.sum(np.array(shares) * np.log(shares))
    exact = entropy([0.2, 0.4, 0.2, 0.2]) + entropy([0.2, 0.2, 0.4, 0.2]) - np.log(5)
    found = ex.dependence.mutual_information(np.exp(x), y, key=jr.key(0))
    assert abs(found.value - exact) < 0.05 and found.interval()[0] < exact < found.interval()[1]
