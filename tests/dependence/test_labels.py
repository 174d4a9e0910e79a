"""Mutual information with labels, against its closed forms."""

import functools as ft
import warnings

import jax.random as jr
import numpy as np
import pytest
from scipy.stats import norm

import entropax as ex
from entropax import dependence


FITTING = dependence.CrossFitting(folds=3, steps=400, batch_size=256)
NUM = 2_000

RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, 3, NUM)
NOISE = RNG.normal(size=NUM)


def measured(x, y, given=None):
    return dependence.mutual_information(x, y, given, key=jr.key(1), fitting=FITTING)


@ft.cache
def of_means():
    return measured(2.0 * LABEL + NOISE, LABEL)


def exact(means, scales):
    """Of Gaussians that are equally likely: the entropy of their mixture, by quadrature, less their own."""
    grid = np.linspace(-30, 30, 20_001)
    densities = norm.pdf(grid, *np.array([means, scales])[:, :, None])
    ratios = np.log(np.maximum(densities, 1e-300) / np.maximum(densities.mean(0), 1e-300))
    return np.trapezoid((densities * ratios).mean(0), grid)


def covers(found, value):
    low, high = found.interval()
    return low < value < high


def test_means_that_labels_move():
    """Gaussians of one covariance: all that there is second moments know."""
    value = exact([0, 2, 4], [1, 1, 1])
    found = of_means()
    assert covers(found, value) and found.stderr < 0.03
    assert abs(float(found.gaussian.value) - value) < 0.03
    assert found.p_value == 0.01 and found.converged
    np.testing.assert_allclose(found.pointwise.mean(), found.value, atol=1e-5)
    densities = norm.pdf((2.0 * LABEL + NOISE)[:, None], 2.0 * np.arange(3))
    ratios = np.log(densities[np.arange(NUM), LABEL] / densities.mean(1))
    assert np.corrcoef(found.pointwise, ratios)[0, 1] > 0.98


def test_spreads_that_labels_move():
    scales = np.array([0.5, 1.5, 4.5])
    found = measured(scales[LABEL] * NOISE, LABEL)
    assert covers(found, exact([0, 0, 0], scales)) and found.stderr < 0.03
    # No line tells them apart.
    assert abs(float(found.gaussian.value)) < 0.01


def test_never_above_the_entropy_of_labels():
    entropy = -np.mean(np.log(np.bincount(LABEL) / NUM)[LABEL])
    found = measured(np.stack([20.0 * LABEL, 0 * LABEL], 1) + RNG.normal(size=(NUM, 2)), LABEL)
    # Ranks know nothing of how wide the gaps are.
    assert entropy - 0.02 < found.value < entropy + 1e-3
    assert found.fitted < entropy + 1e-3


@pytest.mark.slow
def test_what_is_given():
    r"""$Y$ is the sign of $X$, turned by a coin $C$ and, one time in ten, by nobody: $\log 2 - h(0.1)$ given $C$, and
    nothing else of either."""
    x, coin, flip = RNG.normal(size=NUM), RNG.integers(0, 2, NUM), RNG.random(NUM) < 0.1
    label = ((x > 0) ^ (coin == 1) ^ flip).astype(int)
    value = np.log(2) + 0.1 * np.log(0.1) + 0.9 * np.log(0.9)
    of_labels = measured(x, label, coin)
    assert covers(of_labels, value) and of_labels.stderr < 0.05
    assert of_labels.p_value is None
    # A number that is above zero where the coin is heads.
    of_numbers = measured(x, label, (2.0 * coin - 1) * RNG.uniform(0.5, 1, NUM))
    assert covers(of_numbers, value) and of_numbers.stderr < 0.05
    without = measured(x, label)
    assert abs(without.value) < 3 * without.stderr < 0.03


def test_labels_that_tell_nothing():
    found = measured(np.random.default_rng(1).normal(size=(NUM, 3)), LABEL)
    assert abs(found.value) < 3 * found.stderr < 0.03
    assert found.p_value is not None and found.p_value > 0.05
    # What C tells of both is not counted twice.
    shared = LABEL + 0.5 * RNG.normal(size=NUM)
    given = measured(shared, RNG.permuted(LABEL[:, None], axis=1)[:, 0], LABEL)
    assert abs(given.value) < 1e-3


@pytest.mark.parametrize("kind", ["text", "rare", "copies"])
def test_labels_of_any_kind(kind):
    x, plain = 2.0 * LABEL + NOISE, of_means().value
    if kind == "text":
        # The names of labels and an increasing map of X change nothing.
        assert abs(measured(np.exp(x), np.array(["a", "b", "c"])[LABEL]).value - plain) < 1e-6
    elif kind == "rare":
        # A label that most folds have not seen; nothing is infinite for it.
        label = LABEL.copy()
        label[7] = 3
        assert abs(measured(x, label).value - plain) < 0.03
    else:
        coins = np.random.default_rng(2).integers(0, 3, 500)
        with warnings.catch_warnings(), pytest.warns(ex.data.SamplesWarning, match="copies of other rows"):
            # So few samples may say that more would tell.
            warnings.simplefilter("ignore", dependence.ConvergenceWarning)
            found = measured(np.tile(x[:500], 2), np.tile(coins, 2))
        assert found.value < 3 * found.stderr
