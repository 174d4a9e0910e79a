"""Samples that no estimate should be made of, or not without a word."""

import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax import dependence
from entropax.dependence._of_samples import independent_order


RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 300, 2))
SHORT = dependence.CrossFitting(steps=240)


def test_refusals():
    measure = lambda x, y, *given: dependence.mutual_information(x, y, *given, key=jr.key(0))
    with pytest.raises(ValueError, match="`y` must have as many rows as `x`, 300; got 299"):
        measure(X, Y[1:])
    with pytest.raises(ValueError, match=r"`x` must vary: columns \[1\]"):
        measure(np.stack([X[:, 0], np.ones(300)], 1), Y)
    with pytest.raises(ValueError, match=r"`y` must vary: columns \[0\]"):
        measure(X, np.zeros(300, int))
    with pytest.raises(ValueError, match="more samples than columns, 402 or more; got 300"):
        measure(RNG.normal(size=(300, 200)), RNG.normal(size=(300, 200)))
    with pytest.raises(ValueError, match="linear function of others"):
        measure(np.stack([X[:, 0], X[:, 0]], 1), Y)
    with pytest.raises(ValueError, match="300 distinct ones in 300 rows"):
        measure(X, np.arange(300))
    with pytest.raises(ValueError, match="two columns or more"):
        dependence.total_correlation(X[:, :1], key=jr.key(0))
    with pytest.raises(ValueError, match="as many rows as the first, 300; got 299"):
        dependence.interaction_information(X, Y, Y[1:, :1], key=jr.key(0))
    with pytest.raises(ValueError, match="`lags` must be between 1 and a quarter"):
        dependence.transfer_entropy(X, Y, lags=100, key=jr.key(0))


def test_warnings():
    with pytest.warns(ex.data.SamplesWarning, match="100 samples are few"):
        dependence.mutual_information(X[:100, 0], Y[:100, 0], key=jr.key(0), fitting=SHORT)
    walk = np.cumsum(RNG.normal(size=300))
    with pytest.warns(ex.data.SamplesWarning, match="`source` is not stationary"):
        dependence.transfer_entropy(walk, Y[:, 0], key=jr.key(0), fitting=SHORT)


def test_copies_stay_together():
    rows = np.repeat(X[:100], 3, axis=0)
    with pytest.warns(ex.data.SamplesWarning, match="200 of 300 rows are copies"):
        order = independent_order(rows, jr.key(0))
    assert sorted(order) == list(range(300))
    np.testing.assert_array_equal(np.ptp(rows[order].reshape(100, 3, 2), axis=1), 0)
    # Whole numbers meet by chance, and say nothing.
    independent_order(RNG.integers(0, 5, (300, 2)), jr.key(0))
