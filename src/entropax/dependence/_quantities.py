"""The quantities: mutual information, total correlation and the others, and how each is put together."""

import dataclasses
import math
import warnings
from collections.abc import Sequence

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.linalg
from jaxtyping import ArrayLike, Int, PRNGKeyArray, Shaped

from .._arguments import check_instance, check_key, check_whole
from .._arrays import of_unit_size, plain_array
from .._progress import Progress
from ..data import Kind, SamplesWarning
from ..integral import Estimate, standard_error
from ._classifiers import Classified, classified
from ._cross_fitting import CrossFitting, Departures, departures, kept
from ._dependence import Dependence, MISSING, stderr_of_fits, warn_few, warn_of_bound, warn_unconverged
from ._gaussian import excess_kurtosis, gaussian_part
from ._neighbours import check_counts, check_neighbours, counted, NearestNeighbours
from ._null import cauchy, p_value
from ._samples import checked_tables, of_columns, of_pair, of_tables, variable_of
from ._variables import (
    dual_total_correlation_terms,
    interaction_information_terms,
    Layout,
    layout,
    mutual_information_terms,
    o_information_terms,
    side_by_side,
    Term,
    together,
    total_correlation_terms,
    Variable,
    Variables,
)


def mutual_information(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    given: Shaped[ArrayLike, "..."] | None = None,
    *,
    x_kind: Kind = "continuous",
    y_kind: Kind = "auto",
    given_kind: Kind = "auto",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Mutual information $I(X;Y)$ of samples, or $I(X;Y \mid C)$ if `given` holds $C$,

    $$I(X;Y \mid C) = I_{\mathcal N} + J(X \mid Y, C) - J(X \mid C), \qquad
      J(A \mid B) = \tfrac12\int\mathbb E\bigl[\lVert\varepsilon - \hat\varepsilon_{\mathcal N}\rVert^2 -
      \lVert\varepsilon - \hat\varepsilon(z, \lambda \mid b)\rVert^2\bigr]\,\mathrm{d}\lambda.$$

    Numbers become normal scores. Their second moments determine $I_{\mathcal N}$, in closed form and without bias.
    Mixtures, kernels and one network estimate how every conditional distribution departs from its Gaussian, $J$, and
    are measured on samples that they were not fitted to. For labels $Y$, and for numbers that take few values, the
    estimate is $\mathbb E\log q(y \mid x, c)/q(y \mid c)$, with a cross-fitted mixture of classifiers for $q$, and
    never exceeds $H(Y)$. If some values of a column repeat, as the zeros of zero-inflated data do, classifiers predict
    whether a sample has such a value, and the fits above do the rest.

    **Arguments:**

    - `x`: numbers, shape `(num,)` or `(num, dim_x)`.
    - `y`, `given`: the same, or labels: integers, booleans or text.
    - `x_kind`, `y_kind`, `given_kind`: `"continuous"` for numbers, whose order counts; `"discrete"` for labels, which
        have no order; `"auto"` to decide by the dtype. By default `x` holds numbers, and the dtypes of `y` and `given`
        decide. `kinds` of the result has the kind of each variable.
    - `fitting`: [`entropax.dependence.CrossFitting`][], the default, or [`entropax.dependence.NearestNeighbours`][] for
        a first answer in a second.
    - `key`: all randomness.

    **Returns:** the estimate. With `CrossFitting` and without `given` it has a p-value of independence.

    **Raises:** `ValueError` as [`entropax.data.check_samples`][] and, of numbers `y`, as
        [`entropax.dependence.gaussian_information`][], with a fold held out; `FloatingPointError` where a training
        diverges.

    **Warns:** `SamplesWarning` if samples are few, copies of each other or functions of each other;
        `ConvergenceWarning` if more samples would move the estimate; `ResolutionWarning` if the information may be
        infinite, or if counting pairs of values gives more than the fits find.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (13), (14); Franzese et al., MINDE (2024); Chernozhukov et al.,
        Double/debiased machine learning (2018), for cross-fitting; Barber and Agakov, The IM algorithm (2003), for
        labels.
    """
    sample_key, key = jr.split(check_key(key))
    variables, order = of_pair(x, y, given, (x_kind, y_kind, given_kind), sample_key)
    of_x, of_y = (variable.difficulty for variable in variables[:2])
    # The variable that is easier to predict is the one that is predicted.
    own, other = (1, 0) if of_y < of_x or of_y == 0 else (0, 1)
    return _of_pair(variables, order, [(own, other)], fitting, key)


def two_sided_mutual_information(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    given: Shaped[ArrayLike, "..."] | None = None,
    *,
    x_kind: Kind = "continuous",
    y_kind: Kind = "continuous",
    given_kind: Kind = "auto",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Mutual information by what either variable tells of the other, $\tfrac12\bigl[J(X \mid Y, C) - J(X \mid C) +
    J(Y \mid X, C) - J(Y \mid C)\bigr]$ beyond $I_{\mathcal N}$: one network learns both, and how far they are apart
    is part of the error bar.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][], but for `y`,
    which by default holds numbers; `sides` has the estimates by X given Y, and by Y given X.
    """
    sample_key, key = jr.split(check_key(key))
    variables, order = of_pair(x, y, given, (x_kind, y_kind, given_kind), sample_key)
    return _of_pair(variables, order, [(0, 1), (1, 0)], fitting, key)


def _of_pair(variables, order, sides, fitting, key):
    """Mutual information of the first two variables, given the third if there is one."""
    conditions = tuple(range(2, len(variables)))
    found = estimate(
        variables,
        [mutual_information_terms(own, other, conditions) for own, other in sides],
        order,
        name="I(X;Y|C)" if conditions else "I(X;Y)",
        noisy=(0, 1),
        shuffled=() if conditions else (1,),
        fitting=fitting,
        key=key,
        bounds=(0.0, min(variable.entropy for variable in variables[:2])),
    )
    if not conditions:
        check_counts(variables[0], variables[1], found.value, found.stderr)
    return found


def total_correlation(
    x: Shaped[ArrayLike, "num dim"],
    *,
    kind: Kind = "continuous",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Total correlation of the columns of `x`, $\mathrm{TC} = \sum_i H(X_i) - H(X_1, \dots, X_m) =
    \mathrm{KL}\bigl(p \,\Vert\, \prod_i p_i\bigr)$.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][]; `kind` is
    that of every column, and the p-value is of columns that are all independent.

    ??? cite "Source"
        Watanabe, Information theoretical analysis of multivariate correlation (1960).
    """
    return _of_columns(x, total_correlation_terms, "TC(X)", kind, fitting, key, has_null=True)


def dual_total_correlation(
    x: Shaped[ArrayLike, "num dim"],
    *,
    kind: Kind = "continuous",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Dual total correlation of the columns of `x`, $\mathrm{DTC} = H(X_1, \dots, X_m) - \sum_i H(X_i \mid X_{-i})$:
    what they share.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.total_correlation`][], without a
    p-value.

    ??? cite "Source"
        Han, Nonnegative entropy measures of multivariate symmetric correlations (1978).
    """
    return _of_columns(x, dual_total_correlation_terms, "DTC(X)", kind, fitting, key)


def o_information(
    x: Shaped[ArrayLike, "num dim"],
    *,
    kind: Kind = "continuous",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""O-information of the columns of `x`, $\Omega = \mathrm{TC} - \mathrm{DTC}$: above zero where redundancy
    prevails, below zero where synergy does.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.total_correlation`][], without a
    p-value.

    ??? cite "Source"
        Rosas et al., Quantifying high-order interdependencies via multivariate extensions of the mutual information
        (2019).
    """
    return _of_columns(x, o_information_terms, "Ω(X)", kind, fitting, key, least=-math.inf)


def interaction_information(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    z: Shaped[ArrayLike, "..."],
    *,
    x_kind: Kind = "continuous",
    y_kind: Kind = "continuous",
    z_kind: Kind = "continuous",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Interaction information of three variables, $I(X;Y \mid Z) - I(X;Y)$: above zero where synergy prevails. The
    co-information of Bell and the $I(X;Y;Z)$ of Cover and Thomas have the opposite sign, which is that of
    [`entropax.dependence.o_information`][] of three columns.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][], without a
    p-value; all three hold numbers by default.

    ??? cite "Source"
        McGill, Multivariate information transmission (1954), for the quantity and its sign; Bell, The co-information
        lattice (2003), and Cover and Thomas, Elements of information theory (2006), Problem 2.25, for the opposite one.
    """
    sample_key, key = jr.split(check_key(key))
    variables, order = of_tables({"x": (x, x_kind), "y": (y, y_kind), "z": (z, z_kind)}, sample_key)
    return estimate(
        variables,
        [interaction_information_terms()],
        order,
        name="I(X;Y;Z)",
        noisy=range(3),
        shuffled=(),
        fitting=fitting,
        key=key,
        bounds=(-math.inf, math.inf),
    )


def _of_columns(x, terms_of, name, kind, fitting, key, *, has_null=False, least=0.0):
    """A quantity of the columns of one table, each a variable; a null is of all of them independent."""
    sample_key, key = jr.split(check_key(key))
    x = plain_array(x, "x")
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"`x` must have shape (num, dim) with two columns or more; got {x.shape}.")
    variables, order = of_columns(x, kind, sample_key)
    num = x.shape[1]
    return estimate(
        variables,
        [terms_of(num)],
        order,
        name=name,
        noisy=range(num),
        shuffled=range(1, num) if has_null else (),
        fitting=fitting,
        key=key,
        bounds=(least, math.inf),
    )


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
    """Estimates a sum of terms: those of continuous parts by second moments and the fits beyond them, those of discrete
    parts by classifiers.

    **Arguments:**

    - `variables`: the samples.
    - `sides`: the terms of the quantity, for each of its forms, whose mean is the estimate.
    - `order`: of the samples; folds are runs of it.
    - `name`: of the quantity, for errors and warnings.
    - `noisy`: the variables that must not be functions of all others, for the quantity to be finite.
    - `shuffled`: the variables that are deranged for the p-value; if there are none, there is no p-value.
    - `fitting`: of densities and classifiers.
    - `key`: all randomness.
    - `bounds`: between which the quantity lies, whatever the distribution.
    - `stretch`: the number of neighbouring samples that count as one sample in the error bar.

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
    about: dict = dict(kinds=kinds, bounds=bounds)
    if isinstance(fitting, NearestNeighbours):
        return _first_answer(apart, sides[0], order, gaussian, fitting, name, fit_key, stretch, about)
    first = None
    if fitting.precision is not None or Progress.is_shown():
        first = _first_answer(apart, sides[0], order, gaussian, NearestNeighbours(), name, fit_key, stretch, about)
    if first is not None and fitting.precision is not None and first.stderr <= fitting.precision:
        return first
    # A single column's normal scores are Gaussian: nothing departs.
    departing = [[term for term in side if term.given or len(parts.columns(term.of)) > 1] for side in by_networks]
    laws = [law for side in departing for law in side]
    none = np.zeros((len(laws), len(order)))
    with Progress(name if first is None else f"{name}, at first {first}") as progress:
        found = Departures(none, none, none, [])
        if laws:
            found = departures(parts, laws, order, fitting=fitting, progress=progress, key=fit_key)
        labelled = [classified(apart.label_terms(side), order, fitting=fitting, key=fit_key) for side in sides]
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
    # A row for each side: what each law counts in it.
    weights = np.asarray(scipy.linalg.block_diag(*[[law.weight for law in side] for side in departing]))
    dependence = _extrapolated(gaussian, weights, found, labelled, stretch, about)
    dependence = dataclasses.replace(
        dependence,
        p_value=cauchy(np.asarray(p_values)) if p_values else None,
        unseen=bool(laws) and not found.whole.any() and _is_not_gaussian(apart),
    )
    warn_unconverged(dependence, name)
    return dependence


def _first_answer(apart, terms, order, gaussian, fitting, name, key, stretch, about) -> Dependence:
    """By nearest neighbours."""
    seed = int(np.random.default_rng(np.asarray(jr.key_data(key))).integers(2**31))
    near = counted(apart, terms, order, fitting.k, float(gaussian.value), seed)
    whole = float(near.pointwise.mean())
    value = of_shares(near.pointwise + (whole - near.halved))
    value = _by_stretches(value, stretch) if stretch > 1 else value
    first = Dependence(_with_error(value, near.stderr_fit), gaussian, whole, near.halved, **about)
    # More samples nearly always move a first answer, as its error bar says.
    warn_of_bound(first, name)
    return first


def _extrapolated(gaussian, weights, found: Departures, labelled: Sequence[Classified], stretch, about) -> Dependence:
    """By what fits to all other folds and to half of the samples find; `weights` are of the laws, for each side."""
    gained = found.whole - found.half
    # No distribution is predicted worse by more samples but by chance.
    departed = found.whole + MISSING * np.where(gained.mean(1, keepdims=True) > 0, gained, 0)
    extrapolated = weights @ departed + [one.extrapolated for one in labelled]
    whole, half, linear = (np.mean([getattr(one, size) for one in labelled], 0) for size in ("whole", "half", "linear"))
    whole, half = weights.mean(0) @ found.whole + whole, weights.mean(0) @ found.half + half
    value, linear = gaussian + of_shares(extrapolated.mean(0)), gaussian + of_shares(linear)
    if stretch > 1:
        value, linear = (_by_stretches(one, stretch) for one in (value, linear))
    # The share of a single sample is by the better fit; only the mean is extrapolated.
    pointwise = np.asarray(gaussian.pointwise) + whole
    pointwise += float(value.value) - pointwise.mean()
    value = dataclasses.replace(value, pointwise=jnp.asarray(pointwise, jnp.float32))
    by_side = float(gaussian.value) + extrapolated.mean(1)
    fitted, halved = (float(gaussian.value) + float(one.mean()) for one in (whole, half))
    stderr_fit = stderr_of_fits(
        fitted,
        halved,
        by_side.tolist(),
        alone=float((weights.mean(0) @ (found.whole - found.alone)).mean()),
        beyond=float(value.value) - float(linear.value),
    )
    sides = tuple(by_side.tolist()) if len(by_side) > 1 else None
    return Dependence(_with_error(value, stderr_fit), linear, fitted, halved, sides=sides, **about)


def _with_error(value: Estimate, stderr_fit: float) -> Estimate:
    """The estimate with the error of its fits."""
    return dataclasses.replace(value, stderr_nodes=jnp.hypot(value.stderr_nodes, stderr_fit))


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
