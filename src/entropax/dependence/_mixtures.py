"""Densities in closed form: mixtures of Gaussians, kernels, and partitions of two columns."""

import itertools
from collections.abc import Container, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, ArrayLike, Float, Float32, Float64, Int
from scipy.spatial import KDTree
from scipy.special import betaln, logsumexp

from ._variables import STEPS


# The numbers of components. Mixtures are padded to the next of these sizes, so that they share what is compiled. With
# few samples a fit takes less time than a compilation, and all are padded to the largest number of components.
_COMPONENTS, _SIZES, _FEW_SAMPLES = (2, 4, 8, 16, 32, 64, 128), (8, 32, 128), 2_000

_ITERATIONS = 60

# The prior of a component's covariance has the weight of this many samples, and its standard deviation is this share of
# the distance between components. Both weights are tried where there are several components; where there are fewer, the
# first alone.
_PRIORS, _PRIOR_SIZE, _SEVERAL = (4.0, 1.0), 0.5, 8

# A component's least variance, in units of that of all samples.
_LEAST_VARIANCE = 1e-6

# Kernels have the covariance of this many nearest neighbours, mixed with a share of a round one.
_NEIGHBOURS, _ROUND = (12, 25), 0.1

# In more columns than these, kernels see nothing that mixtures do not; more of them than these add nothing but time.
_MOST_KERNEL_COLUMNS, _MOST_KERNELS = 3, 8_000

# Derangements are measured by a mixture of no more components than these.
_MOST_OF_NULL = 8

# A share of the largest variance below which float32 sees none.
_LEAST_EIGENVALUE = 1e-12

# Rows whose densities by all kernels are computed at a time.
_ROWS = 64


class Mixture(NamedTuple):
    r"""$q(v) = \sum_k w_k\,\mathcal N(v;\,\mu_k, \Sigma_k)$."""

    log_weights: Float[Array, " components"]
    means: Float[Array, "components dim"]
    covariances: Float[Array, "components dim dim"]


class White(NamedTuple):
    r"""Coordinates in which the samples that are fitted to have no mean and the unit covariance.

    **Arguments:**

    - `values`: all samples.
    - `whitening`: from the coordinates of the samples to these.
    - `least`: the covariance that noise as small as the steps of ranks has, which no component is narrower than.
    - `sets`: of columns.
    - `turns`: for each set, orthonormal rows that map these coordinates to ones in which its columns are white.
    """

    values: Float32[np.ndarray, "num dim"]
    whitening: Float32[np.ndarray, "dim dim"]
    least: Float32[np.ndarray, "dim dim"]
    sets: list[tuple[int, ...]]
    turns: tuple[Float32[np.ndarray, "_ dim"], ...]


class Fitted(NamedTuple):
    r"""The departures of several densities, $\log q_m(a \mid b) - \log\mathcal N(a \mid b)$, of samples held out.

    **Arguments:**

    - `members`: the departures by each density, which are named: mixtures by the number of their components and the
        weight of their prior.
    - `few`: the mixtures of few components, by their names.
    - `white`: the coordinates of these.
    """

    members: dict[tuple, Float64[np.ndarray, "terms held"]]
    few: dict[tuple, Mixture]
    white: White


def fitted_mixtures(
    values: Float[ArrayLike, "num dim"],
    fitted: Int[np.ndarray, " few"],
    held: Int[np.ndarray, " held"],
    columns: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    most: int,
    names: Container[tuple] | None = None,
    seed: int,
) -> Fitted:
    """Fits mixtures and kernels to some samples, and measures them on others.

    **Arguments:**

    - `values`: all samples.
    - `fitted`, `held`: rows.
    - `columns`: those of $a$ and of $b$ of each conditional distribution; there may be none of $b$.
    - `most`: how many parameters a mixture may have.
    - `names`: of the densities to fit beside mixtures of few components; all by default.
    - `seed`: of the samples that mixtures start at.
    """
    rng = np.random.default_rng(seed)
    sets = _sets(columns)
    white = _whitened(np.asarray(values, np.float64), fitted, sets)
    dim = white.values.shape[1]
    found, few = {}, {}
    counts = [count for count in _COMPONENTS if count * dim * (dim + 3) / 2 <= most]
    for count in counts:
        size = counts[-1] if len(fitted) <= _FEW_SAMPLES else min(size for size in _SIZES if size >= count)
        for prior in _PRIORS if count >= _SEVERAL else _PRIORS[:1]:
            start = rng.choice(fitted, size, replace=len(fitted) < size)
            name = ("mixture", count, prior)
            if names is not None and name not in names and count > _MOST_OF_NULL:
                continue
            mixture, by_set = _fit_to_rows(white, fitted, start, count, prior)
            found[name] = np.asarray(by_set)[:, held]
            if count <= _MOST_OF_NULL:
                few[name] = Mixture(*(array[:_MOST_OF_NULL] for array in mixture))
    for neighbours in _NEIGHBOURS if dim <= _MOST_KERNEL_COLUMNS else ():
        name = ("kernels", neighbours)
        if names is None or name in names:
            found[name] = _of_kernels(white, fitted, held, neighbours, rng)
    return Fitted({name: _conditional(one, sets, columns) for name, one in found.items()}, few, white)


def conditional_departure(
    mixture: Mixture,
    white: White,
    of: Int[np.ndarray, " noised"],
    given: Int[np.ndarray, " seen"],
    draws: Float[Array, "draws num dim"],
) -> Float[Array, "draws num"]:
    """The departure of one of the conditional distributions, at draws in the coordinates that `white` was made from."""
    turn = lambda part: white.turns[white.sets.index(tuple(sorted(int(column) for column in part)))]
    turns = (turn([*of, *given]), turn(given)) if len(given) else (turn(of),)
    return _of_draws(mixture, white.whitening, turns, draws)


@jax.jit
def _of_draws(mixture, whitening, turns, draws):
    def one(values):
        seen = values @ whitening
        both, *rest = (_departure(mixture, turn, seen) for turn in turns)
        return both - rest[0] if rest else both

    return jax.lax.map(one, draws)


def _sets(columns: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[tuple[int, ...]]:
    r"""The sets of columns whose densities make the conditional ones, $\log q(a \mid b) = \log q(a, b) - \log q(b)$."""
    each = (tuple(sorted(part)) for of, given in columns for part in ([*of, *given], given))
    return [part for part in dict.fromkeys(each) if part]


def _conditional(
    by_set: Float[np.ndarray, "sets held"],
    sets: Sequence[tuple[int, ...]],
    columns: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> Float64[np.ndarray, "terms held"]:
    """The departures of conditional distributions, by those of sets of columns."""
    place = {part: index for index, part in enumerate(sets)}
    of_set = lambda part: np.asarray(by_set[place[tuple(sorted(part))]], np.float64) if len(part) else 0.0
    return np.stack([of_set([*of, *given]) - of_set(given) for of, given in columns])


def _whitened(values, rows, sets) -> White:
    """White coordinates, fitted to some rows."""
    values = values - values[rows].mean(0)
    cov = values[rows].T @ values[rows] / (len(rows) - 1)
    whitening, colouring = _roots(cov)
    as_float = lambda array: array.astype(np.float32)
    turns = (_roots(cov[np.ix_(part, part)])[0].T @ colouring[list(part)] for part in sets)
    least = whitening.T @ whitening / (STEPS * len(values)) + _LEAST_VARIANCE * np.eye(len(cov))
    return White(as_float(values @ whitening), as_float(whitening), as_float(least), sets, tuple(map(as_float, turns)))


def _roots(cov: Float64[np.ndarray, "dim dim"]):
    """The inverse of a root of a covariance matrix, and the root."""
    eigenvalues, vectors = scipy.linalg.eigh(cov)
    root = np.sqrt(np.maximum(eigenvalues, _LEAST_EIGENVALUE * eigenvalues[-1]))
    return vectors / root, vectors * root


def _fit_to_rows(white: White, rows, start, count: int, prior: float) -> tuple[Mixture, Float[Array, "sets num"]]:
    """A mixture of `count` components that start at samples, and its departure from the Gaussian, by sets of columns,
    at all samples. Its arrays are as long as `start`."""
    num = _bucket(len(white.values))
    pad = lambda array: np.concatenate([array, np.zeros((num - len(array), *array.shape[1:]), array.dtype)])
    weight = np.zeros(num, np.float32)
    weight[rows] = 1
    settings = np.float32(count), np.float32(prior), white.least
    return _fit(pad(white.values), weight, white.values[start], *settings, white.turns)


def _bucket(num: int) -> int:
    """Some number of rows that is no less, and at most a fifth more: numbers near each other share what is compiled."""
    step = 2 ** max(0, num.bit_length() - 3)
    return -(-num // step) * step


@jax.jit
def _fit(values, weight, start, count, prior, least, turns):
    mixture = _expectation_maximisation(values, weight, start, count, prior, least)
    return mixture, jnp.stack([_departure(mixture, turn, values) for turn in turns])


def _expectation_maximisation(values, weight, start, count, prior, least) -> Mixture:
    r"""The most likely mixture a posteriori, with inverse Wishart distributions for priors of the covariances. Of
    `start` the first `count` are used. (Dempster, Laird and Rubin, Maximum likelihood from incomplete data via the EM
    algorithm, 1977.)"""
    dim, most = values.shape[1], len(start)
    used = jnp.arange(most, dtype=jnp.float32) < count
    # Components share the volume that samples fill.
    volume = count ** (-2.0 / dim)
    eye = jnp.eye(dim)
    scatter = prior * _PRIOR_SIZE**2 * volume * eye
    products = (values[:, :, None] * values[:, None, :]).reshape(len(values), dim * dim)

    def step(_, mixture):
        joint = mixture.log_weights[None] + _log_densities(mixture, values)
        share = jnp.exp(joint - jax.nn.logsumexp(joint, 1, keepdims=True)) * weight[:, None]
        num = share.sum(0)
        means = share.T @ values / (num + 1e-3)[:, None]
        of_means = means[:, :, None] * means[:, None, :]
        spread = (share.T @ products).reshape(most, dim, dim) - num[:, None, None] * of_means
        cov = (spread + scatter[None]) / (num + prior)[:, None, None]
        weights = jnp.where(used, jnp.log((num + 0.5) / (num.sum() + 0.5 * count)), -jnp.inf)
        cov = (cov + jnp.swapaxes(cov, 1, 2)) / 2 + least[None]
        # Rounding can make the covariance of a component with hardly any samples indefinite.
        whole = jnp.isfinite(jnp.linalg.cholesky(cov)).all((1, 2))
        return Mixture(weights, means, jnp.where(whole[:, None, None], cov, volume * eye[None]))

    begin = jnp.where(used, -jnp.log(count), -jnp.inf)
    first = Mixture(begin, start, jnp.broadcast_to(volume * eye, (most, dim, dim)))
    return jax.lax.fori_loop(0, _ITERATIONS, step, first)


def _log_densities(mixture: Mixture, values) -> Float[Array, "num components"]:
    """Of each component."""
    root = jnp.linalg.cholesky(mixture.covariances)
    inverse = jax.scipy.linalg.solve_triangular(root, jnp.broadcast_to(jnp.eye(root.shape[-1]), root.shape), lower=True)
    deviation = jnp.einsum("nd,ked->nke", values, inverse) - jnp.einsum("kd,ked->ke", mixture.means, inverse)[None]
    logdet = jnp.log(jnp.diagonal(root, axis1=-2, axis2=-1)).sum(-1)
    return -0.5 * (deviation**2).sum(-1) - logdet[None] - 0.5 * values.shape[1] * jnp.log(2 * jnp.pi)


def _departure(mixture: Mixture, turn, values) -> Float[Array, " num"]:
    r"""$\log q(v_S) - \log\mathcal N(v_S)$ of a set of columns, in coordinates in which the Gaussian is standard."""
    means = mixture.means @ turn.T
    cov = jnp.einsum("ad,kde,be->kab", turn, mixture.covariances, turn)
    seen = values @ turn.T
    of_set = jax.nn.logsumexp(
        mixture.log_weights[None] + _log_densities(Mixture(mixture.log_weights, means, cov), seen), axis=1
    )
    return of_set + 0.5 * (seen**2).sum(-1) + 0.5 * len(turn) * jnp.log(2 * jnp.pi)


def _of_kernels(
    white: White, fitted, held, neighbours: int, rng: np.random.Generator
) -> Float[np.ndarray, "sets held"]:
    """The departures of a Gaussian kernel at every sample, as long as its nearest neighbours are apart in every
    direction. (Vincent and Bengio, Manifold Parzen windows, 2003.)"""
    near = white.values[fitted].astype(np.float64)
    tree = KDTree(near)
    centres = near if len(near) <= _MOST_KERNELS else near[rng.choice(len(near), _MOST_KERNELS, replace=False)]
    # The nearest is the sample itself.
    around = near[np.asarray(tree.query(centres, min(neighbours + 1, len(near)))[1])[:, 1:]] - centres[:, None]
    cov = np.einsum("nki,nkj->nij", around, around) / around.shape[1]
    eye = np.eye(cov.shape[1])
    cov = (1 - _ROUND) * cov + (_ROUND * np.trace(cov, axis1=1, axis2=2)[:, None, None] / len(eye)) * eye + white.least
    measured, most = white.values[held], _bucket(len(centres))
    pad = lambda array, filler: np.concatenate([array, np.broadcast_to(filler, (most - len(array), *filler.shape))])
    weights = np.where(np.arange(most) < len(centres), -np.log(len(centres)), -np.inf)
    arrays = weights, pad(centres, np.zeros(len(eye))), pad(cov, eye)
    kernels = Mixture(*(jnp.asarray(array, jnp.float32) for array in arrays))
    padded = np.resize(measured, (_bucket(-(-len(held) // _ROWS)), _ROWS, measured.shape[1]))
    return np.asarray(_by_rows(kernels, white.turns, padded)).reshape(len(white.turns), -1)[:, : len(held)]


@jax.jit
def _by_rows(kernels, turns, rows):
    each = jax.lax.map(lambda some: jnp.stack([_departure(kernels, turn, some) for turn in turns]), rows)
    return jnp.moveaxis(each, 1, 0)


# How probable a rectangle is to be left whole, and the prior of the share of each of its halves.
_WHOLE, _PRIOR = 0.5, 0.5


def departure_of_partitions(
    scores: Float64[np.ndarray, "num 2"], fitted: Int[np.ndarray, " few"], held: Int[np.ndarray, " held"]
) -> Float64[np.ndarray, " held"]:
    r"""$\log c(u) - \log c_{\mathcal N}(u)$ of samples held out, with the copula of [`log_density`][] and the Gaussian
    one. Both have the same marginals, so that this is the departure of the joint distribution and of either column
    given the other.

    **Arguments:**

    - `scores`: normal scores of all samples.
    - `fitted`, `held`: rows.
    """
    ranks = (scores.argsort(0).argsort(0) + 0.5) / len(scores)
    cov = np.corrcoef(scores.T)
    quadratic = np.einsum("ni,ij,nj->n", scores[held], np.linalg.inv(cov) - np.eye(2), scores[held])
    return log_density(ranks[fitted], ranks[held]) + 0.5 * (quadratic + np.linalg.slogdet(cov)[1])


def log_density(
    points: Float64[np.ndarray, "few 2"], others: Float64[np.ndarray, "held 2"]
) -> Float64[np.ndarray, " held"]:
    r"""The logarithm of the posterior predictive density, at `others`, of an optional Pólya tree on the unit square.

    A rectangle is left whole, with a constant density, or cut in halves along either axis, whose shares have a beta
    distribution; so are its halves. Of a rectangle $A$ with $n$ points the evidence, relative to a constant density, is

    $$\Phi(A) = \rho + (1 - \rho)\,\tfrac12\sum_{d = 1}^2 2^n\,
      \frac{B(n_{d1} + \alpha, n_{d2} + \alpha)}{B(\alpha, \alpha)}\,\Phi(A_{d1})\,\Phi(A_{d2}), \qquad
      \rho = \alpha = \tfrac12,$$

    and the shares of these terms are the posterior probabilities of what becomes of $A$.

    ??? cite "Source"
        Wong and Ma, Optional Pólya tree and Bayesian inference (2010).
    """
    # So many cuts along each axis, at most, that there are a few rectangles for each point.
    depth = len(points).bit_length() // 2 + 2
    axes = range(depth + 1)
    place = lambda where, cuts: (where * 2.0**cuts).astype(int)
    finest = place(points, depth)
    counts = {(depth, depth): np.zeros((2**depth, 2**depth))}
    np.add.at(counts[depth, depth], (finest[:, 0], finest[:, 1]), 1)
    evidence, density = {}, {}
    at = {cuts: place(others, cuts) for cuts in axes}
    # From the smallest rectangles to the largest; those of the same shape at once.
    for level in sorted(itertools.product(axes, axes), key=sum, reverse=True):
        halves = [_cut(level, axis) for axis in (0, 1) if level[axis] < depth]
        own = tuple(at[cuts][:, axis] for axis, cuts in enumerate(level))
        if not halves:
            evidence[level], density[level] = np.zeros_like(counts[level]), np.ones(len(others))
            continue
        counts[level] = _in_pairs(counts[halves[0]], level).sum(0)
        terms = [np.full_like(counts[level], np.log(_WHOLE))]
        for half in halves:
            first, second = _in_pairs(counts[half], level)
            shares = betaln(first + _PRIOR, second + _PRIOR) - betaln(_PRIOR, _PRIOR)
            weight = np.log((1 - _WHOLE) / len(halves))
            terms.append(weight + counts[level] * np.log(2) + shares + _in_pairs(evidence[half], level).sum(0))
        evidence[level] = logsumexp(terms, axis=0)
        whole, *cut = (np.exp(term[own] - evidence[level][own]) for term in terms)
        density[level] = whole
        for probability, half in zip(cut, halves):
            in_half = counts[half][tuple(at[cuts][:, axis] for axis, cuts in enumerate(half))]
            share = (in_half + _PRIOR) / (counts[level][own] + 2 * _PRIOR)
            density[level] = density[level] + probability * 2 * share * density[half]
    return np.log(density[0, 0])


def _cut(level: tuple[int, int], axis: int) -> tuple[int, int]:
    return (level[0] + 1, level[1]) if axis == 0 else (level[0], level[1] + 1)


def _in_pairs(halves: Float64[np.ndarray, "_ _"], level: tuple[int, int]) -> Float64[np.ndarray, "2 _ _"]:
    """The values of both halves of each rectangle of a level."""
    rows, columns = (2**cuts for cuts in level)
    if halves.shape[0] > rows:
        return np.moveaxis(halves.reshape(rows, 2, columns), 1, 0)
    return np.moveaxis(halves.reshape(rows, columns, 2), 2, 0)
