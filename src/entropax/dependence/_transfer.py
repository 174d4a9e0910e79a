import warnings

import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike, PRNGKeyArray, Real

from .._arguments import check_instance, check_key, check_whole
from ..data import SamplesWarning
from ._cross_fitting import CrossFitting
from ._dependence import Dependence
from ._estimate import estimate
from ._of_samples import normal_scores, numbers, side_by_side
from ._terms import mutual_information_terms


# A stationary series of so many samples does not move by half its spread from one half to the other.
_DRIFT = 0.5


def transfer_entropy(
    source: Real[ArrayLike, "..."],
    target: Real[ArrayLike, "..."],
    *,
    lags: int = 1,
    fitting: CrossFitting = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Transfer entropy from one series to another in nats per step,

    $$T_{X \to Y} = I\bigl(Y_t;\, X_{t-1}, \dots, X_{t-k} \mid Y_{t-1}, \dots, Y_{t-k}\bigr).$$

    It assumes series that are stationary, sampled at equal steps, and whose future depends on no more than the last $k$
    steps. Folds are stretches of time, and the error bar is that of stretches too, so that what neighbours share raises
    neither the estimate nor its precision. Sums and differences of `estimate`s over the same series, such as the net
    transfer entropy, keep the error of stretches.

    **Arguments:**

    - `source`, `target`: numbers, shape `(num,)` or `(num, dim)`, in the order of time.
    - `lags`: $k$.
    - `fitting`: how networks are fitted.
    - `key`: all randomness.

    **Raises:** `ValueError` as [`entropax.dependence.mutual_information`][], if `lags` is no whole number from one to a
        quarter of the steps, `fitting` is no [`entropax.dependence.CrossFitting`][], or `key` is no key.

    **Warns:** as [`entropax.dependence.mutual_information`][]; `SamplesWarning` if a series drifts.

    ??? cite "Source"
        Schreiber, Measuring information transfer (2000).
    """
    check_key(key)
    check_whole("lags", lags, 1)
    check_instance("fitting", fitting, CrossFitting)
    sample_key, key = jr.split(key)
    source, target = numbers(source=source, target=target)
    if lags >= len(target) // 4:
        raise ValueError(f"`lags` must be between 1 and a quarter of the {len(target)} steps; got {lags}.")
    for name, series in (("source", source), ("target", target)):
        _check_drift(series, name)
    scores = [normal_scores(series, key) for series, key in zip((source, target), jr.split(sample_key))]
    source_past, target_past = (
        np.concatenate([series[lags - lag : len(series) - lag] for lag in range(1, lags + 1)], 1) for series in scores
    )
    variables = side_by_side([scores[1][lags:], source_past, target_past])
    return estimate(
        variables,
        [mutual_information_terms(0, 1, (2,))],
        np.arange(len(variables.values)),
        name="the transfer entropy",
        names=("target", "source", "target"),
        noisy=(0, 1),
        shuffled=(),
        fitting=fitting,
        key=key,
        stretch=max(1, int(len(target) ** 0.5)),
    )


def _check_drift(series: np.ndarray, name: str) -> None:
    half = len(series) // 2
    # In units of which no square overflows or underflows.
    series = series / 2.0 ** np.floor(np.log2(np.abs(series).max(0)))
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
