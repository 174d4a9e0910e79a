"""Hard bounds: an estimate that breaks one is returned, with a warning that names it."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import ArrayLike, Int, PyTree

from .._arguments import check_instance
from .._arrays import plain_array
from ..integral import Estimate


# An estimate counts as beyond a bound when it is so by more than this many standard errors.
_SIGMAS = 3.0


class BoundWarning(UserWarning):
    """An estimate breaks a bound that the true value obeys."""


def warn_below(estimate: Estimate, bound: float, name: str) -> None:
    """Warns where the estimate lies below `bound`, beyond its error."""
    if not isinstance(estimate.value, Tracer):
        _warn_beyond(estimate, float(estimate.value) - bound, name)


def warn_above(estimate: Estimate, bound: float, name: str) -> None:
    """Warns where the estimate lies above `bound`, beyond its error."""
    if not isinstance(estimate.value, Tracer):
        _warn_beyond(estimate, bound - float(estimate.value), f"{name} = {bound:.4g} nats")


def check_mutual_information(estimate: Estimate, y: PyTree, name: str = "I(X;Y)") -> None:
    """Warns where an estimate of mutual information lies outside of 0 <= I(X;Y) <= H(Y), the latter for labels.

    **Arguments:**

    - `estimate`: in nats.
    - `y`: the conditions it was made with.
    - `name`: what the warning calls it.
    """
    check_instance("estimate", estimate, Estimate)
    warn_below(estimate, 0.0, f"{name} >= 0")
    if is_discrete(y) and not isinstance(jax.tree.leaves(y)[0], Tracer):
        warn_above(estimate, label_entropy(jax.tree.leaves(y)[0]), f"{name} <= H(Y)")


def label_entropy(y: Int[ArrayLike, " batch"]) -> float:
    """The entropy $H(Y)$ in nats of the labels' frequencies.

    **Arguments:**

    - `y`: labels, integers of shape `(batch,)`.

    **Raises:** `ValueError` where they are none of these, are traced, or there are none.
    """
    labels = plain_array(y, "y")
    if labels.dtype.kind not in "biu" or labels.ndim != 1 or not labels.size:
        raise ValueError(
            f"`y` must be labels, integers of shape (batch,), one or more; got {labels.dtype} of shape {labels.shape}. "
            "Number labels from 0 on, as numpy.unique(..., return_inverse=True) does."
        )
    _, counts = np.unique(labels, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


def is_discrete(y: PyTree) -> bool:
    """Whether conditions are labels: one array of integers, of shape `(batch,)`."""
    leaves = jax.tree.leaves(y)
    return len(leaves) == 1 and jnp.ndim(leaves[0]) == 1 and jnp.issubdtype(leaves[0].dtype, jnp.integer)


def _warn_beyond(estimate: Estimate, inside: float, bound: str) -> None:
    # What is infinite has a warning of its own, and need not be wrong.
    if -np.inf < inside < -_SIGMAS * float(estimate.stderr) - 1e-6:
        warnings.warn(f"{estimate} breaks the bound {bound}, which the true value obeys.", BoundWarning, stacklevel=4)
