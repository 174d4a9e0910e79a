"""Pairs with discrete parts, whose probabilities are exact: tables, counts, zero-inflated numbers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import gammaln, xlogy

from ..bmi import AbstractPair
from ._measured import AbstractMeasuredPair, generator, log_sum_exp


@dataclass(frozen=True)
class TablePair(AbstractPair):
    r"""Two discrete variables with the values 0, 1, ..., such as truth values, ratings and labels,

    $$I(X;Y) = \sum_{jk} P_{jk}\log\frac{P_{jk}}{P_{j\cdot}P_{\cdot k}}.$$

    **Arguments:**

    - `table`: $P$.
    - `labels`: whether Y holds labels, which are integers, and no ratings, which are floats.
    """

    table: Float64[np.ndarray, "x y"]
    labels: bool = True

    @property
    def mutual_information(self) -> float:
        independent = self.table.sum(1)[:, None] * self.table.sum(0)
        return float((xlogy(self.table, self.table) - xlogy(self.table, independent)).sum())

    def sample(self, key, num):
        cell = generator(key, num).choice(self.table.size, num, p=self.table.reshape(-1))
        x, y = np.unravel_index(cell, self.table.shape)
        return x[:, None].astype(float), y[:, None].astype(int if self.labels else float)

    def pointwise(self, x, y):
        x, y = x[:, 0].astype(int), y[:, 0].astype(int)
        return np.log(self.table[x, y]) - np.log(self.table.sum(1)[x]) - np.log(self.table.sum(0)[y])


@dataclass(frozen=True)
class CountsPair(AbstractMeasuredPair):
    r"""A count X with a Poisson distribution whose rate follows a number Y, $X \sim
    \mathrm{Poisson}(m\,e^{cY})$. Y is the label of one of a few values, or standard normal.

    **Arguments:**

    - `mean`, `slope`: $m$ and $c$.
    - `values`, `weights`: those of Y, and their probabilities; `None` for a standard normal one.
    """

    mean: float
    slope: float
    values: Float64[np.ndarray, " values"] | None
    weights: Float64[np.ndarray, " values"] | None

    def sample(self, key, num):
        rng = generator(key, num)
        if self.values is None:
            y = rng.normal(size=num)
            x = rng.poisson(self._rate(y))
        else:
            y = rng.choice(len(self.values), num, p=self.weights)
            x = rng.poisson(self._rate(self.values[y]))
        return x[:, None].astype(float), y[:, None]

    def pointwise(self, x, y):
        x, y = x[:, 0], y[:, 0]
        if self.values is None or self.weights is None:
            values, weights = np.polynomial.hermite_e.hermegauss(120)
            weights, value = weights / weights.sum(), y
        else:
            values, weights, value = self.values, self.weights, self.values[y]
        counts, place = np.unique(x, return_inverse=True)
        log_density = log_sum_exp(self._log_density(counts[:, None], values) + np.log(weights), 1)
        return self._log_density(x, value) - log_density[place]

    def _rate(self, value):
        return self.mean * np.exp(self.slope * value)

    def _log_density(self, count, value):
        rate = self._rate(value)
        return count * np.log(rate) - rate - gammaln(count + 1)


@dataclass(frozen=True)
class ZeroInflatedPair(AbstractMeasuredPair):
    r"""X is zero, or log-normal, with a share and a mean that depend on a label Y, as the expression of a gene does on
    the type of a cell.

    **Arguments:**

    - `weights`: of the labels.
    - `shares`: the probabilities that X is not zero.
    - `means`: of log X where it is not.
    """

    weights: Float64[np.ndarray, " labels"]
    shares: Float64[np.ndarray, " labels"]
    means: Float64[np.ndarray, " labels"]

    def sample(self, key, num):
        rng = generator(key, num)
        label = rng.choice(len(self.weights), num, p=self.weights)
        log_x = self.means[label] + rng.normal(size=num)
        x = np.where(rng.random(num) < self.shares[label], np.exp(log_x), 0.0)
        return x[:, None], label[:, None]

    def pointwise(self, x, y):
        x, label = x[:, 0], y[:, 0]
        zero = x == 0
        log_x = np.log(np.where(zero, 1.0, x))
        # But for a factor that does not depend on the label.
        on = np.log(self.shares) - 0.5 * (log_x[:, None] - self.means) ** 2
        given = np.where(zero[:, None], np.log1p(-self.shares), on)
        return given[np.arange(len(x)), label] - log_sum_exp(given + np.log(self.weights), 1)
