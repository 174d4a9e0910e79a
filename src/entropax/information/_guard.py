"""Hard bounds: an estimate that breaks one is returned, with a warning that names it."""

import warnings

from jax.core import Tracer

from ..integral import Estimate


# An estimate counts as beyond a bound when it is so by more than this many standard errors.
_SIGMAS = 3.0


class BoundWarning(UserWarning):
    """An estimate breaks a bound that the true value obeys."""


def warn_below(estimate: Estimate, bound: float, name: str):
    """Warns where the estimate lies below `bound`, beyond its error."""
    if isinstance(estimate.value, Tracer):
        return
    if float(estimate.value) < bound - _SIGMAS * float(estimate.stderr) - 1e-6:
        _warn(f"{estimate} breaks the bound {name}: the true value cannot be below {bound:.4g}.")


def warn_above(estimate: Estimate, bound: float, name: str):
    """Warns where the estimate lies above `bound`, beyond its error."""
    if isinstance(estimate.value, Tracer):
        return
    if float(estimate.value) > bound + _SIGMAS * float(estimate.stderr) + 1e-6:
        _warn(f"{estimate} breaks the bound {name}: the true value cannot be above {bound:.4g} nats.")


def _warn(message):
    warnings.warn(message, BoundWarning, stacklevel=4)
