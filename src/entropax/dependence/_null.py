from collections.abc import Sequence

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ._coordinates import Tables
from ._cross_fitting import Fold
from ._training import improvements
from ._variables import Variables


_DERANGEMENTS = 99

# Draws of noise for each sample; all derangements share them.
_REPETITIONS = 2


def p_value(folds: Sequence[Fold], variables: Variables, shuffled: Sequence[int], key: PRNGKeyArray) -> float:
    r"""Of no dependence at all: with $T$ the mean of $\log\hat p(a \mid b)$ of the first term over samples held out,

    $$p = \frac{1 + \#\{T_\pi \ge T\}}{1 + 99},$$

    where $\pi$ deranges variables within each fold, so that no sample meets its own partner. The networks of a fold
    have seen none of its samples: without dependence these are exchangeable.

    **Arguments:**

    - `folds`: the samples held out, and the networks.
    - `variables`: where the columns of each are.
    - `shuffled`: the variables to derange, each on its own.
    - `key`: of derangements and noise.
    """
    noise_key, key = jr.split(key)
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    columns = [variables.columns((i,)) for i in shuffled]
    totals = np.zeros(1 + _DERANGEMENTS)
    for fold in folds:
        held = np.asarray(fold.split.values)[fold.rows]
        draws = np.stack([held] * len(totals))
        for draw in draws[1:]:
            for of in columns:
                draw[:, of] = held[_derangement(rng, len(held))][:, of]
        totals += np.asarray(_gaussian_log_density(fold.split.tables, jnp.asarray(draws)))
        if (network := fold.networks[0]) is not None:
            gains = lambda draw: improvements(network, fold.split.tables.first, draw, noise_key, _REPETITIONS)[0].sum()
            totals += [float(gains(jnp.asarray(draw))) for draw in draws]
    return float((1 + (totals[1:] >= totals[0]).sum()) / len(totals))


@jax.jit
def _gaussian_log_density(tables: Tables, draws: Float[Array, "draws held dim"]) -> Float[Array, " draws"]:
    """Of all samples of each draw together, by the first law's Gaussian, up to what all draws share."""
    deviation = jnp.where(tables.of[0], draws - draws @ tables.regression[0], 0) @ tables.basis[0]
    return -0.5 * jnp.sum(deviation**2 / tables.variances[0], (1, 2))


def _derangement(rng: np.random.Generator, num: int) -> np.ndarray:
    """A permutation without fixed points: a cycle through all, in random order."""
    order = rng.permutation(num)
    moved = np.empty(num, int)
    moved[order] = np.roll(order, 1)
    return moved
