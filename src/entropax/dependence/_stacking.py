"""Which mixture of densities, or of classifiers, predicts best what none of them was fitted to."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Float64, Int


# Where members predict nearly the same a mixture is slow to settle.
_ROUNDS = 300


def stacked(
    members: Float[np.ndarray, "members num"], folds: Sequence[Int[np.ndarray, "..."]]
) -> Float64[np.ndarray, " num"]:
    r"""$\log\sum_m w_m e^{\ell_m}$ of log-densities $\ell_m$ of samples held out, with weights that make the samples of
    all other folds likeliest.

    **Arguments:**

    - `members`: log-densities of the samples, by each of two or more members, up to what all share. One of them at
        least is finite, whatever the sample.
    - `folds`: which samples share their weights.

    ??? cite "Source"
        Smyth and Wolpert, Linearly combining density estimators via stacking (1999).
    """
    likelihood, most = _likelihood(members)
    found = np.zeros(members.shape[1])
    for held in folds:
        found[held] = np.log(np.asarray(weights(members, held), np.float64) @ likelihood[:, held])
    return found + most


def weights(
    members: Float[np.ndarray, "members num"], left_out: Int[np.ndarray, " some"] | None = None
) -> Float32[np.ndarray, " members"]:
    """The weights of [`stacked`][], which make all samples likeliest but those `left_out`."""
    seen = np.ones(members.shape[1], np.float32)
    if left_out is not None:
        seen[left_out] = 0
    return np.asarray(_weights(_likelihood(members)[0], seen))


def _likelihood(members):
    most = members.max(0)
    return np.exp(members - most).astype(np.float32), most


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
