from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax.random as jr
import numpy as np
from jaxtyping import Float64, Int32, PRNGKeyArray, Real
from scipy.special import ndtri
from scipy.stats import rankdata

from ..data import rank_gaussianise


# A column of numbers with no more distinct values than this, each in ten samples or more on average, is discrete.
_MOST_LEVELS = 20
_SAMPLES_PER_LEVEL = 10

# A value of a column is an atom if it has at least this share of the samples, so many samples, and so many times the
# samples of the column's median value.
_ATOM_SHARE, _ATOM_SAMPLES, _ATOM_RATIO = 0.05, 10, 5


@dataclass(frozen=True, eq=False)
class Variables:
    """Samples of several variables.

    **Arguments:**

    - `values`: shape `(num, dim)`, the variables side by side.
    - `dims`: how many columns each of them has.
    - `ranked`: whether each holds normal scores of samples of its own; none does where it is empty.
    """

    values: Float64[np.ndarray, "num dim"]
    dims: tuple[int, ...]
    ranked: tuple[bool, ...] = ()

    @property
    def ranked_columns(self) -> np.ndarray:
        """Whether each column holds normal scores."""
        return np.repeat(self.ranked or (False,) * len(self.dims), self.dims)

    def columns(self, variables: Sequence[int]) -> np.ndarray:
        """The columns of some of the variables."""
        starts = np.cumsum((0, *self.dims))
        return np.concatenate([np.arange(starts[i], starts[i] + self.dims[i]) for i in variables] or [np.zeros(0, int)])


class Discrete(NamedTuple):
    """A discrete part of a variable.

    **Arguments:**

    - `labels`: what classifiers predict, from 0 on.
    - `columns`: the same as networks and classifiers see it.
    """

    labels: Int32[np.ndarray, " num"]
    columns: Float64[np.ndarray, "num columns"]

    @property
    def entropy(self) -> float:
        """The entropy of the labels' shares, in nats."""
        shares = np.bincount(self.labels) / len(self.labels)
        return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())


@dataclass(frozen=True, eq=False)
class Variable:
    r"""The samples of one variable, as a discrete part $D$ and a continuous part $S$ that together determine it.

    A column of numbers without repeated values is continuous. One with few values is discrete. One with atoms, as the
    zeros of zero-inflated data or the end of a censored range, is both: $D$ says which atom a sample is at, if any, and
    $S$ holds normal scores in which samples at an atom have a random place, independent of all else. No information is
    lost or made, so that $\log p(x \mid y) = \log P(d \mid y) + \log p(s \mid d, y)$ up to terms in $x$ alone.

    **Arguments:**

    - `name`: what errors and warnings call it.
    - `discrete`: the discrete parts.
    - `scores`: normal scores of the continuous columns, which may be none.
    - `ranked`: whether all scores keep the order of the values.
    - `features`: the whole variable as classifiers see it.
    - `kind`: what the variable was taken for, in words.
    - `repeats`: whether the values of every column repeat so often that their entropy bounds any information.
    """

    name: str
    discrete: tuple[Discrete, ...]
    scores: Float64[np.ndarray, "num columns"]
    ranked: bool
    features: Float64[np.ndarray, "num features"]
    kind: str
    repeats: bool

    def rows(self, rows: slice) -> "Variable":
        """The variable of some of the samples."""
        discrete = tuple(Discrete(part.labels[rows], part.columns[rows]) for part in self.discrete)
        return replace(self, discrete=discrete, scores=self.scores[rows], features=self.features[rows])

    @property
    def is_discrete(self) -> bool:
        """Whether nothing of it is continuous."""
        return self.scores.shape[1] == 0

    @property
    def difficulty(self) -> int:
        """How hard it is to predict: a discrete variable is easier than a continuous one, which is easier than both."""
        return 0 if self.is_discrete else 1 + bool(self.discrete)

    @property
    def entropy(self) -> float:
        """An upper bound of the variable's entropy in nats: the sum over its columns; infinite if it is continuous."""
        return sum(part.entropy for part in self.discrete) if self.is_discrete else float("inf")


def side_by_side(variables: Sequence[Variable], name: str) -> Variable:
    """Several variables of the same samples as one."""
    return Variable(
        name,
        tuple(part for variable in variables for part in variable.discrete),
        np.concatenate([variable.scores for variable in variables], 1),
        all(variable.ranked for variable in variables),
        np.concatenate([variable.features for variable in variables], 1),
        variables[0].kind,
        all(variable.repeats for variable in variables),
    )


def of_labels(labels: Int32[np.ndarray, " num"], num_classes: int, name: str) -> Variable:
    """A variable of labels: its columns are indicators of all labels but the first, which the others determine."""
    columns = (labels[:, None] == np.arange(1, num_classes)).astype(np.float64)
    none = np.zeros((len(labels), 0))
    return Variable(name, (Discrete(labels, columns),), none, True, columns, f"{num_classes} labels", True)


def of_numbers(table: Real[np.ndarray, "num dim"], key: PRNGKeyArray, name: str) -> Variable:
    """A variable of numbers, of which only the order counts: no increasing map of a column changes anything."""
    discrete, scores, features, kinds, ranked, repeats = [], [], [], [], True, True
    ties = np.random.default_rng(np.asarray(jr.key_data(jr.fold_in(key, 1))))
    plain = normal_scores(table, key)
    for column, own in zip(table.T, plain.T):
        values, place, counts = np.unique(column, return_inverse=True, return_counts=True)
        middle = _middle_scores(column) if len(values) < len(column) else own
        features.append(middle[:, None])
        repeats &= _SAMPLES_PER_LEVEL * len(values) <= len(column)
        least = max(_ATOM_SAMPLES, _ATOM_SHARE * len(column), _ATOM_RATIO * np.median(counts))
        atoms = np.flatnonzero(counts >= least)
        if len(values) <= min(_MOST_LEVELS, len(column) // _SAMPLES_PER_LEVEL):
            discrete.append(Discrete(place.astype(np.int32), middle[:, None]))
            kinds.append(f"{len(values)} ordered values")
        elif atoms.size:
            # Zero where the sample is at no atom.
            label = np.zeros(len(values), np.int32)
            label[atoms] = 1 + np.arange(len(atoms))
            label = label[place]
            columns = (label[:, None] == 1 + np.arange(len(atoms))).astype(np.float64)
            discrete.append(Discrete(label, columns))
            features.append(columns)
            scores.append(_scattered(own, label > 0, ties))
            ranked = False
            repeated = ", ".join(f"{value:g}" for value in values[atoms][:3]) + (", ..." if len(atoms) > 3 else "")
            kinds.append(f"continuous, with repeated values {repeated}")
        else:
            scores.append(own)
            kinds.append("continuous")
    side = np.stack(scores, 1) if scores else np.zeros((len(table), 0))
    return Variable(name, tuple(discrete), side, ranked, np.concatenate(features, 1), together(kinds), repeats)


def normal_scores(columns: Real[np.ndarray, "num dim"], key: PRNGKeyArray) -> Float64[np.ndarray, "num dim"]:
    """Each column as its normal scores, with unit variance, ties in random order: what scale, tails and any other
    increasing map leave as they are, and the order of equals tells nothing."""
    scores = np.asarray(rank_gaussianise(columns, key), np.float64)
    return scores / scores.std(0)


def _middle_scores(column: Real[np.ndarray, " num"]) -> Float64[np.ndarray, " num"]:
    """Normal scores in which equal values share the middle of their ranks."""
    scores = ndtri((rankdata(column) - 0.5) / len(column))
    return (scores - scores.mean()) / scores.std()


def _scattered(scores: Float64[np.ndarray, " num"], at_atom: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal scores of the samples at no atom, in their order, among those at atoms, which have random places."""
    level = rng.random(len(scores))
    apart = ~at_atom
    level[apart] = (rankdata(scores[apart]) - 0.5) / apart.sum()
    found = np.empty(len(scores))
    found[np.argsort(level)] = ndtri((np.arange(len(scores)) + 0.5) / len(scores))
    return found / found.std()


def together(kinds: Sequence[str]) -> str:
    """What the columns were taken for, the same kinds counted."""
    if len(kinds) == 1:
        return kinds[0]
    counted = {kind: kinds.count(kind) for kind in kinds}
    return ", ".join(f"{number} × {kind}" for kind, number in counted.items())
