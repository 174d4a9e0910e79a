"""The level of p-values of folds that tell of each other."""

import numpy as np
import pytest

from entropax.dependence._null import combined


@pytest.mark.parametrize("dim", [1, 30])
def test_folds_that_tell_the_same_of_each_other(dim):
    """Each fold has a Gaussian score a_j, and is measured along the mean of the others': T_j = a_j · Σ_{i≠j} a_i."""
    rng = np.random.default_rng(0)
    found, summed = [], []
    for _ in range(4_000):
        scores = rng.normal(size=(5, dim))
        others = scores.sum(0) - scores
        draws = rng.normal(size=(5, 99)) * np.linalg.norm(others, axis=1)[:, None]
        totals = np.concatenate([(scores * others).sum(1)[:, None], draws], 1)
        found.append(combined(totals))
        summed.append(combined(totals.sum(0)[None]))
    # Three standard errors of a twentieth are 0.01.
    assert abs(np.mean(np.array(found) <= 0.05) - 0.05) < 0.015
    if dim > 1:
        assert np.mean(np.array(summed) <= 0.05) > 0.08


def test_what_every_fold_says():
    draws = np.tile(np.arange(99.0), (5, 1))
    strong = np.full((5, 1), 100.0)
    assert combined(np.concatenate([strong, draws], 1)) == 0.01
    assert combined(np.concatenate([-strong, draws], 1)) == 0.99
    # One fold alone is worth a fifth of what all are: tan(x) is 1/x there.
    one = np.where(np.arange(5)[:, None] == 0, 100.0, 48.5)
    np.testing.assert_allclose(combined(np.concatenate([one, draws], 1)), 0.05, atol=0.003)
