"""Mixtures of Gaussians in one dimension, fitted to a column by expectation-maximisation."""

import numpy as np
from jaxtyping import Float


# Neighbouring samples are taken together where they differ by less than this, in standard deviations of the column, or
# by this share of their distance from the mean. The likelihood of their mean and variance is all but that of them.
_RESOLUTION = 0.005

# Steps stop where, extrapolated, they have less than so many nats to gain on all samples together; or after so many.
_LEFT_TO_GAIN = 0.05
_STEPS = 1000

# The least variance of a component, in units of that of the column.
_LEAST_VARIANCE = 1e-6


def fit_mixture(
    column: Float[np.ndarray, " batch"], components: int
) -> tuple[Float[np.ndarray, " components"], Float[np.ndarray, " components"], Float[np.ndarray, " components"]]:
    """Weights, means and variances of the mixture that has the least Akaike information criterion. Components that it
    does not need have weight zero.

    **Arguments:**

    - `column`: standardised samples.
    - `components`: the greatest number of components.
    """
    groups = _condensed(column)
    best, least = None, np.inf
    for number in range(1, components + 1):
        # In nats of all samples: half of the criterion.
        cost = 3 * number - 1
        parameters, log_likelihood = _maximised(*groups, number, wanted=cost - least)
        if cost - log_likelihood < least:
            best, least = parameters, cost - log_likelihood
    assert best is not None
    weights, means, variances = (
        np.pad(part, (0, components - part.size), constant_values=fill) for part, fill in zip(best, (0.0, 0.0, 1.0))
    )
    return weights, means, variances


def _condensed(column):
    """The size, mean and variance of each group of neighbouring samples, in increasing order."""
    cells = np.round(np.arcsinh(column) / _RESOLUTION)
    _, group, sizes = np.unique(cells, return_inverse=True, return_counts=True)
    means = np.bincount(group, column) / sizes
    return sizes.astype(float), means, np.bincount(group, (column - means[group]) ** 2) / sizes


def _maximised(sizes, points, spreads, number, *, wanted):
    """The parameters and the log-likelihood of all samples, starting from components between equal quantiles. It gives
    up where the log-likelihood will not come to what is wanted."""
    part = np.minimum((number * (np.cumsum(sizes) - 0.5 * sizes) / sizes.sum()).astype(int), number - 1)
    belonging = sizes * (part == np.arange(number)[:, None])
    weights = means = variances = np.empty(number)
    log_likelihood, gain = -np.inf, np.inf
    for _ in range(_STEPS):
        counts = np.maximum(belonging.sum(1), 1e-9)
        means = belonging @ points / counts
        # The mean of a square over a group has its variance beside the square of its mean.
        squares = (points - means[:, None]) ** 2 + spreads
        variances = np.maximum((belonging * squares).sum(1) / counts, _LEAST_VARIANCE)
        weights = counts / counts.sum()
        logs = np.log(weights / np.sqrt(2 * np.pi * variances))[:, None] - 0.5 * squares / variances[:, None]
        top = logs.max(0)
        joint = np.exp(logs - top)
        total = joint.sum(0)
        before, log_likelihood = log_likelihood, float(sizes @ (top + np.log(total)))
        belonging = joint * (sizes / total)
        # Gains fall off as a geometric series in the end.
        last, gain = gain, log_likelihood - before
        left = gain * gain / (last - gain) if 0 < gain < last < np.inf else (np.inf if gain > 0 else 0.0)
        if left < _LEFT_TO_GAIN or log_likelihood + 10 * left < wanted:
            break
    return (weights, means, variances), log_likelihood
