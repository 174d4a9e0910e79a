import warnings

import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike, PRNGKeyArray, Shaped

from .._arguments import check_instance, check_key, check_whole
from .._arrays import of_unit_size
from ..data import Kind, SamplesWarning
from ._cross_fitting import CrossFitting
from ._dependence import Dependence
from ._estimate import estimate
from ._neighbours import NearestNeighbours
from ._of_samples import checked_tables, variable_of
from ._terms import mutual_information_terms
from ._variables import side_by_side


# A stationary series of so many samples does not move by half its spread from one half to the other.
_DRIFT = 0.5


def transfer_entropy(
    source: Shaped[ArrayLike, "..."],
    target: Shaped[ArrayLike, "..."],
    *,
    lags: int = 1,
    source_kind: Kind = "continuous",
    target_kind: Kind = "continuous",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Transfer entropy from one series to another in nats per step,

    $$T_{X \to Y} = I\bigl(Y_t;\, X_{t-1}, \dots, X_{t-k} \mid Y_{t-1}, \dots, Y_{t-k}\bigr).$$

    It assumes series that are stationary, sampled at equal steps, and whose future depends on no more than the last $k$
    steps. Folds are stretches of time, and the error bar is that of stretches too, so that what neighbours share raises
    neither the estimate nor its precision. Sums and differences of `estimate`s over the same series, such as the net
    transfer entropy, keep the error of stretches.

    **Arguments:**

    - `source`, `target`: shape `(num,)` or `(num, dim)`, in the order of time.
    - `lags`: $k$.
    - `source_kind`, `target_kind`: as of [`entropax.dependence.mutual_information`][]; both hold numbers by default.
    - `fitting`: how networks are fitted.
    - `key`: all randomness.

    **Raises:** `ValueError` as [`entropax.dependence.mutual_information`][], if `lags` is no whole number from one to a
        quarter of the steps, `fitting` is no [`entropax.dependence.CrossFitting`][], or `key` is no key.

    **Warns:** as [`entropax.dependence.mutual_information`][]; `SamplesWarning` if a series drifts.

    ??? cite "Source"
        Schreiber, Measuring information transfer (2000).
    """
    check_instance("fitting", fitting, (CrossFitting, NearestNeighbours))
    check_whole("lags", lags, 1)
    sample_key, key = jr.split(check_key(key))
    series: dict[str, tuple] = {"source": (source, source_kind), "target": (target, target_kind)}
    checked = checked_tables(series)
    num = len(checked["target"])
    if lags >= num // 4:
        raise ValueError(f"`lags` must be between 1 and a quarter of the {num} steps; got {lags}.")
    for name, one in checked.items():
        if one.x_classes is None:
            _check_drift(one.x, name)
    both = {name: variable_of(name, one, own) for (name, one), own in zip(checked.items(), jr.split(sample_key))}
    now = both["target"].rows(slice(lags, None))
    of_source, of_target = (
        side_by_side([both[name].rows(slice(lags - lag, num - lag)) for lag in range(1, lags + 1)], called)
        for name, called in (("source", "source"), ("target", "past of target"))
    )
    return estimate(
        [now, of_source, of_target],
        [mutual_information_terms(0, 1, (2,))],
        np.arange(num - lags),
        name="the transfer entropy",
        noisy=(0, 1),
        shuffled=(),
        fitting=fitting,
        key=key,
        bounds=(0.0, now.entropy),
        stretch=max(1, int(num**0.5)),
    )


def _check_drift(series: np.ndarray, name: str) -> None:
    half = len(series) // 2
    series, _ = of_unit_size(series)
    whole = series.std(0)
    moved = np.abs(series[:half].mean(0) - series[half:].mean(0)) / whole
    # A series that stops, or starts, has a half without spread.
    first, second = (np.maximum(part.std(0), 1e-6 * whole) for part in (series[:half], series[half:]))
    spread = np.abs(np.log(first / second))
    if (moved > _DRIFT).any() or (spread > _DRIFT).any():
        warnings.warn(
            f"`{name}` is not stationary: from its first half to its second the mean moves by {moved.max():.2g} "
            f"standard deviations, and their ratio is {np.exp(spread.max()):.2g}. Transfer entropy is "
            "of stationary series: take differences, or a stretch that does not drift.",
            SamplesWarning,
            stacklevel=3,
        )
