"""Rows that are not independent samples are warned of; independent ones are not."""

import hypothesis
import hypothesis.strategies as st
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import rankdata

import entropax as ex
from entropax import dependence
from entropax.dependence._samples import check_independence


NUM = 600


def series(rng, memory, num=NUM):
    values = rng.normal(size=num)
    for step in range(1, num):
        values[step] += memory * values[step - 1]
    return values


def dependent():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, NUM))
    column = lambda values: np.asarray(values, float)[:, None]
    pair = lambda x, y: {"x": column(x), "y": column(y)}
    jitter = 1e-6 * rng.normal(size=(NUM, 2))
    order = rng.permutation(NUM)
    twice = (np.repeat(rng.normal(size=(NUM // 2, 2)), 2, 0) + jitter)[order]
    labels = np.repeat(rng.integers(0, 3, NUM // 2), 2)[order]
    return {
        "two independent series": (pair(series(rng, 0.8), series(rng, 0.8)), "Neighbouring rows are similar"),
        "a series that alternates": (pair(series(rng, -0.7), series(rng, 0.7)), "Neighbouring rows are similar"),
        "a series of labels": (pair(series(rng, 0.9) > 0, series(rng, 0.9)), "Neighbouring rows are similar"),
        "both sorted": (pair(np.sort(x), np.sort(y)), "Neighbouring rows are similar"),
        "row numbers": (pair(np.arange(NUM), y), "Column 0 of `x`"),
        "row numbers from above": (pair(x, 7 - 2.0 * np.arange(NUM)), "Column 0 of `y`"),
        "row numbers in float32": (pair(np.arange(NUM, dtype=np.float32) / np.float32(NUM), y), "Column 0 of `x`"),
        "identifiers in any order": (pair(rng.permutation(NUM) + 1_000, y), "Column 0 of `x`"),
        "a time stamp beside others": (
            {"x": np.stack([x, 1.6e9 + 60.0 * np.arange(NUM)], 1), "y": column(y)},
            "Column 1 of `x`",
        ),
        "near copies": (pair(*twice.T), r"\d\d\d of 600 rows are nearly equal"),
        "near copies with labels": (pair(twice[:, 0], labels), r"\d\d\d of 600 rows are nearly equal"),
    }


@pytest.mark.parametrize("name", list(dependent()))
def test_dependent_rows(name):
    tables, message = dependent()[name]
    with pytest.warns(ex.data.SamplesWarning, match=message):
        check_independence(tables)


@hypothesis.given(
    st.integers(0, 10_000),
    st.sampled_from(["normal", "cauchy", "labels", "zeros", "rounded", "sorted labels", "ranks", "Latin hypercube"]),
)
def test_independent_rows(seed, kind):
    # Warnings are errors.
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(NUM, 2))
    y = x[:, :1] + rng.normal(size=(NUM, 1))
    if kind == "cauchy":
        x, y = np.tan(1.5 * np.tanh(x)), y**3
    elif kind == "labels":
        y = (y > 0).astype(float)
    elif kind == "zeros":
        x, y = np.maximum(x, 0), np.maximum(y, 0)
    elif kind == "rounded":
        x, y = np.round(x, 1), np.round(y)
    elif kind == "ranks":
        x, y = rankdata(x, axis=0), rankdata(y, axis=0)
    elif kind == "Latin hypercube":
        x = (rankdata(x, axis=0) - 0.5) / NUM
    elif kind == "sorted labels":
        order = np.argsort(y[:, 0])
        x, y = x[order], np.repeat([0.0, 1.0, 2.0], NUM // 3)[:, None]
        # Within a label the rows are in random order.
        x = np.concatenate([rng.permutation(part) for part in np.split(x, 3)])
    check_independence({"x": x, "y": y})


def test_an_estimate_warns():
    rng = np.random.default_rng(1)
    with pytest.raises(ex.data.SamplesWarning, match=r"lag-one rank autocorrelations are 0\.7\d of `x`, 0\.7\d of `y`"):
        dependence.mutual_information(series(rng, 0.8), series(rng, 0.8), key=jr.key(0))
    with pytest.raises(ex.data.SamplesWarning, match=r"of `x\[:, 0\]`"):
        dependence.total_correlation(np.stack([series(rng, 0.8), series(rng, 0.8)], 1), key=jr.key(0))
