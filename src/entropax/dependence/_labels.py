import dataclasses
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float32, Int, PRNGKeyArray
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from ._classifiers import LINEAR, pooled, probabilities, weigh
from ._cross_fitting import CrossFitting, in_threads, num_steps
from ._dependence import Dependence, warn_few, warn_unconverged
from ._estimate import of_shares
from ._kept import array_of, as_array, kept
from ._null import combined, derangement, DERANGEMENTS
from ._variables import Variables


class _Chances(NamedTuple):
    """What classifiers make of labels: of every label by all other folds, and by half of them."""

    whole: Float32[np.ndarray, "members num classes"]
    half: Float32[np.ndarray, "members num classes"]


def label_information(
    variables: Variables,
    labels: Int[np.ndarray, " num"],
    order: Int[np.ndarray, " num"],
    *,
    name: str,
    fitting: CrossFitting,
    key: PRNGKeyArray,
) -> Dependence:
    r"""Mutual information with labels, by how much better they are told with $X$ than without,

    $$I(X;Y \mid C) = \mathbb E\log\frac{q(y \mid x, c)}{q(y \mid c)}.$$

    It is what is left of the identity of I-MMSE where noise is added to labels: the best denoiser of a label is a
    classifier, and the integral over all noise levels of its error is the cross-entropy. Unlike noise in $X$ it is
    never above $H(Y)$.

    **Arguments:**

    - `variables`: X, and C where there is one, as normal scores or indicators.
    - `labels`: from 0 on.
    - `order`: of the samples; folds are runs of it.
    - `name`: of the quantity, for warnings.
    - `fitting`, `key`: as of all dependence.

    **Returns:** as [`entropax.dependence.mutual_information`][].

    ??? cite "Source"
        Barber and Agakov, The IM algorithm (2003); van der Laan, Polley and Hubbard, Super learner (2007), for the
        mixture of classifiers.
    """
    warn_few(len(labels), name)
    fit_key, null_key = jr.split(key)
    folds = fitting.held_out(order)
    known = variables.columns(range(1, len(variables.dims)))
    informed = _chances(variables.values, labels, folds, fitting, fit_key)
    ignorant = _chances(variables.values[:, known], labels, folds, fitting, fit_key)
    rows = np.arange(len(labels))
    # The logarithm of the chance of each sample's label, by either size of fit.
    shares = [[pooled(chances[:, rows, labels], folds) for chances in both] for both in (informed, ignorant)]
    # The errors of fits fall as one over the number of samples; no label has an entropy below zero.
    with_x, without_x = (2 * whole - half for whole, half in shares)
    value = min(0.0, with_x.mean()) - min(0.0, without_x.mean())
    (whole, half), (whole_without, half_without) = shares
    pointwise = whole - whole_without
    pointwise += value - pointwise.mean()
    as_float = lambda number: jnp.asarray(number, jnp.float32)
    found = of_shares(with_x - without_x)
    linear, linear_without = (pooled(both.whole[:LINEAR, rows, labels], folds) for both in (informed, ignorant))
    dependence = Dependence(
        dataclasses.replace(found, value=as_float(value), pointwise=as_float(pointwise)),
        of_shares(linear - linear_without),
        float((whole - whole_without).mean()),
        float((half - half_without).mean()),
        None if known.size else _p_value(informed.whole, labels, folds, null_key),
    )
    warn_unconverged(dependence, name)
    return dependence


def _chances(features, labels, folds, fitting, key) -> _Chances:
    num, num_classes = len(labels), int(labels.max()) + 1
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    jobs = []
    for held in folds:
        others = rng.permutation(np.setdiff1d(np.arange(num), held))
        jobs += [(others[: len(others) // (1 + size)], held, int(rng.integers(2**31))) for size in range(2)]

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
        # A regression that is stopped is a classifier too, and is weighed by what it is worth.
        warnings.simplefilter("ignore", ConvergenceWarning)
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
    """Of independence: how well the labels of each fold are told, and how well their derangements are."""
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    totals = np.zeros((len(folds), 1 + DERANGEMENTS))
    own = chances[:, np.arange(len(labels)), labels]
    for held, of_fold in zip(folds, totals):
        every = np.log(np.tensordot(weigh(np.delete(own, held, 1)), chances[:, held], 1))
        seen = labels[held]
        for draw in range(len(of_fold)):
            of_fold[draw] = every[np.arange(len(held)), seen].sum()
            seen = labels[held[derangement(rng, len(held))]]
    return combined(totals)
