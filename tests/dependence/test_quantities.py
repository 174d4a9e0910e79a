"""Each quantity against its closed form, and what must not change it."""

import functools as ft
from typing import Any

import jax
import jax.random as jr
import numpy as np
import pytest
import scipy.linalg

import entropax as ex
from entropax import dependence
from entropax.dependence import _network
from entropax.dependence._cross_fitting import Departures, departures


# What is not Gaussian here is not the hardest, and what is needs no network.
FITTING = dependence.CrossFitting(folds=3, steps=1_600)
SHORT = dependence.CrossFitting(folds=2, steps=600, batch_size=256)
NUM = 2_000

COV = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.5], [0.3, 0.5, 1.0]])
GAUSSIAN = np.random.default_rng(0).multivariate_normal(np.zeros(3), COV, NUM)


def entropy(*columns):
    """Of the Gaussian's columns, up to a constant for each."""
    return 0.5 * np.linalg.slogdet(COV[np.ix_(columns, columns)])[1]


MUTUAL = entropy(0) + entropy(1) - entropy(0, 1)
CONDITIONAL = entropy(0, 2) + entropy(1, 2) - entropy(0, 1, 2) - entropy(2)
TOTAL = -entropy(0, 1, 2)
DUAL = entropy(1, 2) + entropy(0, 2) + entropy(0, 1) - 2 * entropy(0, 1, 2)


@pytest.fixture
def one_device():
    """Networks are compiled for every device that fits some."""
    with jax.default_device(jax.devices()[0]):
        yield


@pytest.fixture
def few_draws(monkeypatch):
    """What is left of noise is part of the error bar."""
    monkeypatch.setattr("entropax.dependence._cross_fitting._CHECK_DRAWS", 20_000)
    monkeypatch.setattr("entropax.dependence._cross_fitting._DRAWS", 300_000)


@pytest.fixture
def shallow(monkeypatch):
    """A network of one block is compiled in half of the time."""
    monkeypatch.setattr("entropax.dependence._network._DEPTH", 1)


@pytest.mark.parametrize(
    ("quantity", "exact"),
    [
        (lambda **keys: dependence.mutual_information(*GAUSSIAN.T, **keys), CONDITIONAL),
        (lambda **keys: dependence.total_correlation(GAUSSIAN, **keys), TOTAL),
        pytest.param(lambda **keys: dependence.dual_total_correlation(GAUSSIAN, **keys), DUAL, marks=pytest.mark.slow),
        pytest.param(lambda **keys: dependence.o_information(GAUSSIAN, **keys), TOTAL - DUAL, marks=pytest.mark.slow),
        pytest.param(
            lambda **keys: dependence.interaction_information(*GAUSSIAN.T, **keys),
            CONDITIONAL - MUTUAL,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["conditional", "total", "dual", "o", "interaction"],
)
@pytest.mark.usefixtures("one_device", "few_draws", "shallow")
def test_gaussians(quantity, exact):
    found = quantity(key=jr.key(1), fitting=SHORT)
    assert abs(found.value - exact) < 3 * found.stderr
    # Networks that are measured on what they have not seen do not find what is not there.
    assert abs(found.fitted - float(found.gaussian.value)) < 0.005
    assert found.stderr < 1.5 * float(found.gaussian.stderr)
    np.testing.assert_allclose(found.pointwise.mean(), found.value, atol=1e-5)


@ft.cache
def student():
    task = next(task for task in ex.data.bmi.tasks() if task.name == "asinh-student-identity-2-2-1")
    x, y, pointwise = task.sample_with_pointwise(jr.key(0), NUM)
    return x, y, pointwise, task.mutual_information


def measured(x, y, fitting=FITTING):
    return dependence.mutual_information(x, y, key=jr.key(1), fitting=fitting)


@pytest.mark.slow
def test_what_second_moments_do_not_see():
    x, y, pointwise, exact = student()
    found = measured(x, y, dependence.CrossFitting())
    assert abs(float(found.gaussian.value)) < 0.01
    low, high = found.interval()
    assert low < exact < high
    assert found.halved < found.fitted
    assert found.p_value == 0.01
    assert np.corrcoef(found.pointwise, pointwise)[0, 1] > 0.6


@pytest.mark.slow
def test_both_sides_agree():
    x, y, pointwise, exact = student()
    found = dependence.two_sided_mutual_information(x, y, key=jr.key(1), fitting=FITTING)
    assert found.sides is not None
    by_y, by_x = found.sides
    np.testing.assert_allclose(found.value, (by_y + by_x) / 2, rtol=1e-5)
    low, high = found.interval()
    assert low < exact < high
    assert abs(by_y - by_x) < 0.1 and min(by_y, by_x) > 0.25
    assert found.stderr_fit >= 0.5 * abs(by_y - by_x)


@pytest.mark.slow
def test_increasing_maps_change_nothing():
    x, y, _, _ = student()
    assert measured(np.exp(x), y**3 - 7).value == measured(x, y).value


@pytest.mark.usefixtures("one_device", "few_draws", "shallow")
def test_independent():
    found = measured(*np.random.default_rng(3).normal(size=(2, NUM, 2)))
    assert abs(found.value) < 3 * found.stderr < 0.01
    assert found.p_value is not None and found.p_value > 0.05


@pytest.mark.usefixtures("one_device", "few_draws", "shallow")
def test_compiled_once(monkeypatch):
    """For fits to half and to all other folds, from nothing and from another; for looks, estimate and null."""
    functions: Any = _network._advance, _network._summed
    before = [function._cache_size() for function in functions]
    monkeypatch.setattr("entropax.dependence._cross_fitting._MOST_MIXED", 0)
    x, noise = np.random.default_rng(0).normal(size=(2, NUM - 1))
    # In so short a training little is found of it.
    with pytest.warns(dependence.ConvergenceWarning, match="still moves with the number of samples"):
        found = measured(x, x**2 + 0.1 * noise, SHORT)
    assert found.p_value == 0.01 and float(found.gaussian.value) < found.halved < found.fitted
    assert [function._cache_size() for function in functions] == [1 + several for several in before]


@pytest.mark.slow
@pytest.mark.usefixtures("few_draws", "shallow")
def test_what_ranks_do_not_resolve():
    """Of columns that nearly agree, ranks in the tails agree exactly: networks must not take that for information."""
    shared, first, second = np.random.default_rng(0).normal(size=(3, NUM))
    strength = 1_000.0
    found = measured(strength * shared + first, strength * shared + second, SHORT)
    exact = -0.5 * np.log1p(-((strength**2 / (1 + strength**2)) ** 2))
    assert 0.9 < found.value / exact < 1.01
    assert abs(found.fitted - float(found.gaussian.value)) < 0.05


def _nothing_found(*arguments, **keys) -> Departures:
    found = departures(*arguments, **keys)
    folds = [fold._replace(networks=(None,) * len(fold.networks)) for fold in found.folds]
    nothing = np.zeros_like(found.whole)
    return Departures(nothing, nothing, nothing, folds)


@pytest.mark.slow
@pytest.mark.usefixtures("few_draws", "shallow")
def test_what_no_network_sees_is_told_by_the_kurtosis(monkeypatch):
    """Two numbers with a scale in common share log-scales that second moments do not know."""
    rng = np.random.default_rng(0)
    scale = np.exp(rng.normal(size=NUM))
    monkeypatch.setattr("entropax.dependence._quantities.departures", _nothing_found)
    with pytest.warns(dependence.ConvergenceWarning, match="too few for a network to see how"):
        found = measured(scale * rng.normal(size=NUM), scale * rng.normal(size=NUM), SHORT)
    assert found.unseen and not found.converged
    assert found.fitted == found.halved == float(found.gaussian.value)
    assert not measured(rng.normal(size=NUM), rng.normal(size=NUM), SHORT).unseen


@pytest.mark.slow
def test_synergy():
    """The sign of the third is the product of the others' signs, which any two do not know: log 2. A mirror image has
    the opposite sign: together with those that are told from it by no input, nothing would be left to find."""
    rng = np.random.default_rng(0)
    x, y, size = rng.normal(size=(3, NUM))
    # By half of the samples less is found than by all, and the verdict says so.
    with pytest.warns(dependence.ConvergenceWarning, match="still moves with the number of samples"):
        found = dependence.interaction_information(x, y, np.sign(x * y) * np.abs(size), key=jr.key(1))
    low, high = found.interval()
    assert 0.3 < low < np.log(2) < high


@pytest.mark.slow
def test_transfer_entropy():
    r"""Of $x_t = a x_{t-1} + \xi$, $y_t = b y_{t-1} + c x_{t-1} + \eta$, by the covariance that solves Lyapunov's
    equation; there is none from $y$ to $x$."""
    rng = np.random.default_rng(0)
    transition = np.array([[0.5, 0.0], [0.6, 0.5]])
    series = np.zeros((NUM, 2))
    for t in range(1, NUM):
        series[t] = transition @ series[t - 1] + rng.normal(size=2)
    cov = scipy.linalg.solve_discrete_lyapunov(transition, np.eye(2))
    # What its own past leaves of y, over what both pasts do.
    exact = 0.5 * np.log(cov[1, 1] - (transition @ cov)[1, 1] ** 2 / cov[1, 1])
    forth = dependence.transfer_entropy(series[:, 0], series[:, 1], key=jr.key(1))
    back = dependence.transfer_entropy(series[:, 1], series[:, 0], key=jr.key(1))
    assert abs(forth.value - exact) < 3 * forth.stderr < 0.05
    assert abs(back.value) < 3 * back.stderr < 0.01
