import warnings
from dataclasses import dataclass
from typing import get_args, Literal

import numpy as np
from jaxtyping import ArrayLike, Float64, Int32, Shaped

from .._arrays import check_finite, of_unit_size, plain_array, to_float64


# What a variable may be declared as; "auto" goes by its dtype.
Kind = Literal["auto", "discrete", "continuous"]

# A float variable with no more distinct whole values than this, each seen more than ten
# times, is taken for labels that lost their dtype.
_FEW_VALUES = 20

# A direction in which regression leaves less than this share of the variance.
_RESIDUAL_SHARE = 1e-6

# A column in which each value occurs this many times on average is discrete.
_REPEATS = 10

# Rows that the checks for a functional dependence look at.
_CHECKED_ROWS = 10_000


class SamplesWarning(UserWarning):
    """The samples can be used, but the estimate may not mean what it seems to."""


@dataclass(frozen=True, eq=False)
class Samples:
    r"""Samples that passed [`entropax.data.check_samples`][].

    **Arguments:**

    - `x`: a continuous variable, shape `(num, dim_x)`, or labels as `y`.
    - `y`: `None`, a continuous variable, shape `(num, dim_y)`, or labels, shape
        `(num,)`, in `0..num_classes - 1`.
    - `c`: the variable conditioned on, in the same way.
    - `y_classes`, `c_classes`, `x_classes`: what the labels stood for: label `k` is row `k`. `None`
        where the variable is continuous or absent.
    """

    x: Float64[np.ndarray, "num dim_x"] | Int32[np.ndarray, " num"]
    y: Float64[np.ndarray, "num dim_y"] | Int32[np.ndarray, " num"] | None = None
    c: Float64[np.ndarray, "num dim_c"] | Int32[np.ndarray, " num"] | None = None
    y_classes: Shaped[np.ndarray, "..."] | None = None
    c_classes: Shaped[np.ndarray, "..."] | None = None
    x_classes: Shaped[np.ndarray, "..."] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def num_classes(self) -> int | None:
        """The number of labels of a discrete `y`, else `None`."""
        return None if self.y_classes is None else len(self.y_classes)

    @property
    def num_c_classes(self) -> int | None:
        """The number of labels of a discrete `c`, else `None`."""
        return None if self.c_classes is None else len(self.c_classes)


def check_samples(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."] | None = None,
    c: Shaped[ArrayLike, "..."] | None = None,
    *,
    minimum: int = 2,
    x_kind: Kind = "continuous",
    y_kind: Kind = "auto",
    c_kind: Kind = "auto",
    names: tuple[str, str, str] = ("x", "y", "c"),
) -> Samples:
    r"""Refuses samples that no estimate could be made of, before any work.

    `x` is continuous, whatever its dtype, unless `x_kind` says otherwise. `y` and `c` are labels where their dtype is
    integer, boolean or text, and continuous where it is float. Lists are arrays; masked arrays, sparse matrices,
    iterators and Python objects are refused. An array of one
    dimension is a column; labels in several columns are one label a distinct row.

    **Arguments:**

    - `x`, `y`, `c`: samples, a row each: shapes `(num,)` or `(num, dim)`.
    - `minimum`: the number of rows wanted.
    - `x_kind`, `y_kind`, `c_kind`: `"discrete"` or `"continuous"` overrules the dtype.
    - `names`: what errors call the three.

    **Returns:** the samples in float64, labels in int32 from 0 on.

    **Raises:** `ValueError`, saying where and what to do, where an array is not of
    those shapes, has fewer rows than `minimum` or than its fellows, holds NaN or
    infinity, masked entries, different numbers that float64 cannot tell apart, or a
    constant column, or where labels and a continuous variable may have
    been taken for one another.

    **Warns:** `SamplesWarning` where `x` and a continuous `y` look like functions of
    one another, by [`entropax.data.depends_on`][].
    """
    own, x_classes = _check_condition(x, names[0], None, names[0], minimum, x_kind)
    if own is None:
        raise ValueError(f"`{names[0]}` must be given; got None.")
    y, y_classes = _check_condition(y, names[1], len(own), names[0], minimum, y_kind)
    c, c_classes = _check_condition(c, names[2], len(own), names[0], minimum, c_kind)
    if y is not None and y_classes is None and x_classes is None:
        message = _dependence(own, y)
        if message is not None:
            warnings.warn(message, SamplesWarning, stacklevel=2)
    return Samples(own, y, c, y_classes, c_classes, x_classes)


def depends_on(x: Shaped[ArrayLike, "..."], y: Shaped[ArrayLike, "..."]) -> bool:
    r"""Whether one of $X$, $Y$ looks like a function of the other, so that $I(X;Y)$ may
    be infinite. A cheap check on the first 10 000 rows: a direction $u$ of $X$ has a residual variance
    $\mathrm{Var}(u^\top X - \beta^\top Y) < 10^{-6}\,\mathrm{Var}(u^\top X)$ under least squares, a canonical
    correlation within that of 1.

    A dependence that is not linear is not seen. Columns whose values repeat ten times on average are left out, since
    their entropy is finite and bounds $I(X;Y)$; and so are labels, of integer dtype.

    **Arguments:**

    - `x`, `y`: samples, shapes `(num,)` or `(num, dim)`.

    **Returns:** the answer.

    **Warns:** `SamplesWarning` where it is yes.
    """
    tables = _check_table(x, "x", 2), _check_table(y, "y", 2)
    if len(tables[0]) != len(tables[1]):
        raise ValueError(_lengths("y", len(tables[1]), "x", len(tables[0])))
    if any(table.dtype.kind != "f" for table in tables):
        return False
    message = _dependence(*(table.astype(np.float64) for table in tables))
    if message is not None:
        warnings.warn(message, SamplesWarning, stacklevel=2)
    return message is not None


def _lengths(name: str, found: int, first: str, wanted: int) -> str:
    return f"`{name}` must have as many rows as `{first}`, {wanted}; got {found}."


def _check_table(value, name: str, minimum: int) -> np.ndarray:
    table = plain_array(value, name)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2:
        raise ValueError(
            f"`{name}` must have shape (num,) or (num, dim); got {table.shape}. "
            f"Flatten samples of more axes: {name}.reshape(len({name}), -1)."
        )
    if table.size == 0:
        raise ValueError(f"`{name}` is empty: shape {table.shape}.")
    if len(table) < minimum:
        raise ValueError(f"`{name}` must have at least {minimum} rows; got {len(table)}.")
    if table.dtype.kind in "SU":
        return table
    if table.dtype.kind not in "biu":
        table = to_float64(table, name)
        check_finite(table, name)
    constant = np.flatnonzero((table == table[:1]).all(0))
    if constant.size and len(table) > 1:
        raise ValueError(
            f"`{name}` must vary: columns {constant.tolist()} (counted from 0) are "
            "constant. Leave them out; they carry no information."
        )
    return table


def _check_condition(value, name: str, num: int | None, first: str, minimum: int, kind: Kind):
    """A condition as numbers and no classes, or as labels and their classes."""
    if kind not in get_args(Kind):
        raise ValueError(f"`{name}_kind` must be one of {get_args(Kind)}; got {kind!r}.")
    if value is None:
        return None, None
    table = _check_table(value, name, minimum)
    num = len(table) if num is None else num
    if len(table) != num:
        raise ValueError(_lengths(name, len(table), first, num))
    floating = table.dtype.kind not in "biuSU"
    if kind == "continuous" or (kind == "auto" and floating):
        continuous = to_float64(table, name)
        if kind == "auto":
            _refuse_float_labels(continuous, name)
        return continuous, None
    classes, labels = np.unique(table, axis=0, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"`{name}` must vary: all its labels are {table[0].tolist()}.")
    if 2 * len(classes) > num:
        raise ValueError(
            f"`{name}` has dtype {table.dtype} and was taken for labels, but it holds {len(classes)} distinct ones in "
            f"{num} rows. Labels that hardly ever repeat, as identifiers, allow no estimate: merge them, or leave "
            f"`{name}` out. If it is continuous, pass {name}.astype(float) or {name}_kind='continuous'."
        )
    classes = classes[:, 0] if classes.shape[1] == 1 else classes
    return labels.reshape(-1).astype(np.int32), classes


def _refuse_float_labels(table: np.ndarray, name: str) -> None:
    if not (table == np.round(table)).all():
        return
    distinct = len(np.unique(table, axis=0))
    if distinct <= min(_FEW_VALUES, (len(table) - 1) // 10):
        raise ValueError(
            f"`{name}` is of float dtype, which means a continuous variable, but holds "
            f"only {distinct} distinct values, all whole numbers. If these are labels, "
            f"pass {name}.astype(int) or {name}_kind='discrete'; if it is continuous, "
            f"{name}_kind='continuous'."
        )


def _dependence(x: np.ndarray, y: np.ndarray) -> str | None:
    """What to warn of where one of `x`, `y` looks like a function of the other."""
    x, y = (_without_few_values(table[:_CHECKED_ROWS]) for table in (x, y))
    if x.size and y.size and _linearly_determined(x, y):
        return "X looks like a function of Y: I(X;Y) may be infinite."
    return None


def _without_few_values(table: np.ndarray) -> np.ndarray:
    """The columns that are not discrete: values that repeat have an entropy, which bounds all that they can tell."""
    return table[:, [_REPEATS * len(np.unique(column)) > len(column) for column in table.T]]


def _linearly_determined(x: np.ndarray, y: np.ndarray) -> bool:
    # With about as many columns as rows least squares fits anything; more than a few
    # times as many rows only cost time.
    columns = x.shape[1] + y.shape[1]
    if len(x) <= 2 * columns:
        return False
    x, y = (of_unit_size(table[: max(1000, 3 * columns)])[0] for table in (x, y))
    overlaps = _whitened(x).T @ _whitened(y)
    correlations = np.linalg.svd(overlaps, compute_uv=False)
    return bool((1 - correlations**2 < _RESIDUAL_SHARE).any())


def _whitened(table: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the centred columns, without those that are rounding."""
    # Columns that vary later may be constant in these rows.
    table = table[:, (table != table[:1]).any(0)]
    if table.size == 0:
        return table
    centred = table - table.mean(0)
    basis, scales, _ = np.linalg.svd(centred / np.linalg.norm(centred, axis=0), full_matrices=False)
    return basis[:, scales > 1e-6 * scales[0]]
