"""No sample is measured by what was fitted to it, nor by what that went on from."""

from typing import Any

import jax.random as jr
import numpy as np
import pytest

from entropax._progress import Progress
from entropax.dependence import CrossFitting
from entropax.dependence._cross_fitting import departures
from entropax.dependence._network import Round
from entropax.dependence._variables import mutual_information_terms, Variables


@pytest.mark.parametrize("num", [60, 101, 102, 103, 104])
@pytest.mark.parametrize("folds", [2, 3, 4, 5, 7, 10])
def test_every_sample_is_held_out(num, folds, monkeypatch):
    calls = []

    def train(split, held, blocks, *, start, **settings):
        """A network that is the list of all samples that it has seen."""
        fitted = np.asarray(split.rows)[: int(split.fitted)]
        seen = np.union1d(fitted, [] if start is None else np.asarray(start.network))
        calls.append((len(fitted), held, seen))
        networks: Any = [seen] * 8
        return Round(networks, np.linspace(0.1, 0.8, 8)[:, None] * np.ones(len(split.tables.of)))

    def measured(fold, key, repetitions):
        (network,) = {id(network): network for network in fold.networks}.values()
        return np.full((len(fold.networks), 4, len(fold.rows)), np.isin(fold.rows, network).any(), float)

    monkeypatch.setattr("entropax.dependence._cross_fitting.train", train)
    monkeypatch.setattr("entropax.dependence._cross_fitting._measured", measured)
    variables = Variables(np.random.default_rng(0).normal(size=(num, 4)), (2, 2))
    order = np.random.default_rng(1).permutation(num)
    terms = mutual_information_terms(0, 1)
    progress = Progress("I(X;Y)")
    found = departures(variables, terms, order, fitting=CrossFitting(folds=folds), progress=progress, key=jr.key(0))
    assert not found.whole.any() and not found.half.any()
    halves, wholes = calls[:2], calls[2:]
    for several in (halves, wholes):
        np.testing.assert_array_equal(np.sort(np.concatenate([held for _, held, _ in several])), np.arange(num))
        assert all(not np.isin(held, seen).any() for _, held, seen in several)
    # What a fit goes on from has seen half of what it sees itself, or little else.
    assert len(wholes) == folds
    assert all(abs(2 * few - min(many for many, _, _ in wholes)) <= 1 for few, _, _ in halves)
