import warnings
from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

from ._variables import Variables


# What is left between nearest neighbours of a variable that is a function of them, as a share of what is left between
# any two samples.
_SHARE = 0.05

# Neighbours in more dimensions than these are not near.
_MOST_DIMENSIONS = 10

_CHECKED_ROWS = 10_000


class ResolutionWarning(UserWarning):
    """One variable looks like a function of another, so that information may have no bound."""


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
