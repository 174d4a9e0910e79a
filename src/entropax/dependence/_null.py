"""The p-value of no dependence at all, by derangements."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ._cross_fitting import Fold
from ._gaussian import Tables
from ._mixtures import conditional_departure
from ._network import improvements


DERANGEMENTS = 99

# Draws of noise for each sample; all derangements share them.
_REPETITIONS = 2


def p_value(folds: Sequence[Fold], shuffled: Sequence[Int[np.ndarray, "..."]], key: PRNGKeyArray) -> float:
    r"""The p-value of independence. The statistic is the mean of $\log\hat p(a \mid b)$ of the first term over the
    samples of a fold, compared with that of their derangements, in which no sample keeps its partner. [`combined`][]
    combines the folds.

    **Arguments:**

    - `folds`: the samples held out, and the networks.
    - `shuffled`: the columns of each variable to derange, on its own.
    - `key`: of derangements and noise.
    """
    noise_key, key = jr.split(key)
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    totals = np.zeros((len(folds), 1 + DERANGEMENTS))
    for fold, own in zip(folds, totals):
        held = np.asarray(fold.split.values)[fold.rows]
        draws = np.stack([held] * len(own))
        for draw in draws[1:]:
            for of in shuffled:
                draw[:, of] = held[derangement(rng, len(held))][:, of]
        own += np.asarray(_gaussian_log_density(fold.split.tables, jnp.asarray(draws)))
        if fold.mixture is not None:
            mixture, white = fold.mixture
            first = fold.split.tables.of[0], fold.split.tables.given[0]
            of, given = (np.flatnonzero(np.asarray(part)) for part in first)
            own += np.asarray(conditional_departure(mixture, white, of, given, jnp.asarray(draws))).sum(1)
        elif (network := fold.networks[0]) is not None:
            rows, tables, shape = np.arange(len(held)), fold.split.tables, fold.split.values.shape
            # As long as all samples are: of that shape it is compiled already.
            padded = (np.resize(draw, shape) for draw in draws)
            gains = [improvements(network, tables, draw, rows, noise_key, _REPETITIONS, [0]) for draw in padded]
            own += np.sum(gains, -1)[:, 0, 0]
    return combined(totals)


def combined(totals: Float[np.ndarray, "folds draws"]) -> float:
    r"""One p-value of what each fold tells, with $T_j$ the statistic of fold $j$,

    $$p_j = \frac{1 + \#\{T_{j\pi} \ge T_j\}}{1 + 99}, \qquad
      p = \tfrac12 - \tfrac1\pi\arctan\Bigl(\frac1K\sum_j\tan\bigl(\pi(\tfrac12 - p_j)\bigr)\Bigr).$$

    What fits a fold has seen none of its samples: without dependence these are exchangeable, but for the one number,
    common to all folds, that says how long to fit, or how to weigh classifiers. Folds are not independent,
    as what one tells of another the other tells of it too: the sum of their statistics varies up to twice as much as
    that of derangements, and would reject twice as often as it should.

    **Arguments:**

    - `totals`: the statistic of each fold, then those of its derangements.

    ??? cite "Source"
        Liu and Xie, Cauchy combination test (2020).
    """
    values = (1 + (totals[:, 1:] >= totals[:, :1]).sum(1)) / totals.shape[1]
    # Not one: a tangent without bound would outweigh all others.
    return cauchy(np.minimum(values, 1 - 1 / totals.shape[1]))


def cauchy(values: Float[np.ndarray, " several"]) -> float:
    r"""$\tfrac12 - \tfrac1\pi\arctan\bigl(\tfrac1K\sum_j\tan(\pi(\tfrac12 - p_j))\bigr)$ of p-values that may depend on
    each other."""
    together = 0.5 - np.arctan(np.tan(np.pi * (0.5 - values)).mean()) / np.pi
    # It lies between them, to the last digit too.
    return float(np.clip(together, values.min(), values.max()))


@jax.jit
def _gaussian_log_density(tables: Tables, draws: Float[Array, "draws held dim"]) -> Float[Array, " draws"]:
    """The log-density of all samples of each draw, by the Gaussian of the first term, up to a constant."""
    deviation = jnp.where(tables.of[0][None, None], draws - draws @ tables.regression[0], 0) @ tables.basis[0]
    return -0.5 * jnp.sum(deviation**2 / tables.variances[0][None, None], (1, 2))


def derangement(rng: np.random.Generator, num: int) -> np.ndarray:
    """A permutation without fixed points: a cycle through all, in random order."""
    order = rng.permutation(num)
    moved = np.empty(num, int)
    moved[order] = np.roll(order, 1)
    return moved
