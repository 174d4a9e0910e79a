from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import ArrayLike, Float

from .._arrays import as_float64
from ..integral import Estimate


# A number without an error bar counts as the floor's where neither is more than so many times the other.
_RATIO = 2.0


class WithFloor(eqx.Module):
    """A distance of generated samples from real ones, beside that of real samples from real ones.

    **Arguments:**

    - `value`: of the generated samples.
    - `floor`: of real samples in their place.
    """

    value: Estimate | float
    floor: Estimate | float

    @property
    def indistinguishable(self) -> bool:
        """Whether the value is that of real samples, as far as can be seen: within two standard errors of the
        difference or, where there are none, within a factor of two. Less than the floor can be another value too: of
        samples that copy the real ones."""
        if isinstance(self.value, Estimate) and isinstance(self.floor, Estimate):
            # They share the real samples, and what these contribute to the error.
            difference = self.value - self.floor
            return abs(float(difference.value)) <= 2 * float(difference.stderr)
        value, floor = _number(self.value), _number(self.floor)
        return max(value, floor) <= _RATIO * min(value, floor)

    def __str__(self) -> str:
        value, floor = (str(part) if isinstance(part, Estimate) else f"{part:.4g}" for part in (self.value, self.floor))
        return f"{value} (floor {floor})"

    def __repr__(self) -> str:
        return f"WithFloor({self})"


def with_floor(
    metric: Callable[[Float[ArrayLike, "..."], Float[ArrayLike, "..."]], Estimate | float],
    generated: Float[ArrayLike, " batch *shape"],
    real: Float[ArrayLike, " other *_shape"],
    other_real: Float[ArrayLike, " another *_shape"],
) -> WithFloor:
    """A distance of generated samples from real ones, and the least that it can be seen to be: the same between two
    independent sets of real samples. Without the second the first means little.

    **Arguments:**

    - `metric`: a function of two sets of samples, which returns an [`entropax.Estimate`][] or a number; what else it
        needs (a key, bandwidths) it should have the same in both calls. Of a metric of one set,
        `lambda x, _: kl_to(x, log_density)`.
    - `generated`: the samples to be judged.
    - `real`: what they are compared with.
    - `other_real`: as many real samples as there are generated ones, none of them in `real`.

    **Returns:** a [`entropax.distance.WithFloor`][], which prints as `0.0123 ± 0.0007 (floor 0.0002 ± 0.0005)`.

    **Raises:** `ValueError` if `other_real` and `generated` differ in shape, the metric returns anything but a finite
    number or an estimate, and what the metric refuses.
    """
    if isinstance(metric, type) or not callable(metric):
        raise ValueError(f"`metric` must be a function of two sets of samples; got {metric!r:.80}.")
    wanted, found = as_float64(generated, "generated").shape, as_float64(other_real, "other_real").shape
    if found != wanted:
        raise ValueError(
            f"`other_real` must have the shape of `generated`, {wanted}, because floors depend on the number of "
            f"samples; got {found}."
        )
    return WithFloor(_checked(metric(generated, real), "generated"), _checked(metric(other_real, real), "other_real"))


def _checked(found: Estimate | float, name: str) -> Estimate | float:
    value = found.value if isinstance(found, Estimate) else found
    try:
        is_number = bool(np.isfinite(np.asarray(value, np.float64)).all()) and np.ndim(value) == 0
    except (TypeError, ValueError):
        is_number = False
    if not is_number:
        raise ValueError(f"`metric` must return an Estimate or a finite number; of `{name}` it returns {found!r:.80}.")
    return found


def _number(value: Estimate | float) -> float:
    return float(value.value) if isinstance(value, Estimate) else float(value)
