"""Which mixture of conditional densities predicts best what none of them was fitted to."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64, Int


# Where members predict nearly the same a mixture is slow to settle.
_ROUNDS = 300


def stacked(
    members: Float64[np.ndarray, "members num"], folds: Sequence[Int[np.ndarray, "..."]]
) -> Float64[np.ndarray, " num"]:
    r"""$\log\sum_m w_m e^{\ell_m}$ of log-densities $\ell_m$ of samples held out, with weights that make the samples of
    all other folds likeliest.

    **Arguments:**

    - `members`: log-densities of the samples, by each of two or more members, up to what all share.
    - `folds`: which samples share their weights.

    ??? cite "Source"
        Smyth and Wolpert, Linearly combining density estimators via stacking (1999).
    """
    most = members.max(0)
    likelihood = np.exp(members - most)
    found = np.zeros(members.shape[1])
    for held in folds:
        seen = np.ones(members.shape[1], np.float32)
        seen[held] = 0
        weights = np.asarray(_weights(likelihood.astype(np.float32), seen), np.float64)
        found[held] = np.log(weights @ likelihood[:, held])
    return found + most


@jax.jit
def _weights(likelihood, seen):
    """By expectation maximisation. All members together are taken to have explained one sample more than they did, so
    that none is left out."""
    count = len(likelihood)
    # The first member, the simplest, has half of the weight to begin with.
    begin = jnp.full(count, 0.5 / (count - 1)).at[0].set(0.5)

    def step(_, weights):
        share = likelihood * weights[:, None]
        share = share / share.sum(0)[None]
        return (1 / count + (share * seen[None]).sum(1)) / (seen.sum() + 1)

    return jax.lax.fori_loop(0, _ROUNDS, step, begin)
