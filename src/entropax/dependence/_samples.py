"""Samples as users have them: which rows are copies, whether they look independent, and the order of the folds."""

import warnings
from collections.abc import Mapping, Sequence

import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike, Int, PRNGKeyArray, Real, Shaped
from scipy.spatial import KDTree
from scipy.stats import rankdata

from ..data import check_samples, Kind, Samples, SamplesWarning
from ._variables import of_labels, of_numbers, Variable


# A value is an atom of its column if it occurs this many times, and this many times as often as the column's median.
_ATOM = 10

# A grid is coarse if it has at most this many points for each sample: then rounding makes values equal.
_GRID_POINTS = 10

# A gap is a multiple of the step of a grid within this share of the step.
_GRID_TOLERANCE = 1e-3

# The smaller of two neighbouring gaps over the larger: 2 log 2 - 1 = 0.39 on average between values that were drawn
# from a density, and near 1 where they lie on any increasing map of a grid.
_REGULAR = 0.55

# Values this many roundings apart are one: 0.1 + 0.2 and 0.3.
_ROUNDINGS = 4


def copies_of(rows: Real[np.ndarray, "num dim"]) -> Int[np.ndarray, " num"]:
    """Which sample each row is a copy of: two rows with the same number are copies of one sample.

    Equal rows are copies if chance does not explain that they are equal: at least one of their values occurs in no
    other row, is not an atom of its column (as the zeros of zero-inflated data, or a saturated reading), and its column
    is not coarse (a few levels, or values at regular distances, as of counts, ages, rounded readings, ranks, and any
    increasing map of these).
    """
    distinct, index, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    index = index.reshape(-1)
    if len(distinct) == len(rows):
        return index
    copied, explained = np.zeros((2, len(distinct)), bool)
    for column in distinct.T:
        _, place, alike = np.unique(column, return_inverse=True, return_counts=True)
        place = place.reshape(-1)
        alone = (alike == 1)[place]
        if _is_coarse(column, len(rows)):
            # What is a function of a coarse column repeats with it.
            explained |= alone
        else:
            times = np.bincount(place, counts)
            atom = (times >= _ATOM) & (times >= _ATOM * np.median(times))
            copied |= alone & ~atom[place]
    copied &= (counts > 1) & ~explained
    # All other rows, although some are equal, are samples of their own.
    return np.where(copied[index], index, len(distinct) + np.arange(len(rows)))


def _is_coarse(column: Real[np.ndarray, " distinct"], num: int) -> bool:
    """Whether independent samples of the column are expected to be equal: it has few values, or neighbouring gaps
    between them are alike, or they lie on a grid with few points for each sample, most of which no sample met."""
    values, rounding = levels(column)
    if len(values) <= max(num**0.5, 2):
        return True
    gaps = np.diff(values)
    if (np.minimum(gaps[1:], gaps[:-1]) / np.maximum(gaps[1:], gaps[:-1])).mean() > _REGULAR:
        return True
    # The smallest gap is rounded by much of itself: all that are a few times as large tell its length better.
    near = gaps[gaps < 10 * gaps.min()]
    step = near.sum() / np.round(near / gaps.min()).sum()
    wrong = np.abs(gaps - step * np.round(gaps / step))
    on_grid = step > 2 * rounding and (wrong < _GRID_TOLERANCE * step + rounding).all()
    low, high = np.quantile(column, [0.1, 0.9])
    return bool(on_grid and high - low <= _GRID_POINTS * num * step)


def levels(column: Real[np.ndarray, " distinct"]) -> tuple[np.ndarray, float]:
    """The distinct values in order, where values that differ by rounding are one, and the size of the rounding."""
    values = np.unique(column).astype(np.float64)
    # Numbers of less precision arrive in float64 too.
    with np.errstate(over="ignore", under="ignore"):
        precision = np.float32 if (values == values.astype(np.float32)).all() else np.float64
    rounding = _ROUNDINGS * float(np.finfo(precision).eps) * np.abs(values).max()
    apart = np.concatenate([[True], np.diff(values) > rounding])
    return values[apart], rounding


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


# The warning about copies needs more than this share of all rows.
_COPIES = 0.01


def of_pair(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    given: Shaped[ArrayLike, "..."] | None,
    kinds: tuple[Kind, Kind, Kind],
    key: PRNGKeyArray,
) -> tuple[list[Variable], Int[np.ndarray, " num"]]:
    """X, Y and perhaps what is given, by their kinds, and the order of their samples that folds are runs of.

    **Raises:** `ValueError` as [`entropax.data.check_samples`][].

    **Warns:** `SamplesWarning` if rows are copies of each other, or look like neighbours of a series.
    """
    names = ("x", "y", "given")
    if y is None:
        raise ValueError("`y` must be an array of samples, the second variable; got None.")
    samples = check_samples(x, y, given, x_kind=kinds[0], y_kind=kinds[1], c_kind=kinds[2], names=names)
    x_key, order_key, *other_keys = jr.split(key, 4)
    tables, classes = (samples.x, samples.y, samples.c), (samples.x_classes, samples.y_classes, samples.c_classes)
    each = zip(names, tables, classes, (x_key, *other_keys))
    parts = [(name, Samples(x, x_classes=of_x), own) for name, x, of_x, own in each if x is not None]
    found = [variable_of(*part) for part in parts]
    raw = [part.x.reshape(len(part), -1) for _, part, _ in parts]
    check_independence(dict(zip(names, raw[:2])))
    return found, independent_order(np.concatenate(raw, 1), order_key, _strata(found))


def of_tables(
    tables: Mapping[str, tuple[Shaped[ArrayLike, "..."], Kind]], key: PRNGKeyArray
) -> tuple[list[Variable], Int[np.ndarray, " num"]]:
    """Several variables, and the order of their samples that folds are runs of.

    **Arguments:**

    - `tables`: the samples and the kind of each variable, by its name.
    - `key`: all randomness.

    **Raises:** and **Warns:** as [`of_pair`][].
    """
    order_key, key = jr.split(key)
    checked = checked_tables(tables)
    found = [variable_of(name, one, own) for (name, one), own in zip(checked.items(), jr.split(key, len(checked)))]
    raw = {name: one.x.reshape(len(one), -1) for name, one in checked.items()}
    check_independence(raw)
    return found, independent_order(np.concatenate(list(raw.values()), 1), order_key, _strata(found))


def of_columns(
    x: Shaped[ArrayLike, "num dim"], kind: Kind, key: PRNGKeyArray
) -> tuple[list[Variable], Int[np.ndarray, " num"]]:
    """The columns of one table as variables of its name, and the order of their samples that folds are runs of.

    **Raises:** and **Warns:** as [`of_pair`][].
    """
    order_key, key = jr.split(key)
    # Each column of labels is a variable of its own.
    checked = [checked_tables({"x": (column, kind)})["x"] for column in np.asarray(x).T]
    found = [variable_of("x", one, own_key) for one, own_key in zip(checked, jr.split(key, len(checked)))]
    raw = np.stack([one.x.reshape(-1) for one in checked], 1)
    check_independence({f"x[:, {index}]": column[:, None] for index, column in enumerate(raw.T)})
    return found, independent_order(raw, order_key, _strata(found))


def checked_tables(tables: Mapping[str, tuple[Shaped[ArrayLike, "..."], Kind]]) -> dict[str, Samples]:
    """Tables with as many rows each.

    **Raises:** `ValueError` as [`entropax.data.check_samples`][], by their names.
    """
    checked = {name: check_samples(table, x_kind=kind, names=(name, "", "")) for name, (table, kind) in tables.items()}
    (first, wanted), *others = ((name, len(one)) for name, one in checked.items())
    for name, found in others:
        if found != wanted:
            raise ValueError(f"`{name}` must have as many rows as `{first}`, {wanted}; got {found}.")
    return checked


def variable_of(name: str, samples: Samples, key: PRNGKeyArray) -> Variable:
    """The variable that `x` of checked samples is."""
    if samples.x_classes is None:
        return of_numbers(samples.x, key, name)
    return of_labels(samples.x, len(samples.x_classes), name)


def _strata(variables: Sequence[Variable]) -> Int[np.ndarray, " num"] | None:
    """The labels that folds are stratified by: those of the last variable that is nothing else. (By more than one
    variable they would hold what these tell of each other, which the null must not.)"""
    for variable in reversed(variables):
        if variable.is_discrete and len(variable.discrete) == 1:
            return variable.discrete[0].labels
    return None


def independent_order(
    rows: Real[np.ndarray, "num dim"], key: PRNGKeyArray, labels: Int[np.ndarray, " num"] | None = None
) -> Int[np.ndarray, " num"]:
    """A random order of samples, whose contiguous runs serve as folds.

    Copies of one sample, by [`copies_of`][entropax.dependence._samples.copies_of], are neighbours, so that no density
    is measured on a copy of what it was fitted to. All other rows are exchangeable, even if they are equal. If there
    are labels, every run holds each label in nearly the same proportion, which lowers the variance between folds.

    **Arguments:**

    - `rows`: all variables side by side, as they came.
    - `key`: all randomness.
    - `labels`: from 0 on.

    **Warns:** `SamplesWarning` if more than one row in a hundred is a copy.
    """
    order_key, offset_key = (key, key) if labels is None else jr.split(key)
    order = np.asarray(jr.permutation(order_key, len(rows)))
    if labels is not None:
        order = order[_interleaved(labels[order], offset_key)]
    sample = copies_of(rows)
    copies = len(rows) - len(np.unique(sample))
    if copies == 0:
        return order
    if copies > _COPIES * len(rows):
        warnings.warn(
            f"{copies} of {len(rows)} rows are copies of other rows, with values that chance does not repeat. Copies "
            "are kept in one fold, so that no network is measured on a sample that it was fitted to, but the error bar "
            "counts every copy as a sample of its own. Remove the copies if they are not independent samples.",
            SamplesWarning,
            stacklevel=5,
        )
    # Each sample stands where the first of its copies stands.
    _, first, place = np.unique(sample[order], return_index=True, return_inverse=True)
    return order[np.argsort(first[place.reshape(-1)], kind="stable")]


def _interleaved(labels: Int[np.ndarray, " num"], key: PRNGKeyArray) -> Int[np.ndarray, " num"]:
    """An order in which the samples of each label stand at equal distances; where the first one stands is random, so
    that rare labels do not meet in one fold."""
    by_label = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    within = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    offset = np.asarray(jr.uniform(key, counts.shape))
    place = np.empty(len(labels))
    place[by_label] = (within + offset[labels[by_label]]) / counts[labels[by_label]]
    return np.argsort(place, kind="stable")
