"""The run of random distributions: what stands beside ours is right where it is known, and it resumes."""

import functools

import numpy as np
import pytest

import entropax as ex
from runs import random_distributions as run


def test_the_other_estimators_of_a_gaussian_pair():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 4_000, 1))
    y = 0.8 * x + 0.6 * noise
    exact = -0.5 * np.log(1 - 0.64)
    for name, estimate in run.peers(np.exp(x), y).items():
        assert abs(estimate(np.exp(x), y) - exact) < 0.05, name
    labels = (y > 0).astype(int)
    assert list(run.peers(x, labels)) == ["scikit_learn"]
    assert 0.1 < run.scikit_learn(x, labels) < np.log(2)


def test_ties_are_in_random_order():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, (2, 4_000, 1)).astype(float)
    assert abs(run.neighbours(x, y)) < 0.05 and abs(run.copula(x, y)) < 0.01
    scores = run.normal_scores(x)
    assert np.array_equal(scores, run.normal_scores(x)) and abs(np.var(scores) - 1) < 0.01
    # Of one value, rows tell nothing of the order.
    assert abs(np.corrcoef(np.flatnonzero(x[:, 0] == 1), scores[x[:, 0] == 1, 0])[0, 1]) < 0.1


def _row(value, stderr, **peers):
    others = {name: {"value": other, "seconds": 0.1} for name, other in peers.items()}
    return {
        "kind": "noise",
        "exact": 1.0,
        "ratios": {"value": 1.0},
        "peers": others,
        "value": value,
        "stderr": stderr,
        "covers": True,
        "converged": value > 0.9,
        "seconds": 1.0,
        "first": {"value": 0.7, "covers": False, "seconds": 0.1},
    }


def test_what_is_behind_the_best_of_the_others():
    assert run.is_behind(_row(0.8, 0.02, copula=0.9, neighbours=0.95))
    # Within two of its standard errors, or where nothing else applies, it is not.
    assert not run.is_behind(_row(0.8, 0.08, copula=0.9, neighbours=0.95))
    assert not run.is_behind(_row(0.1, 0.0))
    rows = [_row(0.8, 0.02, copula=0.9), _row(1.0, 0.02, copula=0.9, neighbours=1.1)]
    found = run.summary(rows)
    assert found["behind"] == 1 and abs(found["error of ours"] - 0.1) < 1e-12
    assert abs(found["error of first answer"] - 0.3) < 1e-12 and found["covered by first answers"] == 0
    assert abs(found["error of neighbours"] - 0.1) < 1e-12 and "error of scikit_learn" not in found


@pytest.mark.slow
def test_it_goes_on_where_it_ended(tmp_path, monkeypatch):
    short = functools.partial(ex.dependence.CrossFitting, folds=2, steps=240)
    monkeypatch.setattr(ex.dependence, "CrossFitting", short)
    options = run.Options(samples=300, first=4, problems=2, shard="0/2", root=str(tmp_path))
    assert [row["name"] for row in run.run(options)] == ["gaussian-4"]
    rows = run.main(["--samples", "300", "--first", "4", "--problems", "2", "--root", str(tmp_path)])
    assert [row["name"] for row in rows] == ["gaussian-4", "discrete-5"]
    monkeypatch.setattr(run, "measure", lambda *args: pytest.fail("a distribution was measured again"))
    assert len(run.run(options)) == 2
