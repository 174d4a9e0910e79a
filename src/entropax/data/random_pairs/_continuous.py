"""Pairs of continuous variables with exact densities: mixtures, boxes, noise, heavy tails, and products of pairs."""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import jax.random as jr
import numpy as np
from jaxtyping import Float64
from scipy.special import gammaln

from ..bmi import AbstractPair
from ._measured import AbstractMeasuredPair, generator, log_sum_exp


@dataclass(frozen=True)
class MixturePair(AbstractMeasuredPair):
    r"""A mixture of Gaussians, $p(x, y) = \sum_k w_k\,\mathcal{N}\bigl((x, y); m_k, C_k\bigr)$. Where every $C_k$ is
    zero between X and Y, the component is all that the two share.

    **Arguments:**

    - `weights`: $w$.
    - `means`: $m$, of X and Y together.
    - `covs`: $C$.
    """

    weights: Float64[np.ndarray, " components"]
    means: Float64[np.ndarray, "components dim"]
    covs: Float64[np.ndarray, "components dim dim"]

    def sample(self, key, num):
        rng = generator(key, num)
        component = rng.choice(len(self.weights), num, p=self.weights)
        both = rng.normal(size=(num, self.means.shape[1]))
        for k, (mean, cov) in enumerate(zip(self.means, self.covs)):
            rows = component == k
            both[rows] = mean + both[rows] @ np.linalg.cholesky(cov).T
        return both[:, : self.dim_x], both[:, self.dim_x :]

    def pointwise(self, x, y):
        of_x, of_y = slice(0, self.dim_x), slice(self.dim_x, None)
        both = np.concatenate([x, y], 1)
        return self._log_density(both, slice(None)) - self._log_density(x, of_x) - self._log_density(y, of_y)

    def _log_density(self, values, columns):
        logs = []
        for weight, mean, cov in zip(self.weights, self.means, self.covs):
            root = np.linalg.cholesky(cov[columns, columns])
            whitened = np.linalg.solve(root, (values - mean[columns]).T)
            log_norm = np.log(np.diag(root)).sum() + 0.5 * len(root) * np.log(2 * np.pi)
            logs.append(np.log(weight) - log_norm - 0.5 * (whitened**2).sum(0))
        return log_sum_exp(np.stack(logs), 0)


@dataclass(frozen=True)
class BoxesPair(AbstractMeasuredPair):
    r"""A mixture of uniform distributions on boxes, $p(x, y) = \sum_k w_k\,\mathbb{1}_{B_k}(x, y)/|B_k|$: letters,
    unions of boxes, densities with jumps.

    **Arguments:**

    - `weights`: $w$.
    - `lows`, `highs`: the corners of the boxes, of X and Y together.
    """

    weights: Float64[np.ndarray, " components"]
    lows: Float64[np.ndarray, "components dim"]
    highs: Float64[np.ndarray, "components dim"]

    def sample(self, key, num):
        rng = generator(key, num)
        component = rng.choice(len(self.weights), num, p=self.weights)
        both = rng.uniform(self.lows[component], self.highs[component])
        return both[:, : self.dim_x], both[:, self.dim_x :]

    def pointwise(self, x, y):
        of_x, of_y = slice(0, self.dim_x), slice(self.dim_x, None)
        both = np.concatenate([x, y], 1)
        return self._log_density(both, slice(None)) - self._log_density(x, of_x) - self._log_density(y, of_y)

    def _log_density(self, values, columns):
        density = np.zeros(len(values))
        for weight, low, high in zip(self.weights, self.lows[:, columns], self.highs[:, columns]):
            density += weight / np.prod(high - low) * ((values >= low) & (values <= high)).all(1)
        return np.log(density)


@dataclass(frozen=True)
class Noise:
    r"""The distribution of a number.

    **Arguments:**

    - `draw`: `draw(rng, num)`.
    - `log_density`: in nats.
    - `nodes`, `weights`: of a quadrature, $\mathbb{E} f(X) \approx \sum_j w_j f(x_j)$.
    """

    draw: Callable[[np.random.Generator, int], Float64[np.ndarray, " num"]]
    log_density: Callable[[Float64[np.ndarray, "*shape"]], Float64[np.ndarray, "*shape"]]
    nodes: Float64[np.ndarray, " nodes"]
    weights: Float64[np.ndarray, " nodes"]


@dataclass(frozen=True)
class NoisyPair(AbstractMeasuredPair):
    r"""A number X and a function of it with noise, $Y = f(X) + g(X)\,N$: additive noise where $g$ is constant,
    multiplicative noise where it is not,

    $$p(y|x) = p_N\Bigl(\frac{y - f(x)}{g(x)}\Bigr)\Big/g(x), \qquad p(y) = \int p(x)\,p(y|x)\,\mathrm{d}x,$$

    the integral by quadrature on 8 000 values of y, between which its logarithm is interpolated.

    **Arguments:**

    - `source`, `noise`: the distributions of X and N.
    - `signal`, `scale`: $f$ and $g > 0$.
    """

    source: Noise
    noise: Noise
    signal: Callable[[Float64[np.ndarray, "*shape"]], Float64[np.ndarray, "*shape"]]
    scale: Callable[[Float64[np.ndarray, "*shape"]], Float64[np.ndarray, "*shape"]]

    def sample(self, key, num):
        rng = generator(key, num)
        x = self.source.draw(rng, num)
        y = self.signal(x) + self.scale(x) * self.noise.draw(rng, num)
        return x[:, None], y[:, None]

    def pointwise(self, x, y):
        x, y = x[:, 0], y[:, 0]
        squeezed, log_density = self._marginal
        given = self.noise.log_density((y - self.signal(x)) / self.scale(x)) - np.log(self.scale(x))
        return given - np.interp(np.arcsinh(y), squeezed, log_density)

    @functools.cached_property
    def _marginal(self):
        x, weights = self.source.nodes, self.source.weights
        kept = weights > 1e-18
        x, weights = x[kept], weights[kept]
        signal, scale = self.signal(x), self.scale(x)
        # Noise with heavy tails reaches far: equal steps of arcsinh y.
        reach = scale.max() * np.abs(self.noise.nodes).max()
        squeezed = np.linspace(np.arcsinh(signal.min() - reach), np.arcsinh(signal.max() + reach), 8_001)
        logs = []
        for y in np.array_split(np.sinh(squeezed), 200):
            given = self.noise.log_density((y[:, None] - signal) / scale) - np.log(scale)
            logs.append(log_sum_exp(given + np.log(weights), 1))
        return squeezed, np.concatenate(logs)


@dataclass(frozen=True)
class HeavyPair(AbstractMeasuredPair):
    r"""A multivariate Student t with any dispersion, whose coordinates share how large they are as well as what
    correlates them.

    **Arguments:**

    - `dof`: $\nu$.
    - `dispersion`: of X and Y together.
    """

    dof: float
    dispersion: Float64[np.ndarray, "dim dim"]

    def sample(self, key, num):
        rng = generator(key, num)
        both = rng.normal(size=(num, len(self.dispersion))) @ np.linalg.cholesky(self.dispersion).T
        both = both / np.sqrt(rng.chisquare(self.dof, (num, 1)) / self.dof)
        return both[:, : self.dim_x], both[:, self.dim_x :]

    def pointwise(self, x, y):
        of_x, of_y = slice(0, self.dim_x), slice(self.dim_x, None)
        both = np.concatenate([x, y], 1)
        return self._log_density(both, slice(None)) - self._log_density(x, of_x) - self._log_density(y, of_y)

    def _log_density(self, values, columns):
        root = np.linalg.cholesky(self.dispersion[columns, columns])
        dim, dof = len(root), self.dof
        squares = (np.linalg.solve(root, values.T) ** 2).sum(0)
        log_norm = np.log(np.diag(root)).sum() + 0.5 * dim * np.log(np.pi * dof)
        return gammaln((dof + dim) / 2) - gammaln(dof / 2) - log_norm - 0.5 * (dof + dim) * np.log1p(squares / dof)


@dataclass(frozen=True)
class IrrelevantColumns(AbstractPair):
    """Standard normal columns that share nothing.

    **Arguments:** `dim_x`, `dim_y`; either may be 0.
    """

    @property
    def mutual_information(self) -> float:
        return 0.0

    def sample(self, key, num):
        both = generator(key, num).normal(size=(num, self.dim_x + self.dim_y))
        return both[:, : self.dim_x], both[:, self.dim_x :]

    def pointwise(self, x, y):
        return np.zeros(len(x))


@dataclass(frozen=True)
class ShuffledPair(AbstractPair):
    """X and Y as another pair has them, and independent.

    **Arguments:**

    - `pair`: the other pair.
    """

    pair: AbstractPair

    @property
    def mutual_information(self) -> float:
        return 0.0

    def sample(self, key, num):
        x_key, y_key = jr.split(key)
        return self.pair.sample(x_key, num)[0], self.pair.sample(y_key, num)[1]

    def pointwise(self, x, y):
        return np.zeros(len(x))


@dataclass(frozen=True)
class IndependentPairs(AbstractPair):
    r"""Pairs that are independent of each other, $X = (X_1, X_2, \dots)$ and $Y = (Y_1, Y_2, \dots)$, whose information
    adds up.

    **Arguments:**

    - `pairs`: all of them.
    """

    pairs: tuple[AbstractPair, ...]

    @classmethod
    def of(cls, *pairs: AbstractPair) -> "IndependentPairs":
        """With the dimensions of all `pairs` together."""
        return cls(sum(pair.dim_x for pair in pairs), sum(pair.dim_y for pair in pairs), pairs)

    @property
    def mutual_information(self) -> float:
        return sum(pair.mutual_information for pair in self.pairs)

    def sample(self, key, num):
        drawn = [pair.sample(own, num) for pair, own in zip(self.pairs, jr.split(key, len(self.pairs)))]
        return np.concatenate([x for x, _ in drawn], 1), np.concatenate([y for _, y in drawn], 1)

    def pointwise(self, x, y):
        edges = lambda dims: [0, *itertools.accumulate(dims)]
        xs, ys = edges(pair.dim_x for pair in self.pairs), edges(pair.dim_y for pair in self.pairs)
        parts = [pair.pointwise(x[:, xs[k] : xs[k + 1]], y[:, ys[k] : ys[k + 1]]) for k, pair in enumerate(self.pairs)]
        return np.sum(parts, 0)
