"""Pairs of variables whose mutual information is known, and with it that of each sample."""

import abc
from dataclasses import dataclass

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float64, PRNGKeyArray, Real
from scipy.special import digamma, gammaln

from .._checks import check_count, check_draws, check_number, check_positive
from .._draws import standard_normal


# The largest number of float64 below one.
_BELOW_ONE = float(np.nextafter(1.0, 0.0))


@dataclass(frozen=True)
class AbstractPair(abc.ABC):
    """A joint law of X and Y.

    **Arguments:**

    - `dim_x`, `dim_y`: their dimensions.
    """

    dim_x: int
    dim_y: int

    @property
    @abc.abstractmethod
    def mutual_information(self) -> float:
        """I(X;Y) in nats."""

    @abc.abstractmethod
    def sample(
        self, key: PRNGKeyArray, num: int
    ) -> tuple[Float64[np.ndarray, "num dim_x"], Real[np.ndarray, "num dim_y"]]:
        """Draws `num` pairs."""

    @abc.abstractmethod
    def pointwise(
        self, x: Float64[np.ndarray, "num dim_x"], y: Real[np.ndarray, "num dim_y"]
    ) -> Float64[np.ndarray, " num"]:
        """log p(x, y) / p(x) p(y) in nats, whose mean is the mutual information."""


@dataclass(frozen=True)
class DensePair(AbstractPair):
    r"""Jointly Gaussian, every two of all coordinates with the same correlation,

    $$I(X;Y) = \tfrac12\log\frac{\det\Sigma_X \det\Sigma_Y}{\det\Sigma}, \qquad
      \det\Sigma_d = (1 - \rho)^{d-1}\,(1 + (d - 1)\rho).$$

    **Arguments:**

    - `correlation`: $\rho$, from 0 on and below 1.

    **Raises:** `ValueError` where an argument is out of its range.
    """

    correlation: float

    def __post_init__(self):
        _check_dims(self)
        check_number(self.correlation, "correlation", 0.0, _BELOW_ONE)

    @property
    def mutual_information(self) -> float:
        dims, rho = np.array([self.dim_x, self.dim_y, self.dim_x + self.dim_y]), self.correlation
        log_dets = (dims - 1) * np.log1p(-rho) + np.log1p((dims - 1) * rho)
        return float(0.5 * (log_dets @ [1, 1, -1]))

    def sample(self, key, num):
        shared_key, own_key = jr.split(check_draws(key, num))
        shared = standard_normal(shared_key, (num, 1))
        own = standard_normal(own_key, (num, self.dim_x + self.dim_y))
        both = np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own
        return both[:, : self.dim_x], both[:, self.dim_x :]

    def pointwise(self, x, y):
        # A sum of squares and the square of a sum are all that enters.
        def quadratic(a):
            rho, dim = self.correlation, a.shape[1]
            return ((a**2).sum(1) - rho * a.sum(1) ** 2 / (1 + (dim - 1) * rho)) / (1 - rho)

        both = np.concatenate([x, y], 1)
        return self.mutual_information + 0.5 * (quadratic(x) + quadratic(y) - quadratic(both))


@dataclass(frozen=True)
class SparsePair(AbstractPair):
    r"""Jointly Gaussian, the first coordinates correlated in pairs and all else independent,

    $$I(X;Y) = -\tfrac12\sum_i\log(1 - \rho_i^2).$$

    **Arguments:**

    - `correlations`: $\rho_i$ of $X_i$ and $Y_i$, between -1 and 1, at most as many as there are coordinates.

    **Raises:** `ValueError` where an argument is out of its range.
    """

    correlations: tuple[float, ...]

    def __post_init__(self):
        _check_dims(self)
        if len(self.correlations) > min(self.dim_x, self.dim_y):
            raise ValueError(
                f"`correlations` must be at most {min(self.dim_x, self.dim_y)}, as many as either variable has "
                f"coordinates; got {len(self.correlations)}."
            )
        for i, correlation in enumerate(self.correlations):
            check_number(correlation, f"correlations[{i}]", -_BELOW_ONE, _BELOW_ONE)

    @property
    def mutual_information(self) -> float:
        return float(-0.5 * np.log1p(-(np.array(self.correlations) ** 2)).sum())

    def sample(self, key, num):
        x_key, y_key = jr.split(check_draws(key, num))
        x, y = standard_normal(x_key, (num, self.dim_x)), standard_normal(y_key, (num, self.dim_y))
        rho, pairs = np.array(self.correlations), len(self.correlations)
        y[:, :pairs] = rho * x[:, :pairs] + np.sqrt(1 - rho**2) * y[:, :pairs]
        return x, y

    def pointwise(self, x, y):
        rho, pairs = np.array(self.correlations), len(self.correlations)
        x, y = x[:, :pairs], y[:, :pairs]
        return self.mutual_information + 0.5 * (y**2 - (y - rho * x) ** 2 / (1 - rho**2)).sum(1)


@dataclass(frozen=True)
class StudentPair(AbstractPair):
    r"""A multivariate Student t with the identity for its dispersion: no two coordinates are correlated, and all that X
    tells of Y is how large it is,

    $$h_d = \log\frac{\Gamma(\nu/2)}{\Gamma((\nu + d)/2)} + \frac d2\log\nu\pi +
      \frac{\nu + d}{2}\Bigl(\psi\bigl(\tfrac{\nu + d}{2}\bigr) - \psi\bigl(\tfrac\nu2\bigr)\Bigr), \qquad
      I(X;Y) = h_{d_x} + h_{d_y} - h_{d_x + d_y}.$$

    **Arguments:**

    - `dof`: $\nu$, positive.

    **Raises:** `ValueError` where an argument is out of its range.
    """

    dof: int

    def __post_init__(self):
        _check_dims(self)
        check_positive(self.dof, "dof")

    @property
    def mutual_information(self) -> float:
        return float(self._by_dimension(self._entropy))

    def sample(self, key, num):
        normal_key, scale_key = jr.split(check_draws(key, num))
        both = standard_normal(normal_key, (num, self.dim_x + self.dim_y))
        squares = np.asarray(jr.chisquare(scale_key, self.dof, (num, 1), dtype=jnp.float32), np.float64)
        both = both / np.sqrt(squares / self.dof)
        return both[:, : self.dim_x], both[:, self.dim_x :]

    def pointwise(self, x, y):
        def log_density(a):
            dim = a.shape[1]
            log_scale = gammaln((self.dof + dim) / 2) - gammaln(self.dof / 2) - 0.5 * dim * np.log(np.pi * self.dof)
            return log_scale - 0.5 * (self.dof + dim) * np.log1p((a**2).sum(1) / self.dof)

        return log_density(np.concatenate([x, y], 1)) - log_density(x) - log_density(y)

    def _by_dimension(self, of):
        return of(self.dim_x) + of(self.dim_y) - of(self.dim_x + self.dim_y)

    def _entropy(self, dim):
        half, whole = self.dof / 2, (self.dof + dim) / 2
        return (
            gammaln(half)
            - gammaln(whole)
            + 0.5 * dim * np.log(np.pi * self.dof)
            + whole * (digamma(whole) - digamma(half))
        )


@dataclass(frozen=True)
class AdditiveNoise(AbstractPair):
    r"""X uniform on (0, 1), and Y = X + N with N uniform on (−ε, ε),

    $$I(X;Y) = \begin{cases} \varepsilon - \log 2\varepsilon & \varepsilon \le \tfrac12 \\
      \tfrac{1}{4\varepsilon} & \varepsilon \ge \tfrac12 \end{cases}.$$

    **Arguments:**

    - `width`: ε, positive.

    **Raises:** `ValueError` where `width` is not positive, or a dimension not 1.
    """

    width: float

    def __post_init__(self):
        _check_dims(self)
        if (self.dim_x, self.dim_y) != (1, 1):
            raise ValueError(f"`dim_x` and `dim_y` must be 1; got {self.dim_x} and {self.dim_y}.")
        check_positive(self.width, "width")

    @property
    def mutual_information(self) -> float:
        return float(self.width - np.log(2 * self.width) if self.width <= 0.5 else 0.25 / self.width)

    def sample(self, key, num):
        x, noise = np.asarray(jr.uniform(check_draws(key, num), (2, num, 1), jnp.float32), np.float64)
        return x, x + self.width * (2 * noise - 1)

    def pointwise(self, x, y):
        del x
        # The density of Y is how much of (0, 1) lies within ε of it, over 2ε, which is that of Y given X.
        within = np.minimum(y + self.width, 1) - np.maximum(y - self.width, 0)
        return -np.log(within[:, 0])


def _check_dims(pair: AbstractPair) -> None:
    check_count(pair.dim_x, "dim_x")
    check_count(pair.dim_y, "dim_y")
