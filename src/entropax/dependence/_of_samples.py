import warnings
from collections.abc import Sequence
from typing import NamedTuple

import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike, Float64, Int, Int32, PRNGKeyArray, Real, Shaped

from ..data import check_samples, Kind, rank_gaussianise, SamplesWarning
from ._variables import Variables


# A column with more distinct values than this share of the distinct rows is continuous: equal rows are copies of one.
_CONTINUOUS = 0.5

# Of so large a share of copies one should know.
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
    order = independent_order(np.concatenate(raw, 1), order_key)
    return Ordered(side_by_side(parts, ranked), order, None if samples.y_classes is None else samples.y)


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


def independent_order(rows: Real[np.ndarray, "num dim"], key: PRNGKeyArray) -> Int[np.ndarray, " num"]:
    """A random order, in which copies of one sample are neighbours: networks would know those of another fold by heart.

    **Warns:** `SamplesWarning` where there are copies.
    """
    order = np.asarray(jr.permutation(key, len(rows)))
    distinct, copy_of = np.unique(rows[order], axis=0, return_inverse=True)
    copies = len(rows) - len(distinct)
    # Rows of a few whole numbers agree by chance.
    if copies == 0 or max(len(np.unique(column)) for column in rows.T) < _CONTINUOUS * len(distinct):
        return order
    if copies > _COPIES * len(rows):
        warnings.warn(
            f"{copies} of {len(rows)} rows are copies of others. They are kept together, so that hardly any is "
            "measured by what was fitted to its like, but error bars take them for samples of their own: leave them "
            "out, unless their law repeats itself.",
            SamplesWarning,
            stacklevel=5,
        )
    return order[np.argsort(copy_of.reshape(-1), kind="stable")][_by_groups(np.sort(copy_of.reshape(-1)), key)]


def _by_groups(sorted_groups: np.ndarray, key: PRNGKeyArray) -> np.ndarray:
    """Groups in random order, their members together."""
    places = np.asarray(jr.permutation(key, int(sorted_groups[-1]) + 1))
    return np.argsort(places[sorted_groups], kind="stable")
