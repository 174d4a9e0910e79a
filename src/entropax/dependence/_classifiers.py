"""Labels: classifiers of several kinds, fitted and weighed in the same folds."""

import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax.random as jr
import numpy as np
from jaxtyping import Float32, Float64, Int, PRNGKeyArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from ._cross_fitting import array_of, as_array, CrossFitting, in_threads, kept, num_steps, stacked, weights
from ._null import combined, derangement, DERANGEMENTS
from ._variables import LabelTerm


# The inverse of the penalty on weights of logistic regressions.
_PENALTIES = (1e-3, 1e-1, 10.0, 1e3)

# After how many trees, and after which share of its steps, a network, a classifier is taken. Larger trees take three
# times as long, and predict no better.
_TREES, _LEAVES = (10, 30, 100), 8
_SHARES = (0.08, 0.3, 1.0)

# With a fifth of this learning rate the network needs three times as many epochs for the same likelihood.
_WIDTHS, _LEARNING_RATE = (64, 64), 5e-3

# A network trains for at most this many epochs, or until it has taken this many steps if those are more.
_MOST_EPOCHS, _FEWEST_STEPS = 60, 200

# How many classifiers come first that are linear, the labels' shares among them.
LINEAR = 1 + len(_PENALTIES)

# Features of which each distinct row meets so many samples for each label need no more than counts.
_SAMPLES_PER_CELL = 10

# With how many samples, in the shares of all labels, the counts of each cell begin.
_PRIORS = (0.5, 5.0)


def probabilities(
    features: Float64[np.ndarray, "num dim"],
    labels: Int[np.ndarray, " num"],
    num_classes: int,
    fitted: Int[np.ndarray, " fitted"],
    held: Int[np.ndarray, " held"],
    *,
    steps: int,
    batch_size: int,
    seed: int,
) -> Float32[np.ndarray, "members held classes"]:
    r"""$q_m(y \mid x)$ of samples held out, for every label, by classifiers of several kinds: the labels' shares,
    logistic regressions, boosted trees and a small network, each held back more and less. Where features have few
    values, shares of the labels at each of them take the place of trees and network.

    **Arguments:**

    - `features`: there may be none; then there is nothing but the shares.
    - `labels`: in `0..num_classes - 1`.
    - `fitted`, `held`: rows.
    - `steps`, `batch_size`: of the network.
    - `seed`: of the network.
    """
    x, y, other = features[fitted], labels[fitted], features[held]
    present, known = np.unique(y, return_inverse=True)
    # Half a sample more of each: none is impossible.
    shares = (np.bincount(y, minlength=num_classes) + 0.5) / (len(y) + 0.5 * num_classes)
    shares = np.tile(shares, (len(held), 1))
    if features.shape[1] == 0:
        return shares[None].astype(np.float32)
    cell = np.unique(features, axis=0, return_inverse=True)[1].reshape(-1)
    few = cell.max() < len(features) / (_SAMPLES_PER_CELL * num_classes)
    found = np.stack([shares] * (LINEAR + (len(_PRIORS) if few else len(_TREES) + len(_SHARES)))).astype(np.float32)
    if few:
        found[LINEAR:] = [_counted(cell[fitted], y, cell[held], shares[0], prior) for prior in _PRIORS]
    if len(present) > 1:
        fits = [_linear(x, known, other)]
        if not few:
            fits.append(_flexible(x, known, other, steps, min(batch_size, len(x)), seed))
        for member, of_present in enumerate(itertools.chain(*fits), 1):
            found[member] = 0
            found[member][:, present] = of_present
    return found


def _counted(cell, labels, other, shares, prior):
    """The shares of labels in each cell, which begin with `prior` samples in the shares of all."""
    counts = np.zeros((max(cell.max(), other.max()) + 1, len(shares)))
    np.add.at(counts, (cell, labels), 1)
    counts += prior * shares
    return (counts / counts.sum(1, keepdims=True))[other]


def _linear(x, y, other) -> Iterator:
    for penalty in _PENALTIES:
        yield LogisticRegression(C=penalty, max_iter=1_000).fit(x, y).predict_proba(other)


def _flexible(x, y, other, steps, batch_size, seed) -> Iterator:
    trees = HistGradientBoostingClassifier(
        max_iter=_TREES[-1],
        max_leaf_nodes=_LEAVES,
        early_stopping=False,  # pyright: ignore[reportArgumentType]
        random_state=seed,
    )
    staged = trees.fit(x, y).staged_predict_proba(other)
    yield from (chances for count, chances in enumerate(staged, 1) if count in _TREES)
    # In float32 a network takes two thirds of the time.
    x, other = x.astype(np.float32), other.astype(np.float32)
    network = MLPClassifier(_WIDTHS, batch_size=batch_size, learning_rate_init=_LEARNING_RATE, random_state=seed)
    epochs = min(steps * batch_size / len(x), max(_MOST_EPOCHS, _FEWEST_STEPS * batch_size / len(x)))
    ends = [max(1, round(share * epochs)) for share in _SHARES]
    for epoch in range(1, ends[-1] + 1):
        network.partial_fit(x, y, classes=np.unique(y))
        yield from (network.predict_proba(other) for end in ends if end == epoch)


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
    \mathbb E\log q(y \mid c)$, each term is the I-MMSE identity for noise that is added to labels: the
    best denoiser of a label is a classifier, and the integral of its error over all noise levels is the cross-entropy.
    The sum never exceeds $H(Y)$.

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
