"""A first answer beside closed forms."""

import time
import warnings
from typing import Any

import jax.random as jr
import numpy as np
import pytest
from scipy.special import digamma

import entropax as ex
from entropax import dependence


FIRST = dependence.NearestNeighbours()


def pair(rho, num, seed=0, width=1):
    """Gaussian columns of which the first of each side are correlated."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, num, width))
    y[:, 0] = rho * x[:, 0] + (1 - rho**2) ** 0.5 * y[:, 0]
    return x, y


def covers(found, exact):
    low, high = found.interval()
    return low <= exact <= high


def test_counts_are_those_of_the_definition():
    """Of labels and of numbers, sample by sample, without what is taken off: by all pairs of samples."""
    rng = np.random.default_rng(0)
    num, k = 200, 3
    labels = rng.integers(0, 3, num)
    x = rng.normal(size=num) + labels
    found = dependence.mutual_information(x, labels, y_kind="discrete", fitting=FIRST, key=jr.key(0))
    scores = ex.data.rank_gaussianise(x[:, None], jr.key(0))
    scores = np.asarray(scores[:, 0], np.float64)
    scores /= scores.std()
    apart = np.abs(scores[:, None] - scores)
    same = labels[:, None] == labels
    within = np.sort(np.where(same, apart, np.inf), 1)[:, k]
    of_x = (apart < within[:, None] * (1 - 1e-9)).sum(1)
    wanted = (digamma(k) + digamma(num) - digamma(of_x) - digamma(same.sum(1))).mean()
    np.testing.assert_allclose(found.fitted, wanted, atol=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
@pytest.mark.parametrize("width", [1, 3])
def test_gaussians(rho, width):
    x, y = pair(rho, 2_000, width=width)
    found = dependence.mutual_information(x, y, fitting=FIRST, key=jr.key(1))
    exact = -0.5 * np.log(1 - rho**2)
    assert covers(found, exact) and abs(found.value - exact) < 0.12 and found.p_value is None


def test_maps_and_scales_change_nothing():
    x, y = pair(0.6, 600)
    found, again = (
        dependence.mutual_information(*one, fitting=FIRST, key=jr.key(1)) for one in ((x, y), (np.exp(x), 1e5 * y**3))
    )
    np.testing.assert_allclose(found.value, again.value, atol=1e-5)


def test_labels():
    """Exclusive or: neither of two bits tells of the third, both tell all, O-information -log 2."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (2, 2_000))
    z = x ^ y
    measure = lambda *args: dependence.mutual_information(
        *args, x_kind="discrete", y_kind="discrete", fitting=FIRST, key=jr.key(0)
    )
    assert abs(measure(x, z).value) < 2e-3
    np.testing.assert_allclose(measure(x, z, y).value, np.log(2), atol=0.02)
    table = np.stack([x, y, z], 1)
    found = dependence.o_information(table, kind="discrete", fitting=FIRST, key=jr.key(0))
    np.testing.assert_allclose(found.value, -np.log(2), atol=0.02)
    found = dependence.total_correlation(table, kind="discrete", fitting=FIRST, key=jr.key(0))
    np.testing.assert_allclose(found.value, np.log(2), atol=0.02)


def test_every_quantity_has_a_first_answer():
    """Of Gaussians, whose values are closed forms."""
    cov = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.5], [0.3, 0.5, 1.0]])
    table = np.random.default_rng(0).multivariate_normal(np.zeros(3), cov, 4_000)
    entropy = lambda *part: 0.5 * np.linalg.slogdet(cov[np.ix_(part, part)])[1]
    total = -entropy(0, 1, 2)
    dual = entropy(0, 1, 2) - sum(entropy(0, 1, 2) - entropy(*(j for j in range(3) if j != i)) for i in range(3))
    given = entropy(0, 2) + entropy(1, 2) - entropy(2) - entropy(0, 1, 2)
    x, y, z = table.T
    settings: dict[str, Any] = dict(fitting=FIRST, key=jr.key(0))
    found = {
        "total": (dependence.total_correlation(table, **settings), total),
        "dual": (dependence.dual_total_correlation(table, **settings), dual),
        "omega": (dependence.o_information(table, **settings), total - dual),
        "given": (dependence.mutual_information(x, y, z, **settings), given),
        "interaction": (dependence.interaction_information(x, y, z, **settings), given + entropy(0, 1)),
    }
    for name, (one, exact) in found.items():
        assert covers(one, exact) and abs(one.value - exact) < 0.06, (name, one, exact)


def test_transfer_entropy_has_a_first_answer():
    x, noise = np.random.default_rng(0).normal(size=(2, 4_000))
    y = np.concatenate([x[:1], x[:-1]]) + noise
    found = dependence.transfer_entropy(x, y, lags=1, fitting=FIRST, key=jr.key(0))
    assert covers(found, 0.5 * np.log(2)) and abs(found.value - 0.5 * np.log(2)) < 0.05


def test_intervals_cover_distributions_that_no_one_chose():
    """Of sixty, of all kinds, by 300 samples each; with the seeds that settings were not chosen on left alone."""
    held = []
    for seed in range(60):
        task = ex.data.random_pairs.task(seed)
        x, y, _ = task.sample_with_pointwise(jr.key(1_000 + seed), 300)
        kind = "discrete" if y.dtype.kind == "i" else "continuous"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = dependence.mutual_information(x, y, y_kind=kind, fitting=FIRST, key=jr.key(seed))
        held.append(covers(found, task.mutual_information))
    assert np.mean(held) >= 0.88


def test_it_takes_a_second():
    """Of 10 000 samples of ten columns. The clock is that of this process alone, with room for a slow machine."""
    x, y = pair(0.6, 10_000, width=5)
    start = time.process_time()
    dependence.mutual_information(x, y, fitting=FIRST, key=jr.key(0))
    assert time.process_time() - start < 4


def test_precision_ends_the_work(monkeypatch):
    """Where the first answer is as good as what is asked for, no density is fitted; else they all are."""
    x, y = pair(0.3, 2_000)
    calls = []
    monkeypatch.setattr(
        "entropax.dependence._quantities.departures", lambda *_, **__: calls.append(1) or pytest.fail("fitted")
    )
    easy = dependence.CrossFitting(precision=0.2)
    found = dependence.mutual_information(x, y, fitting=easy, key=jr.key(0))
    assert found.stderr <= 0.2 and not calls and covers(found, -0.5 * np.log(1 - 0.3**2))
    with pytest.raises(pytest.fail.Exception):
        dependence.mutual_information(x, y, fitting=dependence.CrossFitting(precision=1e-3), key=jr.key(0))


def test_how_many_samples_are_wanted():
    x, y = pair(0.3, 1_000)
    found = dependence.mutual_information(x, y, fitting=FIRST, key=jr.key(0))
    assert found.samples_for(found.stderr) == 1_000
    assert found.samples_for(found.stderr / 2) == 4_000
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="precision"):
            found.samples_for(wrong)
