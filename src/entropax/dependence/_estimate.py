import dataclasses
import math
from collections.abc import Sequence

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.linalg
from jaxtyping import Int, PRNGKeyArray

from .._arguments import check_instance
from ..integral import Estimate, standard_error
from ._cross_fitting import CrossFitting, Departures, departures
from ._dependence import Dependence, MISSING, stderr_of_fits, warn_few, warn_of_bound, warn_unconverged
from ._gaussian import excess_kurtosis, gaussian_part
from ._kept import kept
from ._labels import classified
from ._layout import Layout, layout
from ._neighbours import counted, NearestNeighbours
from ._null import cauchy, p_value
from ._resolution import check_neighbours
from ._terms import Term
from ._variables import together, Variable, Variables


# Of Gaussian copulas the kurtosis stays within two or three standard errors.
_NOT_GAUSSIAN = 5.0


def estimate(
    variables: Sequence[Variable],
    sides: Sequence[Sequence[Term]],
    order: Int[np.ndarray, " num"],
    *,
    name: str,
    noisy: Sequence[int],
    shuffled: Sequence[int],
    fitting: CrossFitting | NearestNeighbours,
    key: PRNGKeyArray,
    bounds: tuple[float, float] = (0.0, math.inf),
    stretch: int = 1,
) -> Dependence:
    """A sum of terms: of continuous parts by second moments and what other fits find beyond them, of discrete parts by
    classifiers.

    **Arguments:**

    - `variables`: the samples.
    - `sides`: the quantity; where it has several forms, all of them, whose mean is taken.
    - `order`: of the samples; folds are runs of it.
    - `name`: of the quantity, for errors and warnings.
    - `noisy`: the variables that must not be functions of all others, for the quantity to be finite.
    - `shuffled`: the variables whose derangements make the null; none, no null.
    - `fitting`: of networks and classifiers.
    - `key`: all randomness.
    - `bounds`: between which the quantity lies, whatever the distribution.
    - `stretch`: how many samples next to each other the error bar takes for one.

    **Raises:** `ValueError` as [`entropax.dependence.gaussian_information`][], with a fold held out;
        `FloatingPointError` where a training diverges.

    **Warns:** `SamplesWarning`, `ConvergenceWarning`, `ResolutionWarning`, `BoundWarning`.
    """
    check_instance("fitting", fitting, (CrossFitting, NearestNeighbours))
    warn_few(len(order), name)
    fit_key, null_key = jr.split(key)
    apart = layout(variables)
    parts = apart.parts
    by_networks = [apart.network_terms(side) for side in sides]
    gaussians = [gaussian_part(parts, side, apart.names) for side in by_networks if side]
    gaussians = gaussians or [of_shares(np.zeros(len(order)))]
    gaussian = sum(gaussians[1:], start=gaussians[0]) / len(gaussians)
    if any(by_networks):
        continuous = [apart.continuous[i] for i in noisy if not variables[i].repeats]
        check_neighbours(parts, [part for part in continuous if part is not None], apart.names, name)
    names = dict.fromkeys(variable.name for variable in variables)
    kinds = {named: together([one.kind for one in variables if one.name == named]) for named in names}
    if isinstance(fitting, NearestNeighbours) or fitting.precision is not None:
        neighbours = fitting if isinstance(fitting, NearestNeighbours) else NearestNeighbours()
        seed = int(np.random.default_rng(np.asarray(jr.key_data(fit_key))).integers(2**31))
        near = counted(apart, sides[0], order, neighbours.k, float(gaussian.value), seed)
        whole = float(near.pointwise.mean())
        value = of_shares(near.pointwise + (whole - near.halved))
        value = _by_stretches(value, stretch) if stretch > 1 else value
        first = Dependence(value, gaussian, whole, near.halved, near.stderr_fit, kinds=kinds, bounds=bounds)
        if not isinstance(fitting, CrossFitting) or first.stderr <= (fitting.precision or 0):
            # More samples nearly always move a first answer, as its error bar says.
            warn_of_bound(first, name)
            return first
    # A single column's normal scores are Gaussian: nothing departs.
    departing = [[term for term in side if term.given or len(parts.columns(term.of)) > 1] for side in by_networks]
    laws = [law for side in departing for law in side]
    none = np.zeros((len(laws), len(order)))
    found = departures(parts, laws, order, fitting=fitting, key=fit_key) if laws else Departures(none, none, none, [])
    labelled = [classified(apart.label_terms(side), order, fitting=fitting, key=fit_key) for side in sides]
    # A row for each side: what each law counts in it.
    weights = np.asarray(scipy.linalg.block_diag(*[[law.weight for law in side] for side in departing]))
    gained = found.whole - found.half
    # No distribution is predicted worse by more samples but by chance.
    departed = found.whole + MISSING * np.where(gained.mean(1, keepdims=True) > 0, gained, 0)
    extrapolated = weights @ departed + [one.extrapolated for one in labelled]
    whole, half, linear = (np.mean([getattr(one, size) for one in labelled], 0) for size in ("whole", "half", "linear"))
    whole, half = weights.mean(0) @ found.whole + whole, weights.mean(0) @ found.half + half
    value, linear = gaussian + of_shares(extrapolated.mean(0)), gaussian + of_shares(linear)
    if stretch > 1:
        value, linear = (_by_stretches(one, stretch) for one in (value, linear))
    # What a single sample has is by the better fit; the extrapolation is of the mean.
    pointwise = np.asarray(gaussian.pointwise) + whole
    pointwise += float(value.value) - pointwise.mean()
    value = dataclasses.replace(value, pointwise=jnp.asarray(pointwise, jnp.float32))
    by_side = float(gaussian.value) + extrapolated.mean(1)
    p_values = labelled[0].p_values if shuffled else []
    if shuffled and found.folds:
        columns = [parts.columns(apart.parts_of([i])) for i in shuffled]
        settings = dataclasses.replace(fitting, checkpoint=None)
        chance = kept(
            fitting.checkpoint,
            ["p", parts.values, parts.dims, parts.ranked, laws, order, columns, repr(settings), key],
            lambda: p_value(found.folds, columns, null_key),
            pack=lambda value: {"p": value},
            unpack=lambda arrays: float(arrays["p"]),
        )
        p_values = [*p_values, chance]
    fitted, halved = (float(gaussian.value) + float(one.mean()) for one in (whole, half))
    dependence = Dependence(
        value,
        linear,
        fitted,
        halved,
        stderr_of_fits(
            fitted,
            halved,
            by_side.tolist(),
            alone=float((weights.mean(0) @ (found.whole - found.alone)).mean()),
            beyond=float(value.value) - float(linear.value),
        ),
        cauchy(np.asarray(p_values)) if p_values else None,
        tuple(by_side.tolist()) if len(sides) > 1 else None,
        bool(laws) and not found.whole.any() and _is_not_gaussian(apart),
        kinds,
        bounds,
    )
    warn_unconverged(dependence, name)
    return dependence


def _is_not_gaussian(apart: Layout) -> bool:
    scores = np.concatenate([variable.scores for variable in apart.variables], 1)
    return abs(excess_kurtosis(Variables(scores, (scores.shape[1],)))) > _NOT_GAUSSIAN


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
