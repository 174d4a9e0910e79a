"""The density of two columns that is constant on rectangles: the one that sees edges along the axes."""

import itertools

import numpy as np
from jaxtyping import Float64, Int
from scipy.special import betaln, logsumexp


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
