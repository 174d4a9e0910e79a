import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float32, Float64, PRNGKeyArray
from scipy.integrate import solve_ivp

from ..denoiser import ConditionalGaussian
from . import _spectra
from ._draws import standard_normal
from ._spectra import LogSNR, Values


if TYPE_CHECKING:
    from ._joint_gaussian import JointGaussian

# What the flow is solved to. Its errors are absolute: they are those of the largest singular value of P.
_TOLERANCE = 1e-12

# Singular values below this share of the largest are rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True, eq=False, repr=False)
class GuidedGaussian:
    r"""The law of what classifier-free guidance makes of a joint Gaussian: with exact scores the guided probability
    flow is linear, in $v = \Sigma/\mu^2$, from $v_T$ to 0,

    $$\frac{\mathrm{d}x}{\mathrm{d}v} = \tfrac12(1 + w)\,(\Sigma_{X|Y} + v)^{-1}(x - Ky) - \tfrac12 w\,(\Sigma_X +
      v)^{-1} x, \qquad x_0 = P z_T + Q y, \qquad z_T \sim \mathcal{N}(0, I),$$

    so that samples and conditions are jointly Gaussian. Everything is float64, in nats.

    Guidance shrinks the noise $PP^\top$ in $X|Y$ by orders of magnitude, to 1e-12 at $w = 5$ in the paper's problem.
    Its determinant stays exact, since $\mathrm{d}\log|\det P|/\mathrm{d}v$ is the trace of the flow (Liouville's
    formula). It starts from $\mathcal{N}(0, I)$, as samplers do, not from the law of the diffused data: at $w = 0$ that
    is the difference to `problem.mutual_information`.

    [`entropax.data.JointGaussian`][]`.guided` makes it.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (16), (65); there, levelling off of estimates is read as saturation.
        The exact value does not saturate.
    """

    problem: "JointGaussian"
    start: float
    weight: float | Callable[[Array], Array]
    _solution: tuple[np.ndarray, np.ndarray, float] = field(init=False)

    def __post_init__(self):
        if not callable(self.weight) and not math.isfinite(self.weight):
            raise ValueError(f"`weight` must be a finite number or a function of log-SNR; got {self.weight}.")
        object.__setattr__(self, "_solution", self._solve())

    def __repr__(self) -> str:
        return f"GuidedGaussian(dim_x={self.problem.dim_x}, dim_y={self.problem.dim_y}, weight={self.weight})"

    def _solve(self) -> tuple[np.ndarray, np.ndarray, float]:
        """P, Q and log|det P|."""
        problem, dim = self.problem, self.problem.dim_x
        variances, axes = np.linalg.eigh(problem.cov_x)
        residuals, directions = np.linalg.eigh(problem.cov_x_given_y)
        gain, first = problem.gain, math.exp(-self.start)
        # log(v + c), in which the flow is smooth at v = 0 too.
        floor = residuals[0]
        size = dim * (dim + problem.dim_y)

        def flow(time, state):
            v = math.exp(time) - floor
            w = self._weight_at(v)
            matrix, log_det = state[:size].reshape(dim, -1), state[size:]
            given = (directions / (residuals + v)) @ directions.T
            alone = (axes / (variances + v)) @ axes.T
            linear = 0.5 * ((1 + w) * given - w * alone)
            slope = linear @ matrix
            slope[:, dim:] -= 0.5 * (1 + w) * given @ gain
            trace = 0.5 * ((1 + w) * np.sum(1 / (residuals + v)) - w * np.sum(1 / (variances + v)))
            return (v + floor) * np.append(slope.ravel(), np.full_like(log_det, trace))

        scale = math.sqrt(1 + first)
        begin = np.concatenate([scale * np.eye(dim), np.zeros((dim, problem.dim_y))], 1)
        solution = solve_ivp(
            flow,
            (math.log(first + floor), math.log(floor)),
            np.append(begin.ravel(), dim * math.log(scale)),
            method="DOP853",
            rtol=_TOLERANCE,
            atol=1e-4 * _TOLERANCE,
        )
        if not solution.success or not np.isfinite(solution.y[:, -1]).all():
            raise RuntimeError(f"The guided flow could not be solved at `weight` {self.weight}: {solution.message}")
        end = solution.y[:, -1]
        matrix = end[:size].reshape(dim, -1)
        return matrix[:, :dim], matrix[:, dim:], float(end[size])

    def _weight_at(self, v: float) -> float:
        if not callable(self.weight):
            return self.weight
        # Beyond λ = 60 no float32 state changes; at v = 0 it is infinite.
        value = float(self.weight(jnp.asarray(-math.log(max(v, math.exp(-60.0))))))
        if not math.isfinite(value):
            raise ValueError(f"`weight` must be finite; got {value} at log-SNR {-math.log(max(v, 1e-26)):.3f}.")
        return value

    @property
    def matrix_p(self) -> Float64[np.ndarray, "dim_x dim_x"]:
        r"""$P$, what the noise $z_T$ becomes."""
        return self._solution[0]

    @property
    def gain(self) -> Float64[np.ndarray, "dim_x dim_y"]:
        r"""$Q$, so that the mean of $X$ given $y$ is `gain @ y`."""
        return self._solution[1]

    @property
    def cov_y(self) -> Float64[np.ndarray, "dim_y dim_y"]:
        r"""$\Sigma_Y$, that of the problem."""
        return self.problem.cov_y

    @property
    def cov_x_given_y(self) -> Float64[np.ndarray, "dim_x dim_x"]:
        r"""$PP^\top$."""
        return self.matrix_p @ self.matrix_p.T

    @property
    def cov_x(self) -> Float64[np.ndarray, "dim_x dim_x"]:
        r"""$PP^\top + Q\Sigma_Y Q^\top$."""
        return self.cov_x_given_y + self.gain @ self.cov_y @ self.gain.T

    @functools.cached_property
    def _variances(self) -> np.ndarray:
        """Eigenvalues of `cov_x`, of its root, which keeps the small ones."""
        root = np.concatenate([self.matrix_p, self.gain @ np.linalg.cholesky(self.cov_y)], 1)
        return np.linalg.svd(root, compute_uv=False)[::-1] ** 2

    @functools.cached_property
    def _residual_variances(self) -> np.ndarray:
        """Eigenvalues of `cov_x_given_y`, ascending."""
        roots = np.linalg.svd(self.matrix_p, compute_uv=False)[::-1]
        if roots[0] < _ROUNDING * roots[-1]:
            raise ValueError(
                f"Of the conditional standard deviations under `weight` {self.weight} the least is below {_ROUNDING} "
                f"of the largest, {roots[-1]:.3g}, which float64 cannot hold: `mutual_information` is exact, its rate "
                "and the denoiser cannot be had. Give a smaller weight."
            )
        return roots**2

    @property
    def mutual_information(self) -> float:
        r"""$I(X;Y)_\mathrm{CFG} = \tfrac12\log\det(PP^\top + Q\Sigma_Y Q^\top) - \log|\det P|$."""
        return float(0.5 * np.sum(np.log(self._variances)) - self._solution[2])

    def mutual_information_rate(self, log_snr: LogSNR) -> Values:
        r"""The gap between the exact denoisers of this law that know $y$ and that do not.

        **Raises:** `ValueError` where float64 cannot hold the conditional variances.
        """
        return _spectra.log_ratio_rate(log_snr, self._variances, self._residual_variances)

    def mutual_information_between(self, low: float, high: float) -> float:
        r"""$\int_\mathrm{low}^\mathrm{high}$ of `mutual_information_rate`: what can be seen of the mutual information
        on a range of $\lambda$, by exact scores; the ends may be infinite.

        **Raises:** `ValueError` as there.
        """
        spectra = self._variances, self._residual_variances
        return float(_spectra.log_ratio(high, *spectra) - _spectra.log_ratio(low, *spectra))

    def sample(self, key: PRNGKeyArray, num: int) -> tuple[Float32[Array, "num dim_x"], Float32[Array, "num dim_y"]]:
        r"""Independent pairs $(x, y)$, drawn in float64 and rounded to float32.

        **Arguments:**

        - `key`: the draws.
        - `num`: how many pairs.

        **Returns:** `x`, `y`, shapes `(num, dim_x)` and `(num, dim_y)`.
        """
        key_x, key_y = jr.split(key)
        y = standard_normal(key_y, (num, self.problem.dim_y)) @ np.linalg.cholesky(self.cov_y).T
        x = standard_normal(key_x, (num, self.problem.dim_x)) @ self.matrix_p.T + y @ self.gain.T
        return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)

    def denoiser(self) -> ConditionalGaussian:
        r"""The exact denoiser of this law: of $p(x|y)$ given $y$, of $p(x)$ without.

        **Raises:** `ValueError` where the precision of JAX cannot tell the conditional mean from the data: where the
            least conditional standard deviation is not well above its rounding of the largest.
        """
        precision = float(jnp.finfo(jnp.zeros(()).dtype).eps)
        least, largest = math.sqrt(self._residual_variances[0]), math.sqrt(self._variances[-1])
        # A state is rounded to eps, its distance from the mean has the spread `least`.
        if least < 100 * precision * largest:
            raise ValueError(
                f"The least conditional standard deviation of guided samples, {least:.3g}, is below what "
                f"{jnp.zeros(()).dtype} resolves beside the largest, {largest:.3g}: a denoiser would return rounding. "
                "Enable float64 (`jax.enable_x64`), or take `mutual_information` and `mutual_information_between`."
            )
        return ConditionalGaussian(cov_x=self.cov_x, gain=self.gain, cov_x_given_y=self.cov_x_given_y)
