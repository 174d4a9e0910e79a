import numpy as np
from jaxtyping import Int, Real


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
    """The distinct values in order, those that differ by rounding taken for one, and how much that is."""
    values = np.unique(column).astype(np.float64)
    # Numbers of less precision arrive in float64 too.
    with np.errstate(over="ignore", under="ignore"):
        precision = np.float32 if (values == values.astype(np.float32)).all() else np.float64
    rounding = _ROUNDINGS * float(np.finfo(precision).eps) * np.abs(values).max()
    apart = np.concatenate([[True], np.diff(values) > rounding])
    return values[apart], rounding
