"""Random distributions: log-ratios in closed form, and the identities that exact ones meet."""

import jax.random as jr
import numpy as np
import pytest
from scipy.stats import poisson

import entropax as ex
from entropax.data.random_pairs import _continuous as continuous, _discrete as discrete, _tasks as tasks


def _gaussian_ratio(x, y, correlation):
    quadratic = (x**2 - 2 * correlation * x * y + y**2) / (1 - correlation**2)
    return -0.5 * np.log(1 - correlation**2) - 0.5 * quadratic + 0.5 * (x**2 + y**2)


def test_a_mixture_of_one_is_a_gaussian():
    cov = np.array([[[1.0, 0.6], [0.6, 1.0]]])
    pair = continuous.MixturePair(1, 1, np.ones(1), np.zeros((1, 2)), cov)
    x, y = pair.sample(jr.key(0), 50_000)
    np.testing.assert_allclose(np.cov(x[:, 0], y[:, 0]), cov[0], atol=0.03)
    np.testing.assert_allclose(pair.pointwise(x, y), _gaussian_ratio(x, y, 0.6)[:, 0], atol=1e-10)
    assert abs(pair.mutual_information + 0.5 * np.log(1 - 0.36)) < 4 * pair.measured[1] < 0.005


def test_components_that_lie_apart_tell_their_number():
    means = 50.0 * np.arange(4)[:, None] * np.ones(3)
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    pair = continuous.MixturePair(2, 1, weights, means, np.tile(np.eye(3), (4, 1, 1)))
    assert abs(pair.mutual_information + weights @ np.log(weights)) < 4 * pair.measured[1] < 0.005


def test_boxes_that_overlap_are_a_table():
    # Unit boxes at (0, 0), (0, 1) and (1, 1): given X in the first unit, Y lies in either.
    lows = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    pair = continuous.BoxesPair(1, 1, np.full(3, 1 / 3), lows, lows + 1)
    table = discrete.TablePair(1, 1, np.array([[1.0, 1.0], [0.0, 1.0]]) / 3)
    x, y = pair.sample(jr.key(0), 1_000)
    cells = np.floor(x), np.floor(y).astype(int)
    np.testing.assert_allclose(pair.pointwise(x, y), table.pointwise(*cells), atol=1e-12)
    exact = np.log(3) - 2 * (np.log(2) * 2 / 3)
    assert abs(table.mutual_information - exact) < 1e-12
    assert abs(pair.mutual_information - exact) < 4 * pair.measured[1] < 0.005


def test_heavy_tails_are_students():
    known = ex.data.bmi.StudentPair(2, 3, 2)
    pair = continuous.HeavyPair(2, 3, 2.0, np.eye(5))
    x, y = pair.sample(jr.key(0), 1_000)
    np.testing.assert_allclose(pair.pointwise(x, y), known.pointwise(x, y), atol=1e-10)
    assert abs(pair.mutual_information - known.mutual_information) < 4 * pair.measured[1] < 0.005


@pytest.mark.parametrize("size", [0.1, 1.0])
def test_a_line_in_normal_noise_is_a_gaussian(size):
    normal = tasks._normal()
    pair = continuous.NoisyPair(1, 1, normal, normal, lambda x: x, lambda x: size + 0 * x)
    x, y = pair.sample(jr.key(0), 10_000)
    scale = np.sqrt(1 + size**2)
    np.testing.assert_allclose(pair.pointwise(x, y), _gaussian_ratio(x, y / scale, 1 / scale)[:, 0], atol=2e-4)


def test_noise_that_is_uniform_on_a_uniform_number():
    # The task of Beyond Normal whose density has edges, on (-1, 1) instead of (0, 1).
    uniform = tasks._uniform()
    pair = continuous.NoisyPair(1, 1, uniform, uniform, lambda x: x, lambda x: 1.5 + 0 * x)
    assert abs(pair.mutual_information - ex.data.bmi.AdditiveNoise(1, 1, 0.75).mutual_information) < 0.005


def test_counts_and_zeros_by_their_tables():
    values, weights = np.array([-1.0, 0.5, 1.0]), np.array([0.2, 0.3, 0.5])
    counts = discrete.CountsPair(1, 1, 4.0, 0.7, values, weights)
    given = poisson.pmf(np.arange(80), 4.0 * np.exp(0.7 * values)[:, None])
    exact = np.sum(weights[:, None] * given * np.log(given / (weights @ given)))
    assert abs(counts.mutual_information - exact) < 4 * counts.measured[1] < 0.005
    # Labels whose numbers have one mean differ by their shares of zeros alone.
    shares = np.array([0.2, 0.7])
    zeros = discrete.ZeroInflatedPair(1, 1, np.full(2, 0.5), shares, np.zeros(2))
    table = discrete.TablePair(1, 1, 0.5 * np.stack([1 - shares, shares], 1))
    x, y = zeros.sample(jr.key(0), 500)
    expected = table.pointwise(y.astype(float), (x > 0).astype(int))
    np.testing.assert_allclose(zeros.pointwise(x, y), expected, atol=1e-12)
    assert abs(zeros.mutual_information - table.mutual_information) < 4 * zeros.measured[1] < 0.005


def test_a_standard_normal_rate_is_integrated():
    counts = discrete.CountsPair(1, 1, 3.0, 0.8, None, None)
    x, y = counts.sample(jr.key(0), 200)
    grid = np.linspace(-9, 9, 20_001)
    density = np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi)
    marginal = np.trapezoid(density * poisson.pmf(x, 3.0 * np.exp(0.8 * grid)), grid, axis=1)
    exact = poisson.logpmf(x[:, 0], 3.0 * np.exp(0.8 * y[:, 0])) - np.log(marginal)
    np.testing.assert_allclose(counts.pointwise(x, y), exact, atol=1e-6)


@pytest.mark.parametrize("seed", range(28))
def test_under_independence_the_mean_of_the_ratio_is_one(seed):
    task = ex.data.random_pairs.task(seed)
    law, num = task.law, 20_000
    x, _ = law.sample(jr.key(0), num)
    _, y = law.sample(jr.key(1), num)
    with np.errstate(divide="ignore"):
        ratio = np.exp(law.pointwise(x, y))
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(num) + 1e-9
    # And where the two are as they are, that of its inverse is no more than one.
    x, y, pointwise = task.sample_with_pointwise(jr.key(2), num)
    assert np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(pointwise).all()
    inverse = np.exp(-pointwise)
    assert inverse.mean() < 1 + 5 * inverse.std() / np.sqrt(num) + 1e-9
    assert abs(pointwise.mean() - task.mutual_information) < 5 * pointwise.std() / np.sqrt(num) + 0.01
    assert (x.shape[1] == law.dim_x) and (y.shape[1] == law.dim_y)


def test_kinds_come_by_turns_and_seeds_differ():
    names = [ex.data.random_pairs.task(seed).name for seed in range(14)]
    kinds = [name.split("-")[0] for name in names]
    assert kinds[:7] == kinds[7:] and len(set(kinds)) == 7
    x, y, _ = ex.data.random_pairs.task(3).sample_with_pointwise(jr.key(0), 50)
    again, other = (
        ex.data.random_pairs.task(3).sample(jr.key(0), 50),
        ex.data.random_pairs.task(10).sample(jr.key(0), 50),
    )
    np.testing.assert_array_equal(x, again[0])
    np.testing.assert_array_equal(y, again[1])
    assert x.shape != other[0].shape or not np.allclose(x, other[0])
