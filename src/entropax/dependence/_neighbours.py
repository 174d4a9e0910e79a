"""A first answer in a second, and a look at functions: by counting nearest neighbours."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int
from scipy.spatial import KDTree
from scipy.special import digamma

from .._arguments import check_whole
from ._gaussian import canonical
from ._variables import Layout, Term, Variable, Variables


# The distance between samples with different labels, which is much larger than any between normal scores.
_APART = 1e3

# The gain from half of the samples to all, and the bias on Gaussians, are measured on this many samples divided by the
# number of columns.
_MOST_COMPARED = 12_000

# With at most this many columns a tree counts the samples within a distance; its leaves hold this many samples. With
# more columns all pairs of samples are compared, this many rows at a time.
_MOST_TREE_COLUMNS, _LEAF, _BLOCK = 3, 32, 16

# Distances are shortened by this share, so that the neighbour at the distance itself does not count, also in float32.
_ROUNDING = 1e-5

# The shares that count as errors: of what neighbours find beyond second moments, and of the bias that is subtracted.
_DOUBT_BEYOND, _DOUBT_BIAS = 0.25, 0.5


@dataclasses.dataclass(frozen=True)
class NearestNeighbours:
    r"""A `fitting` that gives a first answer in a second, by counting the samples near each sample. With the distance
    $\rho_i$ from sample $i$ to its $k$-th nearest neighbour in all columns, and the number $n_S(i)$ of samples within
    this distance in a set $S$ of variables,

    $$\hat I(X;Y) = \psi(k) + \psi(N) - \tfrac1N\sum_i\bigl[\psi(n_X(i)) + \psi(n_Y(i))\bigr].$$

    Other quantities are sums over their own sets of variables. Samples with different labels are not neighbours. For
    numbers, the bias of the same estimator on Gaussian samples with the same covariance is subtracted. The value is
    twice the estimate by all samples minus the estimate by half of them.

    Neighbours detect any shape, but underestimate information in many columns and in sharp structure. The error bar
    combines the error of finite data, an error that falls as $N^{-1/d}$ in $d$ columns, half of the subtracted bias,
    and a quarter of what neighbours find beyond second moments. The result has no p-value.

    **Arguments:**

    - `k`: how many neighbours.

    **Raises:** `ValueError` unless `k` is a positive whole number.

    ??? cite "Source"
        Kraskov, Stögbauer and Grassberger, Estimating mutual information (2004); Frenzel and Pompe, Partial mutual
        information for coupling analysis (2007), of conditions; Ross, Mutual information between discrete and
        continuous data sets (2014), of labels.
    """

    k: int = 3

    def __post_init__(self):
        check_whole("k", self.k, 1)


class Counted(NamedTuple):
    """A quantity by neighbours.

    **Arguments:**

    - `pointwise`: the share of each sample, by all samples, after the bias is subtracted.
    - `halved`: the mean by half of the samples, after their bias is subtracted.
    - `stderr_fit`: the standard error of the estimator, without that of finite data.
    """

    pointwise: Float64[np.ndarray, " num"]
    halved: float
    stderr_fit: float


def counted(
    apart: Layout, terms: Sequence[Term], order: Int[np.ndarray, " num"], k: int, gaussian: float, seed: int
) -> Counted:
    """The sum of `terms` by `k` neighbours. Halves are runs of `order`; `gaussian` is the part of second moments."""
    columns, is_numbers = _columns(apart)
    sets = _sets(terms)
    dim = sum(part.shape[1] for part in columns)
    rng = np.random.default_rng(seed)
    halves = [np.sort(half) for half in np.array_split(order, 2)]
    each = [np.sort(rng.permutation(half)[: _MOST_COMPARED // (2 * dim)]) for half in halves]
    rows = np.concatenate(each)

    def by_halves(columns):
        return np.concatenate(
            [
                _pointwise([part[half] for part in columns], sets, np.searchsorted(half, own), k)
                for half, own in zip(halves, each)
            ]
        )

    whole = _pointwise(columns, sets, np.arange(len(order)), k)
    gained = whole[rows] - by_halves(columns)
    bias = bias_of_half = 0.0
    if is_numbers:
        drawn, exact = _gaussian_samples(columns, sets, rng)
        # The same draws serve both sizes, so that their own sampling error cancels in the difference.
        bias = float((_pointwise(drawn, sets, rows, k) - exact[rows]).mean())
        bias_of_half = float((by_halves(drawn) - exact[rows]).mean())
    value = float(whole.mean()) - bias
    gain = float(gained.mean()) - bias + bias_of_half
    missing = 1 / (2 ** (1 / max(dim, 2)) - 1) * gain
    beyond = _DOUBT_BEYOND * (value - gaussian) * is_numbers
    errors = [missing, _DOUBT_BIAS * bias, beyond, gained.std() / len(rows) ** 0.5]
    return Counted(whole - bias, value - gain, float(np.linalg.norm(errors)))


def _columns(apart: Layout) -> tuple[list[Float64[np.ndarray, "num columns"]], bool]:
    """The columns of each variable, whitened, and whether all are numbers that do not repeat."""
    scores = [variable.scores for variable in apart.variables]
    dims = [part.shape[1] for part in scores]
    if sum(dims):
        kept = [index for index, dim in enumerate(dims) if dim]
        parts = Variables(np.concatenate(scores, 1), tuple(dims[index] for index in kept))
        white, _ = canonical(parts, np.arange(len(parts.values)), [Term(1.0, (0,))])
        for place, index in enumerate(kept):
            scores[index] = white[:, parts.columns((place,))].astype(np.float64)
    labels = [[_APART * part.labels[:, None] for part in variable.discrete] for variable in apart.variables]
    return [np.concatenate([own, *of_labels], 1) for own, of_labels in zip(scores, labels)], not any(labels)


def _sets(terms: Sequence[Term]) -> dict[tuple[int, ...], float]:
    """How often the log-density of each set of variables counts."""
    weights: dict[tuple[int, ...], float] = {}
    for weight, of, given in terms:
        for sign, part in ((1.0, (*of, *given)), (-1.0, given)):
            part = tuple(sorted(part))
            weights[part] = weights.get(part, 0.0) + sign * weight
    return {part: weight for part, weight in weights.items() if weight}


def _pointwise(columns, sets, rows, k: int) -> Float64[np.ndarray, " measured"]:
    """The quantity at each of `rows`, among all samples."""
    joint = np.concatenate(columns, 1)
    # If fewer than `k` other samples have the same labels, all of them are neighbours.
    distances = KDTree(joint, _LEAF).query(joint[rows], k + 1, p=np.inf, distance_upper_bound=_APART / 2)[0][:, 1:]
    finite = np.isfinite(distances)
    near = finite.sum(1)
    distance = np.where(finite, distances, 0).max(1)
    # If all columns are labels, all samples with the same labels are at distance zero.
    tied = distance == 0
    within = np.where(tied, _APART / 4, distance * (1 - _ROUNDING))
    everyone = tuple(range(len(columns)))
    found = np.zeros(len(rows))
    for part, weight in sets.items():
        if part == everyone:
            count = near
            if tied.any():
                count = np.where(tied, _counts(joint, rows, np.where(tied, within, 0.0)), near)
        elif part:
            count = _counts(np.concatenate([columns[index] for index in part], 1), rows, within)
        else:
            count = np.array([len(joint)])
        found += weight * digamma(np.maximum(count, 1))
    return found


def _counts(values, rows, within) -> Int[np.ndarray, " measured"]:
    """How many samples, itself among them, lie within a distance of each of `rows`."""
    if values.shape[1] == 1:
        column, own = np.sort(values[:, 0]), values[rows, 0]
        return np.searchsorted(column, own + within, "right") - np.searchsorted(column, own - within, "left")
    if values.shape[1] <= _MOST_TREE_COLUMNS:
        return KDTree(values, _LEAF).query_ball_point(values[rows], within, p=np.inf, return_length=True)
    # In more columns a tree excludes too few samples to be faster.
    columns, radius = values.T.astype(np.float32), within.astype(np.float32)
    found = np.zeros(len(rows), int)
    for begin in range(0, len(rows), _BLOCK):
        some = slice(begin, begin + _BLOCK)
        farthest = np.zeros((len(radius[some]), len(values)), np.float32)
        difference = np.empty_like(farthest)
        for column in columns:
            np.abs(np.subtract(column, column[rows[some], None], out=difference), out=difference)
            np.maximum(farthest, difference, out=farthest)
        found[some] = np.count_nonzero(farthest <= radius[some, None], axis=1)
    return found


def _gaussian_samples(columns, sets, rng):
    """Samples of Gaussians with the covariance of `columns`, and the quantity at each, whose mean is that of the
    distribution."""
    joint = np.concatenate(columns, 1)
    cov = np.cov(joint.T).reshape(joint.shape[1], -1)
    drawn = rng.normal(size=joint.shape) @ np.linalg.cholesky(cov).T
    ends = np.cumsum([part.shape[1] for part in columns])
    places = np.split(np.arange(ends[-1]), ends[:-1])
    found = np.zeros(len(joint))
    for part, weight in sets.items():
        if part:
            own = np.concatenate([places[index] for index in part])
            block = cov[np.ix_(own, own)]
            quadratic = np.einsum("ni,in->n", drawn[:, own], np.linalg.solve(block, drawn[:, own].T))
            found -= 0.5 * weight * (quadratic + np.linalg.slogdet(block)[1])
    return [drawn[:, own] for own in places], found


# A variable is a function of the others if its residuals differ between nearest neighbours by less than this share of
# their difference between any two samples.
_SHARE = 0.05

# In more dimensions nearest neighbours are not near.
_MOST_DIMENSIONS = 10

_CHECKED_ROWS = 10_000

# Counting pairs of values estimates the information if each pair has this many samples on average. An estimate that is
# this many standard errors below that has missed something.
_SAMPLES_PER_PAIR, _MISSED = 10, 2.0


class ResolutionWarning(UserWarning):
    """Samples hold more information than networks resolve: one variable looks like a function of another, so that
    information may have no bound, or few pairs of values occur."""


def check_neighbours(variables: Variables, noisy: Sequence[int], names: list[str], name: str) -> None:
    """Compares the residuals of a variable, after linear regression on all others, between nearest neighbours in the
    others. If they nearly agree, the variable is a function of the others, or has less noise than the samples resolve.

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


def check_counts(x: Variable, y: Variable, value: float, stderr: float) -> None:
    r"""Compares an estimate of $I(X;Y)$ of numbers that repeat with counts: where few pairs of values occur, as of a
    count and the next one, networks resolve their pattern slowly, and counting is nearly exact,

    $$\hat I = \hat H(X) + \hat H(Y) - \hat H(X, Y), \qquad
      \hat H = -\sum_k \frac{n_k}{N}\log\frac{n_k}{N} + \frac{K - 1}{2N}.$$

    **Warns:** `ResolutionWarning` where the estimate is far below.

    ??? cite "Source"
        Miller, Note on the bias of information estimates (1955).
    """
    if not (x.repeats and y.repeats) or (x.is_discrete and y.is_discrete):
        return
    together = np.concatenate([x.features, y.features], 1)
    pairs = len(np.unique(together, axis=0))
    if _SAMPLES_PER_PAIR * pairs > len(together):
        return
    counted = _counted_entropy(x.features) + _counted_entropy(y.features) - _counted_entropy(together)
    if value < counted - _MISSED * stderr:
        warnings.warn(
            f"I(X;Y) is {value:.3g} ± {stderr:.2g} nats by networks, and {counted:.3g} by counting the {pairs} pairs "
            "of values that occur: read the estimate as a lower bound. Labels are counted: give x_kind='discrete' and "
            "y_kind='discrete'.",
            ResolutionWarning,
            stacklevel=4,
        )


def _counted_entropy(rows) -> float:
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    shares = counts / len(rows)
    return float(-(shares * np.log(shares)).sum() + (len(counts) - 1) / (2 * len(rows)))
