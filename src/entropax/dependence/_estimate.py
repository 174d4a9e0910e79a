import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.linalg
from jaxtyping import Int, PRNGKeyArray

from ..integral import Estimate, standard_error
from ._cross_fitting import CrossFitting, departures
from ._dependence import Dependence, warn_few, warn_unconverged
from ._gaussian import excess_kurtosis, gaussian_part
from ._null import p_value
from ._resolution import check_neighbours
from ._terms import Term
from ._variables import Variables


# Of Gaussian copulas the kurtosis stays within two or three standard errors.
_NOT_GAUSSIAN = 5.0


def estimate(
    variables: Variables,
    sides: Sequence[Sequence[Term]],
    order: Int[np.ndarray, " num"],
    *,
    name: str,
    names: Sequence[str],
    noisy: Sequence[int],
    shuffled: Sequence[int],
    fitting: CrossFitting,
    key: PRNGKeyArray,
    stretch: int = 1,
) -> Dependence:
    """A sum of terms, by second moments and what networks find beyond them.

    **Arguments:**

    - `variables`: the samples.
    - `sides`: the quantity; where it has several forms, all of them, whose mean is taken.
    - `order`: of the samples; folds are runs of it.
    - `name`, `names`: of the quantity and of the variables, for errors and warnings.
    - `noisy`: the variables that must not be functions of all others, for the quantity to be finite.
    - `shuffled`: the variables whose derangements make the null; none, no null.
    - `fitting`: of the networks.
    - `key`: all randomness.
    - `stretch`: how many samples next to each other the error bar takes for one.

    **Raises:** `ValueError` as [`entropax.dependence.gaussian_information`][], with a fold held out;
        `FloatingPointError` where a training diverges.

    **Warns:** `SamplesWarning`, `ConvergenceWarning`, `ResolutionWarning`.
    """
    warn_few(len(variables.values), name)
    gaussian = gaussian_part(variables, sides[0], names)
    check_neighbours(variables, noisy, names, name)
    fit_key, null_key = jr.split(key)
    # A single column's normal scores are Gaussian: nothing departs.
    departing = [[term for term in side if term.given or len(variables.columns(term.of)) > 1] for side in sides]
    laws = [law for side in departing for law in side]
    found = departures(variables, laws, order, fitting=fitting, key=fit_key)
    # A row for each side: what each law counts in it.
    weights = np.asarray(scipy.linalg.block_diag(*[[law.weight for law in side] for side in departing]))
    extrapolated = weights @ (2 * found.whole - found.half)
    counts = weights.mean(0)
    whole, half = counts @ found.whole, counts @ found.half
    value = gaussian + of_shares(extrapolated.mean(0))
    if stretch > 1:
        value, gaussian = (_by_stretches(one, stretch) for one in (value, gaussian))
    # What a single sample has is by the better fit; the extrapolation is of the mean.
    pointwise = np.asarray(gaussian.pointwise) + whole
    pointwise += float(value.value) - pointwise.mean()
    value = dataclasses.replace(value, pointwise=jnp.asarray(pointwise, jnp.float32))
    by_side = float(gaussian.value) + extrapolated.mean(1)
    dependence = Dependence(
        value,
        gaussian,
        float(gaussian.value) + float(whole.mean()),
        float(gaussian.value) + float(half.mean()),
        p_value(found.folds, variables, shuffled, null_key) if shuffled else None,
        tuple(by_side.tolist()) if len(sides) > 1 else None,
        # All folds choose alike.
        not any(found.folds[0].networks) and abs(excess_kurtosis(variables)) > _NOT_GAUSSIAN,
    )
    warn_unconverged(dependence, name)
    return dependence


def of_shares(pointwise: np.ndarray) -> Estimate:
    """The mean of what each sample has, with the error of finite data."""
    residuals = pointwise - pointwise.mean()
    as_float = lambda value: jnp.asarray(value, jnp.float32)
    return Estimate(
        as_float(pointwise.mean()),
        as_float(residuals.std(ddof=1) / np.sqrt(len(residuals))),
        as_float(0.0),
        as_float(pointwise),
        as_float(residuals),
    )


def _by_stretches(estimate: Estimate, stretch: int) -> Estimate:
    r"""The estimate, with the standard error of a mean over samples of which only stretches are independent.

    In place of its residuals stands the mean of those of its stretch, times what makes their spread that error. This is
    linear in the residuals: sums and differences of such estimates have the error of the stretches of their residuals.
    """
    residuals = np.asarray(estimate.residuals, np.float64)
    num, count = len(residuals), len(residuals) // stretch
    means = residuals[: count * stretch].reshape(count, stretch).mean(1)
    spread = np.zeros(num)
    spread[: count * stretch] = np.repeat(means - means.mean(), stretch)
    spread *= np.sqrt(num * (num - 1) / (stretch * count * (count - 1)))
    return dataclasses.replace(
        estimate,
        stderr_data=_of_stretches(estimate.residuals, stretch),
        residuals=jnp.asarray(spread, jnp.float32),
    )


def _of_stretches(residuals, stretch: int):
    """The standard error of a mean over samples of which only stretches are independent."""
    whole = len(residuals) // stretch * stretch
    return standard_error(residuals[:whole].reshape(-1, stretch).mean(1))
