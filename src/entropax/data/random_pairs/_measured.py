"""Pairs without a closed form: the mutual information is a mean of exact log-ratios."""

import functools
from dataclasses import dataclass

import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray

from .._checks import check_draws
from ..bmi import AbstractPair


# Exact log-ratios are averaged until their mean has this standard error in nats, or there are so many of them.
_ERROR, _BATCH, _MOST = 0.001, 1 << 16, 1 << 21


@dataclass(frozen=True)
class AbstractMeasuredPair(AbstractPair):
    r"""A joint distribution of X and Y whose densities are exact, while $I(X;Y) = \mathbb{E}\log\frac{p(x, y)}{p(x)
    p(y)}$ has no closed form: it is the mean of exact log-ratios of samples, with a standard error of 0.001 nats, or of
    two million samples."""

    @property
    def mutual_information(self) -> float:
        return self.measured[0]

    @functools.cached_property
    def measured(self) -> tuple[float, float]:
        """$I(X;Y)$ and its standard error in nats."""
        total, squares, num, error = 0.0, 0.0, 0, np.inf
        for batch in range(_MOST // _BATCH):
            ratios = self.pointwise(*self.sample(jr.fold_in(jr.key(0), batch), _BATCH))
            total, squares, num = total + ratios.sum(), squares + (ratios**2).sum(), num + _BATCH
            error = np.sqrt(max(squares / num - (total / num) ** 2, 0.0) / num)
            if error < _ERROR:
                break
        return float(total / num), float(error)


def generator(key: PRNGKeyArray, num: int) -> np.random.Generator:
    """The generator of NumPy that a key of JAX stands for, which any number of draws may be asked of.

    **Raises:** `ValueError` where `key` is no key, or `num` no whole number.
    """
    return np.random.default_rng(np.asarray(jr.key_data(check_draws(key, num))).reshape(-1))


def log_sum_exp(logs: np.ndarray, axis: int = -1) -> np.ndarray:
    """The logarithm of a sum of exponentials, -inf where all terms are 0."""
    largest = logs.max(axis, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(logs - largest).sum(axis)) + np.squeeze(largest, axis)
