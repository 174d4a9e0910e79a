import warnings
from collections.abc import Sequence
from typing import NamedTuple

import jax.random as jr
import numpy as np
from jaxtyping import Float32, Float64, Int, PRNGKeyArray
from threadpoolctl import threadpool_limits

from ._classifiers import LINEAR, probabilities
from ._cross_fitting import CrossFitting, in_threads, num_steps
from ._kept import array_of, as_array, kept
from ._null import combined, derangement, DERANGEMENTS
from ._stacking import stacked, weights


class LabelTerm(NamedTuple):
    r"""A share of a quantity, $w\,\mathbb E\log q(d \mid b) = -w\,H(D \mid B)$, by classifiers of the labels $D$.

    **Arguments:**

    - `weight`: $w$.
    - `labels`: $D$, from 0 on.
    - `target`: which labels $D$ are, and
    - `given`: what $B$ consists of, so that terms can be compared.
    - `features`: $B$ as classifiers see it; there may be no columns.
    """

    weight: float
    labels: Int[np.ndarray, " num"]
    target: tuple[int, int]
    given: frozenset
    features: Float64[np.ndarray, "num features"]


class Classified(NamedTuple):
    r"""The sum of label terms, sample by sample.

    **Arguments:**

    - `extrapolated`: $2\log q - \log q_{1/2}$, where $q_{1/2}$ was fitted to half as many samples: the errors of fits
        fall as one over their number.
    - `whole`, `half`: by the classifiers of all other folds, and by those of half as many samples.
    - `linear`: by logistic regression alone.
    - `p_values`: of the null in which the labels of a term that counts positively do not depend on its features.
    """

    extrapolated: Float64[np.ndarray, " num"]
    whole: Float64[np.ndarray, " num"]
    half: Float64[np.ndarray, " num"]
    linear: Float64[np.ndarray, " num"]
    p_values: list[float]


class _Chances(NamedTuple):
    """The probabilities that classifiers predict: of every label, by all other folds and by half of them."""

    whole: Float32[np.ndarray, "members num classes"]
    half: Float32[np.ndarray, "members num classes"]


def classified(
    terms: Sequence[LabelTerm],
    order: Int[np.ndarray, " num"],
    *,
    fitting: CrossFitting,
    key: PRNGKeyArray,
) -> Classified:
    r"""Cross-fits the classifiers of all terms. With $I(X;Y \mid C) = \mathbb E\log q(y \mid x, c) -
    \mathbb E\log q(y \mid c)$, each term is what is left of the identity of I-MMSE where noise is added to labels: the
    best denoiser of a label is a classifier, and the integral over all noise levels of its error is the cross-entropy.
    Unlike noise in $X$ it is never above $H(Y)$.

    **Arguments:**

    - `terms`: the sum.
    - `order`: of the samples; folds are runs of it.
    - `fitting`: how classifiers are fitted.
    - `key`: all randomness.

    ??? cite "Source"
        Barber and Agakov, The IM algorithm (2003); van der Laan, Polley and Hubbard, Super learner (2007), for the
        mixture of classifiers.
    """
    fit_key, null_key = jr.split(key)
    folds = fitting.held_out(order)
    rows = np.arange(len(order))
    sums, p_values = np.zeros((4, len(order))), []
    fits = [_chances(term.features, term.labels, folds, fitting, fit_key) for term in terms]
    for index, (term, own_key) in enumerate(zip(terms, jr.split(null_key, len(terms)))):
        # The mixture for more features also holds the classifiers for fewer of them, so that it is never worse.
        less = [fits[i] for i, other in enumerate(terms) if other.target == term.target and other.given < term.given]
        chances = _Chances(*(np.concatenate(members) for members in zip(fits[index], *less)))
        own = [_logarithm(members[:, rows, term.labels]) for members in chances]
        whole, half = (_pooled(members, folds) for members in own)
        extrapolated = 2 * whole - half
        # No label has an entropy below zero.
        extrapolated += min(0.0, extrapolated.mean()) - extrapolated.mean()
        sums += term.weight * np.stack([extrapolated, whole, half, _pooled(own[0][:LINEAR], folds)])
        if term.weight > 0 and term.features.shape[1]:
            p_values.append(_p_value(chances.whole, term.labels, folds, own_key))
    extrapolated, whole, half, linear = sums
    return Classified(extrapolated, whole, half, linear, p_values)


def _logarithm(chances: Float32[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Minus infinity where a network has rounded a probability to zero; that of the labels' shares is never zero."""
    with np.errstate(divide="ignore"):
        return np.log(chances, dtype=np.float64)


def _pooled(members, folds):
    """By all classifiers together; without features there is but one."""
    return stacked(members, folds) if len(members) > 1 else members[0]


def _chances(features, labels, folds, fitting, key) -> _Chances:
    num, num_classes = len(labels), int(labels.max()) + 1
    seeds = np.random.default_rng(np.asarray(jr.key_data(key))).integers(2**31, size=(len(folds), 2))
    jobs = []
    for held, seeds_of_fold in zip(folds, seeds):
        others = np.concatenate([fold for fold in folds if fold is not held])
        # A run of the order, in which labels have the same shares as in all of it.
        sizes = len(others), len(others) // 2
        jobs += [(others[:size], held, int(seed)) for size, seed in zip(sizes, seeds_of_fold)]

    def fit(job):
        fitted, held, seed = job
        steps, batch_size = num_steps(fitting, num), fitting.batch_size
        # Threads of their own are what slows such small fits. OpenMP has a limit in every thread, BLAS one in all.
        with threadpool_limits(1, "openmp"):
            job = features, labels, num_classes, fitted, held
            return kept(
                fitting.checkpoint,
                ["classifiers", job, steps, batch_size, seed],
                lambda: probabilities(*job, steps=steps, batch_size=batch_size, seed=seed),
                pack=as_array,
                unpack=array_of,
            )

    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        # A regression that is stopped is a classifier too, and is weighed by what it is worth. None of the warnings of
        # scikit-learn is about what a user has done.
        warnings.filterwarnings("ignore", module="sklearn")
        every = in_threads(fit, jobs)
    found = [np.zeros((len(every[0]), num, num_classes), np.float32) for _ in range(2)]
    for index, of_fold in enumerate(every):
        found[index % 2][:, jobs[index][1]] = of_fold
    return _Chances(*found)


def _p_value(
    chances: Float32[np.ndarray, "members num classes"],
    labels: Int[np.ndarray, " num"],
    folds: Sequence[Int[np.ndarray, "..."]],
    key: PRNGKeyArray,
) -> float:
    """Of independence: how probable the labels of each fold are, beside derangements of them."""
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    totals = np.zeros((len(folds), 1 + DERANGEMENTS))
    own = _logarithm(chances[:, np.arange(len(labels)), labels])
    for held, of_fold in zip(folds, totals):
        every = np.log(np.tensordot(weights(own, held), chances[:, held], 1))
        seen = labels[held]
        for draw in range(len(of_fold)):
            of_fold[draw] = every[np.arange(len(held)), seen].sum()
            seen = labels[held[derangement(rng, len(held))]]
    return combined(totals)
