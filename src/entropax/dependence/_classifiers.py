import itertools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64, Int
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier


# The inverse of the penalty on weights of logistic regressions.
_PENALTIES = (1e-3, 1e-1, 10.0, 1e3)

# After how many trees, and after which share of its steps, a network, a classifier is taken. Larger trees take three
# times as long, and predict no better.
_TREES, _LEAVES = (10, 30, 100), 8
_SHARES = (0.08, 0.3, 1.0)

# Of the network. With a learning rate of a fifth, it needs three times as many epochs to predict labels as well.
_WIDTHS, _LEARNING_RATE = (64, 64), 5e-3

# Of few samples a network has learned all that it will when it has seen each so many times, and taken so many steps.
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
