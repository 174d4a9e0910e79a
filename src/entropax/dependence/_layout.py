from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._labels import LabelTerm
from ._terms import Term
from ._variables import Variable, Variables


# A column is a linear function of others if they leave less than this share of its norm.
_LEAST_NORM = 1e-6


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
