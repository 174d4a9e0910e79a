from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True, eq=False)
class Variables:
    """Samples of several variables.

    **Arguments:**

    - `values`: shape `(num, dim)`, the variables side by side.
    - `dims`: how many columns each of them has.
    - `ranked`: whether each holds normal scores of samples of its own; none does where it is empty.
    """

    values: Float64[np.ndarray, "num dim"]
    dims: tuple[int, ...]
    ranked: tuple[bool, ...] = ()

    @property
    def ranked_columns(self) -> np.ndarray:
        """Whether each column holds normal scores."""
        return np.repeat(self.ranked or (False,) * len(self.dims), self.dims)

    def columns(self, variables: Sequence[int]) -> np.ndarray:
        """The columns of some of the variables."""
        starts = np.cumsum((0, *self.dims))
        return np.concatenate([np.arange(starts[i], starts[i] + self.dims[i]) for i in variables] or [np.zeros(0, int)])
