"""Variables, what kind of numbers or labels they hold, and quantities as sums of terms over their parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax.random as jr
import numpy as np
from jaxtyping import Float64, Int, Int32, PRNGKeyArray, Real
from scipy.special import ndtri
from scipy.stats import rankdata

from ..data import rank_gaussianise


# A column of numbers with no more distinct values than this, each in ten samples or more on average, is discrete.
_MOST_LEVELS = 20
_SAMPLES_PER_LEVEL = 10

# The ranks of N samples are steps: two columns agree within a variance of one over so many N, at best, on average.
STEPS = 40

# A value of a column is an atom if it has at least this share of the samples, so many samples, and so many times the
# samples of the column's median value.
_ATOM_SHARE, _ATOM_SAMPLES, _ATOM_RATIO = 0.05, 10, 5


@dataclass(frozen=True, eq=False)
class Variables:
    """Samples of several variables.

    **Arguments:**

    - `values`: shape `(num, dim)`, the variables side by side.
    - `dims`: how many columns each of them has.
    - `ranked`: whether each variable holds normal scores of its own samples; if it is empty, none does.
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
    - `kind`: the kind of the variable in words.
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
    """The kinds of the columns in words, equal ones counted."""
    if len(kinds) == 1:
        return kinds[0]
    counted = {kind: kinds.count(kind) for kind in kinds}
    return ", ".join(f"{number} × {kind}" for kind, number in counted.items())


class Term(NamedTuple):
    r"""One signed departure, of the law of variables given others from its Gaussian,

    $$\pm\,J(A \mid B) = \pm\tfrac12\int \mathbb E\bigl[\lVert\varepsilon - \hat\varepsilon_{\mathcal N}(\cdot \mid
      b)\rVert^2 - \lVert\varepsilon - \hat\varepsilon(\cdot \mid b)\rVert^2\bigr]\,\mathrm{d}\lambda,$$

    which is a divergence from independent noise less that of the Gaussian.

    **Arguments:**

    - `weight`: how often it counts, and its sign.
    - `of`: the variables $A$, which noise is added to.
    - `given`: the variables $B$, which the network sees as they are. It sees nothing of any other.
    """

    weight: float
    of: tuple[int, ...]
    given: tuple[int, ...] = ()


# Each, with what its Gaussians have, is minus a sum of entropies in which every variable counts as often with one sign
# as with the other, so that the noise they are compared with cancels.


def mutual_information_terms(x: int, y: int, given: Sequence[int] = ()) -> list[Term]:
    r"""$I(X;Y \mid C) = J(X \mid Y, C) - J(X \mid C)$."""
    return [Term(1.0, (x,), (y, *given)), Term(-1.0, (x,), tuple(given))]


def total_correlation_terms(num: int) -> list[Term]:
    r"""$\mathrm{TC} = J(X_1, \dots, X_m) - \sum_i J(X_i)$."""
    return [Term(1.0, tuple(range(num))), *(Term(-1.0, (i,)) for i in range(num))]


def dual_total_correlation_terms(num: int) -> list[Term]:
    r"""$\mathrm{DTC} = H(X_1, \dots, X_m) - \sum_i H(X_i \mid X_{-i}) = \sum_i J(X_i \mid X_{-i}) - J(X_1, \dots,
    X_m)$."""
    rest = lambda i: tuple(j for j in range(num) if j != i)
    return [*(Term(1.0, (i,), rest(i)) for i in range(num)), Term(-1.0, tuple(range(num)))]


def o_information_terms(num: int) -> list[Term]:
    r"""$\Omega = \mathrm{TC} - \mathrm{DTC}$: above zero where redundancy prevails, below where synergy does."""
    return difference(total_correlation_terms(num), dual_total_correlation_terms(num))


def interaction_information_terms() -> list[Term]:
    r"""$I(X;Y \mid Z) - I(X;Y)$ of three variables: above zero where synergy prevails."""
    return difference(mutual_information_terms(0, 1, (2,)), mutual_information_terms(0, 1))


def difference(terms: Sequence[Term], less: Sequence[Term]) -> list[Term]:
    """The terms of a difference, each of them once."""
    weights: dict[tuple, float] = {}
    for sign, several in ((1.0, terms), (-1.0, less)):
        for weight, of, given in several:
            weights[of, given] = weights.get((of, given), 0.0) + sign * weight
    return [Term(weight, *key) for key, weight in weights.items() if weight]


# A column is a linear function of others if they leave less than this share of its norm.
_LEAST_NORM = 1e-6


class LabelTerm(NamedTuple):
    r"""A share of a quantity, $w\,\mathbb E\log q(d \mid b) = -w\,H(D \mid B)$, by classifiers of the labels $D$.

    **Arguments:**

    - `weight`: $w$.
    - `labels`: $D$, from 0 on.
    - `target`: which labels $D$ are, and
    - `given`: what $B$ consists of, so that terms can be compared.
    - `features`: $B$ as classifiers see it; there may be no columns.
    """

    weight: float
    labels: Int[np.ndarray, " num"]
    target: tuple[int, int]
    given: frozenset
    features: Float64[np.ndarray, "num features"]


class Layout(NamedTuple):
    r"""Variables taken apart, so that each term of a quantity is one by networks and some by classifiers:

    $$-H(A \mid B) = \sum_j \mathbb E\log P(d_j \mid d_{<j}, b) + \mathbb E\log p(s \mid d, b)$$

    where $d_j$ are the discrete parts of $A$, and $s$ its continuous part.

    **Arguments:**

    - `variables`: all of them.
    - `parts`: their continuous parts, and their discrete parts as networks see them, side by side. There may be none.
    - `names`: of the variable that each part belongs to.
    - `continuous`, `discrete`: which part of `parts` holds that of each variable; `None` if it has no such part.
    """

    variables: Sequence[Variable]
    parts: Variables
    names: list[str]
    continuous: list[int | None]
    discrete: list[int | None]

    def parts_of(self, variables: Sequence[int]) -> tuple[int, ...]:
        """All parts of some of the variables."""
        found = (part for i in variables for part in (self.continuous[i], self.discrete[i]))
        return tuple(part for part in found if part is not None)

    def network_terms(self, terms: Sequence[Term]) -> list[Term]:
        r"""The terms $w\,\mathbb E\log p(s \mid d, b)$, over `parts`."""
        weights: dict[tuple, float] = {}
        for weight, of, given in terms:
            noised = tuple(self.continuous[i] for i in of if self.continuous[i] is not None)
            if noised:
                seen = tuple(self.discrete[i] for i in of if self.discrete[i] is not None) + self.parts_of(given)
                weights[noised, seen] = weights.get((noised, seen), 0.0) + weight
        return [Term(weight, *key) for key, weight in weights.items() if weight]

    def label_terms(self, terms: Sequence[Term]) -> list[LabelTerm]:
        r"""The terms $w\,\mathbb E\log P(d_j \mid d_{<j}, b)$."""
        weights: dict[tuple, float] = {}
        for weight, of, given in terms:
            before: list[tuple[int, int]] = []
            for target in ((i, j) for i in of for j in range(len(self.variables[i].discrete))):
                key = target, tuple(before), tuple(sorted(given))
                weights[key] = weights.get(key, 0.0) + weight
                before.append(target)
        return [
            LabelTerm(
                weight,
                self.variables[i].discrete[j].labels,
                (i, j),
                frozenset([*before, *given]),
                self._features(before, given),
            )
            for ((i, j), before, given), weight in weights.items()
            if weight
        ]

    def _features(self, before, given):
        columns = [self.variables[i].discrete[j].columns for i, j in before]
        columns += [self.variables[i].features for i in given]
        return np.concatenate([np.zeros((len(self.parts.values), 0)), *columns], 1)


def layout(variables: Sequence[Variable]) -> Layout:
    """Takes variables apart."""
    num = len(variables[0].scores)
    continuous, discrete, parts, names, ranked = [], [], [], [], []
    seen = np.zeros((num, 0))
    for variable in variables:
        columns = np.concatenate([np.zeros((num, 0)), *(part.columns for part in variable.discrete)], 1)
        if seen.shape[1]:
            # Networks see nothing twice: what is a linear function of what they see already has no covariance.
            columns = _new_columns(columns, seen)
        seen = np.concatenate([seen, columns], 1)
        for part, own, is_ranked in ((variable.scores, continuous, variable.ranked), (columns, discrete, False)):
            own.append(len(parts) if part.shape[1] else None)
            if part.shape[1]:
                parts.append(part)
                names.append(variable.name)
                ranked.append(is_ranked)
    values = np.concatenate([np.zeros((num, 0)), *parts], 1)
    dims = tuple(part.shape[1] for part in parts)
    return Layout(variables, Variables(values, dims, tuple(ranked)), names, continuous, discrete)


def _new_columns(columns: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The columns that are no linear function of those seen."""
    kept = np.concatenate([np.ones((len(seen), 1)), seen], 1)
    new = []
    for column in columns.T:
        left = column - kept @ np.linalg.lstsq(kept, column, rcond=None)[0]
        if np.linalg.norm(left) > _LEAST_NORM * np.linalg.norm(column):
            new.append(column)
            kept = np.concatenate([kept, column[:, None]], 1)
    return np.stack(new, 1) if new else np.zeros((len(seen), 0))
