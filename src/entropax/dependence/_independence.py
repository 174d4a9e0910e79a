import warnings
from collections.abc import Mapping

import numpy as np
from jaxtyping import Real
from scipy.spatial import KDTree
from scipy.stats import rankdata

from ..data import SamplesWarning
from ._repeats import levels


# The lag-one correlation of ranks has a standard error of one over the root of their number. It is remarkable beyond so
# many of these, and beyond this value.
_STANDARD_ERRORS, _LEAST_CORRELATION = 5.0, 0.1

# Rows are nearly equal if they are nearer than this share of the median distance of so many neighbours, which some
# copies do not change; more than this share of all rows, and more than a few, are remarkable.
_NEAR, _NEIGHBOURS, _NEAR_SHARE, _NEAR_ROWS = 1e-4, 10, 0.02, 10

# A near-copy is near in any of its columns, so that a search in few of them finds it.
_SEARCHED_ROWS, _SEARCHED_COLUMNS = 10_000, 8

# A grid of fewer values than this may be one by chance.
_FEWEST_COUNTED = 20


def check_independence(tables: Mapping[str, Real[np.ndarray, "num _"]]) -> None:
    """Looks for signs that rows are not independent samples, on which every error bar and p-value relies.

    **Arguments:**

    - `tables`: the variables, by their names.

    **Warns:** `SamplesWarning` if a column counts the rows, if two variables or more have autocorrelated rows, or if
        rows are nearly copies of each other.
    """
    for message in (_counting(tables), _autocorrelated(tables), _nearly_equal(tables)):
        if message is not None:
            warnings.warn(message, SamplesWarning, stacklevel=5)


def _counting(tables) -> str | None:
    """A grid that stands in the order of the rows counts them. One in another order holds identifiers if its values are
    whole; beside such a grid in another variable, both hold ranks."""
    grids = {
        name: [index for index, column in enumerate(table.T) if _is_even(column)] for name, table in tables.items()
    }
    alone = sum(map(bool, grids.values())) == 1
    for name, indices in grids.items():
        for index in indices:
            column = tables[name][:, index]
            in_order = len(np.unique(np.sign(np.diff(column)))) == 1
            if in_order or (alone and (column == np.round(column)).all()):
                return (
                    f"Column {index} of `{name}` (counted from 0) has every value of an even grid once, as row numbers "
                    "and identifiers do. Remove it, unless it holds ranks or is a variable that was set to an even "
                    "grid."
                )
    return None


def _is_even(column) -> bool:
    """Whether the values are all those of an even grid, each once."""
    values, rounding = levels(column)
    if len(values) < max(len(column), _FEWEST_COUNTED):
        return False
    step = np.ptp(values) / (len(values) - 1)
    return bool(np.allclose(np.diff(values), step, rtol=1e-6, atol=rounding))


def _autocorrelated(tables) -> str | None:
    """Ranks are compared with those of the next row, after the mean of each group of equal rows of the other variables
    was subtracted: labels in blocks, as of classes one after the other, move the next row's values too."""
    found = {}
    for name, table in tables.items():
        others = [other for key, other in tables.items() if key != name]
        groups = _groups(np.concatenate(others, 1)) if others else None
        correlations = [_next_correlation(rankdata(column), groups) for column in table.T]
        found[name] = max(correlations, key=abs)
    remarkable = {
        name: correlation
        for name, correlation in found.items()
        if abs(correlation) > max(_LEAST_CORRELATION, _STANDARD_ERRORS / len(tables[name]) ** 0.5)
    }
    if len(remarkable) < 2:
        return None
    listed = ", ".join(f"{correlation:.2f} of `{name}`" for name, correlation in remarkable.items())
    return (
        f"Neighbouring rows are similar in several variables: their lag-one rank autocorrelations are {listed}. The "
        "estimate, its error bar and its p-value hold for independent rows. Rows of time series depend on each other: "
        "keep one row of each stretch that does, or use `transfer_entropy`. Independent rows that were only sorted can "
        "be used as they are."
    )


def _groups(others) -> np.ndarray | None:
    """The groups of equal rows, if there are few of them."""
    group = np.unique(others, axis=0, return_inverse=True)[1].reshape(-1)
    return group if 10 * (group.max() + 1) <= len(group) else None


def _next_correlation(ranks, groups) -> float:
    if groups is not None:
        ranks = ranks - (np.bincount(groups, ranks) / np.bincount(groups))[groups]
    first, second = ranks[:-1] - ranks.mean(), ranks[1:] - ranks.mean()
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / scale) if scale > 0 else 0.0


def _nearly_equal(tables) -> str | None:
    columns = np.concatenate(list(tables.values()), 1)[:_SEARCHED_ROWS].astype(np.float64)
    # A column whose values repeat brings no distance.
    continuous = [column for column in columns.T if len(np.unique(column)) > 0.5 * len(column)][:_SEARCHED_COLUMNS]
    if not continuous:
        return None
    low, high = np.quantile(continuous, [0.25, 0.75], axis=1)
    points = (np.stack(continuous, 1) - low) / np.where(high > low, high - low, 1.0)
    if len(points) <= _NEIGHBOURS:
        return None
    distances = np.asarray(KDTree(points).query(points, k=_NEIGHBOURS + 1)[0])
    near = (distances[:, 1] > 0) & (distances[:, 1] < _NEAR * np.median(distances[:, -1]))
    if near.sum() < max(_NEAR_ROWS, _NEAR_SHARE * len(near)):
        return None
    return (
        f"{near.sum()} of {len(points)} rows are nearly equal to another row, as copies with a little noise are. A "
        "network is then measured on what it was fitted to, and the error bar counts every copy as a sample of its "
        "own. Remove the copies."
    )
