import warnings
from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

from ._variables import Variable, Variables


# What is left between nearest neighbours of a variable that is a function of them, as a share of what is left between
# any two samples.
_SHARE = 0.05

# Neighbours in more dimensions than these are not near.
_MOST_DIMENSIONS = 10

_CHECKED_ROWS = 10_000

# Counts tell the information of two variables whose pairs of values have so many samples each, on average. An estimate
# that is so many standard errors below it has missed something.
_SAMPLES_PER_PAIR, _MISSED = 10, 2.0


class ResolutionWarning(UserWarning):
    """Samples hold more information than networks resolve: one variable looks like a function of another, so that
    information may have no bound, or few pairs of values occur."""


def check_neighbours(variables: Variables, noisy: Sequence[int], names: list[str], name: str) -> None:
    """Looks at what second moments leave of a variable where neighbours in all others meet: if nearly the same, it is a
    function of them, or has less noise than so many samples can show.

    **Arguments:**

    - `variables`: the samples, as normal scores.
    - `noisy`: the variables to look at.
    - `names`: of the variable that each of them belongs to.
    - `name`: of the quantity.

    **Warns:** `ResolutionWarning`, of the first variable that is one.
    """
    for own in noisy:
        columns = variables.columns((own,))
        seen = variables.columns([other for other in range(len(variables.dims)) if other != own])
        if not 0 < len(seen) <= _MOST_DIMENSIONS:
            continue
        values = variables.values[:_CHECKED_ROWS]
        known = values[:, seen] - values[:, seen].mean(0)
        left = values[:, columns] - known @ np.linalg.lstsq(known, values[:, columns], rcond=None)[0]
        # The second nearest: the first is the sample itself.
        nearest = np.asarray(KDTree(known).query(known, k=2)[1])[:, 1]
        near = np.median(np.abs(left - left[nearest]), 0)
        apart = np.median(np.abs(left - np.roll(left, len(left) // 2, 0)), 0)
        # Of a column with few values most differences are none.
        found = np.flatnonzero((near < _SHARE * apart) & (near > 0))
        if found.size:
            which = found if names.count(names[own]) == 1 else columns[found]
            others = "the other variable" if len(set(names)) == 2 else "all others"
            warnings.warn(
                f"Columns {which.tolist()} of `{names[own]}` look like functions of {others}: {name} may have no "
                f"bound, and {len(values)} samples cannot show more than some nats of it. Read the estimate as a lower "
                "bound.",
                ResolutionWarning,
                stacklevel=4,
            )
            return


def check_counts(x: Variable, y: Variable, value: float, stderr: float) -> None:
    r"""Compares an estimate of $I(X;Y)$ of numbers that repeat with counts: where few pairs of values occur, as of a
    count and the next one, networks resolve their pattern slowly, and counting is nearly exact,

    $$\hat I = \hat H(X) + \hat H(Y) - \hat H(X, Y), \qquad
      \hat H = -\sum_k \frac{n_k}{N}\log\frac{n_k}{N} + \frac{K - 1}{2N}.$$

    **Warns:** `ResolutionWarning` where the estimate is far below.

    ??? cite "Source"
        Miller, Note on the bias of information estimates (1955).
    """
    if not (x.repeats and y.repeats) or (x.is_discrete and y.is_discrete):
        return
    together = np.concatenate([x.features, y.features], 1)
    pairs = len(np.unique(together, axis=0))
    if _SAMPLES_PER_PAIR * pairs > len(together):
        return
    counted = _counted_entropy(x.features) + _counted_entropy(y.features) - _counted_entropy(together)
    if value < counted - _MISSED * stderr:
        warnings.warn(
            f"I(X;Y) is {value:.3g} ± {stderr:.2g} nats by networks, and {counted:.3g} by counting the {pairs} pairs "
            "of values that occur: read the estimate as a lower bound. Labels are counted: give x_kind='discrete' and "
            "y_kind='discrete'.",
            ResolutionWarning,
            stacklevel=4,
        )


def _counted_entropy(rows) -> float:
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    shares = counts / len(rows)
    return float(-(shares * np.log(shares)).sum() + (len(counts) - 1) / (2 * len(rows)))
