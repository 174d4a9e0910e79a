"""Samples that no estimate should be made of, or not without a word."""

import warnings

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax import dependence
from entropax.dependence import _variables as terms
from entropax.dependence._gaussian import canonical
from entropax.dependence._neighbours import check_neighbours
from entropax.dependence._network import _draw_levels
from entropax.dependence._samples import independent_order
from entropax.dependence._variables import normal_scores, Variables


RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 300, 2))


def side_by_side(parts):
    return Variables(np.concatenate(parts, 1), tuple(part.shape[1] for part in parts), (True,) * len(parts))


def of_pair(*tables):
    return side_by_side([normal_scores(table.reshape(len(table), -1), jr.key(i)) for i, table in enumerate(tables)])


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
    with pytest.raises(ValueError, match="`z` must have as many rows as `x`, 300; got 299"):
        dependence.interaction_information(X, Y, Y[1:, :1], key=jr.key(0))
    with pytest.raises(ValueError, match="`lags` must be between 1 and a quarter"):
        dependence.transfer_entropy(X, Y, lags=100, key=jr.key(0))
    with pytest.raises(ValueError, match="`source` must be finite"):
        dependence.transfer_entropy(np.where(X > 2, np.nan, X), Y, key=jr.key(0))
    with pytest.raises(ValueError, match="`given` must have as many rows as `x`, 300; got 299"):
        measure(X, Y, Y[1:])
    # There are more samples than columns, but not beside each fold.
    with pytest.raises(
        ValueError, match="`folds`, 5, leave 240 of 300 samples to fit 270 columns to, where 272 or more"
    ):
        measure(RNG.normal(size=(300, 200)), RNG.normal(size=(300, 70)))
    with pytest.raises(ValueError, match="`folds`, 5, want 10 samples or more; got 8"):
        dependence.CrossFitting().held_out(np.arange(8))


@pytest.mark.parametrize("wrong", [dict(folds=1), dict(steps=0), dict(batch_size=40), dict(learning_rate=0.0)])
def test_cross_fitting_that_cannot_be_done(wrong):
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}`"):
        dependence.CrossFitting(**wrong)


def test_a_label_that_only_the_fold_held_out_has():
    """Its indicator does not vary in the others, which tell nothing of it."""
    label = np.zeros((300, 1))
    label[7] = 1.0
    variables = side_by_side([X, label])
    others = np.delete(np.arange(300), slice(60))
    values, tables = canonical(variables, others, [terms.Term(1.0, (0,), (1,))])
    np.testing.assert_array_equal(values[:, 2], 0)
    assert np.isfinite(values).all() and np.isfinite(np.asarray(tables.regression)).all()
    # Where some have it, it is white.
    label[100:150] = 1.0
    values, _ = canonical(side_by_side([X, label]), others, [terms.Term(1.0, (0,), (1,))])
    assert values[others, 2].std(ddof=1) == pytest.approx(1.0, abs=1e-5)


def test_warnings():
    # As errors: before any fit.
    with warnings.catch_warnings():
        warnings.simplefilter("error", ex.data.SamplesWarning)
        with pytest.raises(ex.data.SamplesWarning, match="100 samples are few"):
            dependence.mutual_information(X[:100, 0], Y[:100, 0], key=jr.key(0))
        walk = np.cumsum(RNG.normal(size=300))
        stopped, step = np.where(np.arange(300) < 150, X[:, 0], X[149, 0]), np.repeat([0.0, 1.0], 150)
        for series in (walk, stopped, step):
            with pytest.raises(ex.data.SamplesWarning, match="`source` is not stationary"):
                dependence.transfer_entropy(series, Y[:, 0], key=jr.key(0))


def test_functions_of_each_other():
    y = RNG.normal(size=2_000)
    check = lambda x, y: check_neighbours(of_pair(x, y), (0, 1), ["x", "y"], "I(X;Y)")
    noise = RNG.normal(size=(2_000, 2))
    for x in (np.sin(2 * y), np.abs(y), np.stack([noise[:, 0], y**2 + noise[:, 0]], 1)):
        other = y if x.ndim == 1 else np.stack([y, noise[:, 0]], 1)
        for pair in ((x, other), (other, x)):
            with pytest.warns(dependence.ResolutionWarning, match="look like functions of the other variable"):
                check(*pair)
    # Of a column among others of one table.
    with pytest.warns(dependence.ResolutionWarning, match=r"Columns \[2\] of `x` look like functions of all others"):
        check_neighbours(of_pair(*noise.T, noise.prod(1)), range(2, 3), ["x"] * 3, "TC(X)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(np.sin(2 * y) + 0.2 * noise[:, 0], y)
        # What is linear second moments have to the last digit.
        check(y + 0.03 * noise[:, 0], y)
        check(np.round(y), np.round(y) + RNG.integers(0, 2, 2_000))


def test_levels_are_of_directions_that_are_noised():
    """The median of a logistic is its centre, whatever columns of other variables stand beside it."""
    dim, wanted = 5, (1, 3)
    values = Variables(RNG.normal(size=(500, dim)), (1, 1, 1, 1, 1))
    _, tables = canonical(values, np.arange(500), [terms.Term(1.0, wanted, (0, 2))])
    draw = lambda key: _draw_levels(tables, jnp.zeros(16, jnp.int32), key)
    levels = np.asarray(jax.lax.map(draw, jr.split(jr.key(0), 2_000)))
    assert np.isfinite(levels).all()
    centre = 1.5 - np.log(np.asarray(tables.variances)[0, list(wanted)]).mean()
    # The ends of the range, 8.5 below and 7.5 above, cut off a little more on one side.
    np.testing.assert_allclose(np.median(levels), centre, atol=0.05)


def test_trainings_that_diverge_say_so(monkeypatch):
    # One block, on one device: most of the time goes into compiling.
    monkeypatch.setattr("entropax.dependence._network._DEPTH", 1)
    hot = dependence.CrossFitting(folds=2, steps=240, learning_rate=1e30)
    with (
        jax.default_device(jax.devices()[0]),
        pytest.raises(FloatingPointError, match="diverged before step .* Lower `learning_rate`, 1e\\+30"),
    ):
        dependence.mutual_information(X, Y, key=jr.key(0), fitting=hot)


def test_copies_stay_together():
    rows = np.repeat(X[:100], 3, axis=0)
    with pytest.warns(ex.data.SamplesWarning, match="200 of 300 rows are copies"):
        order = independent_order(rows, jr.key(0))
    assert sorted(order) == list(range(300))
    np.testing.assert_array_equal(np.ptp(rows[order].reshape(100, 3, 2), axis=1), 0)
    # Whole numbers meet by chance, and say nothing.
    independent_order(RNG.integers(0, 5, (300, 2)), jr.key(0))
