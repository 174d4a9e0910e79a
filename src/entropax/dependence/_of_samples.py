import warnings
from collections.abc import Mapping, Sequence

import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike, Int, PRNGKeyArray, Real, Shaped

from ..data import check_samples, Kind, Samples, SamplesWarning
from ._independence import check_independence
from ._repeats import copies_of
from ._variables import of_labels, of_numbers, Variable


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
    # One after the other, so that each column of labels is a variable of its own.
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

    Rows that [`copies_of`][entropax.dependence._repeats.copies_of] takes for copies of one sample are neighbours: a
    network that is fitted to one copy would have seen what the other measures. All other rows are exchangeable, also
    where they are equal. Where there are labels, every run holds each label in nearly the same share, which lowers the
    variance between folds.

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
