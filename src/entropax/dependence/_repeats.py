import numpy as np
from jaxtyping import Int, Real


# A value is an atom of its column if it occurs this many times, and this many times as often as the column's median.
_ATOM = 10

# A grid is coarse if it has at most this many points for each sample: then rounding makes values equal.
_GRID_POINTS = 10

# A gap is a multiple of the step of a grid within this share of the step.
_GRID_TOLERANCE = 1e-3


def copies_of(rows: Real[np.ndarray, "num dim"]) -> Int[np.ndarray, " num"]:
    """Which sample each row is a copy of: two rows with the same number are copies of one sample.

    Equal rows are copies if chance does not explain that they are equal: at least one of their values occurs in no
    other row, is not an atom of its column (as the zeros of zero-inflated data, or a saturated reading), and its column
    is not coarse (a few levels, or a grid with few points for each sample, as of counts, ages and rounded readings).
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
    """Whether independent samples of the column are expected to be equal."""
    values = np.unique(column)
    if len(values) <= num**0.5:
        return True
    gaps = np.diff(values) / np.ptp(values)
    step = gaps.min()
    steps = gaps / step
    on_grid = (np.abs(steps - np.round(steps)) < _GRID_TOLERANCE).all()
    low, high = np.quantile(column, [0.1, 0.9])
    return bool(on_grid and (high - low) / np.ptp(values) / step <= _GRID_POINTS * num)
