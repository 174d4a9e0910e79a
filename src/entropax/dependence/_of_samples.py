import warnings
from collections.abc import Sequence
from typing import NamedTuple

import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike, Float64, Int, Int32, PRNGKeyArray, Real, Shaped

from ..data import check_samples, Kind, rank_gaussianise, SamplesWarning
from ._repeats import copies_of
from ._variables import Variables


# The warning about copies needs more than this share of all rows.
_COPIES = 0.01


class Ordered(NamedTuple):
    """Variables, the order of their samples that folds are runs of, and the labels of another variable."""

    variables: Variables
    order: Int[np.ndarray, " num"]
    labels: Int32[np.ndarray, " num"] | None = None


def of_pair(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    given: Shaped[ArrayLike, "..."] | None,
    *,
    y_kind: Kind,
    given_kind: Kind,
    key: PRNGKeyArray,
) -> Ordered:
    """X, Y and perhaps what is given, numbers as normal scores, labels of the latter as indicators; where Y has labels,
    these beside the others.

    **Raises:** and **Warns:** as [`entropax.data.check_samples`][], and of copies.
    """
    samples = check_samples(x, y, given, y_kind=y_kind, c_kind=given_kind, names=("x", "y", "given"))
    x_key, order_key, y_key, c_key = jr.split(key, 4)
    raw = [values.reshape(len(values), -1) for values in (samples.x, samples.y, samples.c) if values is not None]
    parts, ranked = [normal_scores(samples.x, x_key)], [True]
    if samples.y is not None and samples.y_classes is None:
        parts.append(normal_scores(samples.y, y_key))
        ranked.append(True)
    if samples.c is not None:
        classes = samples.num_c_classes
        parts.append(normal_scores(samples.c, c_key) if classes is None else indicators(samples.c, classes))
        ranked.append(classes is None)
    labels = None if samples.y_classes is None else samples.y
    order = independent_order(np.concatenate(raw, 1), order_key, labels)
    return Ordered(side_by_side(parts, ranked), order, labels)


def of_tables(key: PRNGKeyArray, **tables: Shaped[ArrayLike, "..."]) -> Ordered:
    """Variables that are all of numbers, by their names.

    **Raises:** and **Warns:** as [`of_pair`][].
    """
    order_key, *keys = jr.split(key, 1 + len(tables))
    checked = numbers(**tables)
    parts = [normal_scores(table, own_key) for table, own_key in zip(checked, keys)]
    return Ordered(side_by_side(parts, [True] * len(parts)), independent_order(np.concatenate(checked, 1), order_key))


def numbers(**tables: Shaped[ArrayLike, "..."]) -> list[Float64[np.ndarray, "num _"]]:
    """Tables of numbers, with as many rows each.

    **Raises:** `ValueError` as [`entropax.data.check_samples`][], by their names.
    """
    checked = [check_samples(table, names=(name, "", "")).x for name, table in tables.items()]
    for name, table in zip(tables, checked):
        if len(table) != len(checked[0]):
            first = next(iter(tables))
            raise ValueError(f"`{name}` must have as many rows as `{first}`, {len(checked[0])}; got {len(table)}.")
    return checked


def side_by_side(parts: Sequence[Float64[np.ndarray, "num _"]], ranked: Sequence[bool] = ()) -> Variables:
    """Variables of the same samples, and whether each holds normal scores of its own."""
    return Variables(np.concatenate(parts, 1), tuple(part.shape[1] for part in parts), tuple(ranked))


def normal_scores(columns: Real[np.ndarray, "num dim"], key: PRNGKeyArray) -> Float64[np.ndarray, "num dim"]:
    """Each column as its normal scores, with unit variance, ties in random order: what scale, tails and any other
    increasing map leave as they are, and the order of equals tells nothing."""
    scores = np.asarray(rank_gaussianise(columns, key), np.float64)
    return scores / scores.std(0)


def indicators(labels: Int32[np.ndarray, " num"], num_classes: int) -> Float64[np.ndarray, "num others"]:
    """Labels as indicators of all of them but the first, which the others tell."""
    return (labels[:, None] == np.arange(1, num_classes)).astype(np.float64)


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
