import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TYPE_CHECKING

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Float32, Float64, PRNGKeyArray
from scipy.integrate import solve_ivp
from scipy.linalg import get_lapack_funcs

from ..denoiser import ConditionalGaussian
from . import _spectra
from ._checks import check_draws
from ._draws import standard_normal
from ._spectra import LogSNR, Values


if TYPE_CHECKING:
    from ._joint_gaussian import JointGaussian

# What the flow is solved to on each panel, where its singular values are within exp(_SPREAD) of one another: absolute
# errors, which those of a solver are, are relative ones there.
_TOLERANCE = 1e-12
_SPREAD = 4.0

# Beyond λ = 60 no state changes, in float32 nor in float64. At the data itself λ is infinite.
_HIGHEST = 60.0


class _Solution(NamedTuple):
    """P = axes diag(roots) turn, by singular values, descending, and Q = `gain`."""

    axes: np.ndarray
    roots: np.ndarray
    turn: np.ndarray
    gain: np.ndarray
    log_det: float


@dataclass(frozen=True, eq=False, repr=False)
class GuidedGaussian:
    r"""The law of what classifier-free guidance makes of a joint Gaussian: with exact scores the guided probability
    flow is linear, in $v = \Sigma/\mu^2$, from $v_T$ to 0,

    $$\frac{\mathrm{d}x}{\mathrm{d}v} = \tfrac12(1 + w)\,(\Sigma_{X|Y} + v)^{-1}(x - Ky) - \tfrac12 w\,(\Sigma_X +
      v)^{-1} x, \qquad x_0 = P z_T + Q y, \qquad z_T \sim \mathcal{N}(0, I),$$

    so that samples and conditions are jointly Gaussian. Everything is float64, in nats.

    Guidance shrinks the noise $PP^\top$ in $X|Y$ by orders of magnitude, to 1e-12 at $w = 5$ in the paper's problem,
    below 1e-50 at $w = 24$. Its determinant is exact, since $\mathrm{d}\log|\det P|/\mathrm{d}v$ is the trace of the
    flow (Liouville's formula), and its eigenvalues have relative errors below 1e-9, whatever their size. (At weights
    near 100 this needs covariances that do not commute: where they do, and directions change their order on the way,
    the rounding of the given matrices decides on single eigenvalues, not on the determinant.)

    It starts from $\mathcal{N}(0, I)$, as samplers do, not from the law of the diffused data. At $w = 0$ that is all
    the difference to `problem.mutual_information`: of the order of $\mu(T) = e^{\lambda(T)/2}$, 0.065 of 18.337 nats in
    the paper's problem, where $\lambda(T) = -8.05$.

    [`entropax.data.JointGaussian`][]`.guided` makes it.

    **Arguments:**

    - `problem`: the law that the denoisers are exact for.
    - `start`: $\lambda(T)$, where the noise begins.
    - `weight`: $w$ of [`entropax.Guided`][], a number or a function of $\lambda$.

    **Raises:** `ValueError` for weights that are not finite.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (16), (65); there, levelling off of estimates is read as saturation.
        The exact value does not saturate.
    """

    problem: "JointGaussian"
    start: float
    weight: float | Callable[[Array], ArrayLike]
    _solution: _Solution = field(init=False)

    def __post_init__(self):
        if not callable(self.weight) and not math.isfinite(self.weight):
            raise ValueError(f"`weight` must be a finite number or a function of log-SNR; got {self.weight}.")
        object.__setattr__(self, "_solution", self._solve())

    def __repr__(self) -> str:
        return f"GuidedGaussian(dim_x={self.problem.dim_x}, dim_y={self.problem.dim_y}, weight={self.weight})"

    def _solve(self) -> _Solution:
        """P by its singular value decomposition, panel after panel of log(v + floor), in which the flow is smooth at
        v = 0 too. P as one matrix would lose what is below 1e-16 of its largest singular value."""
        dim, first = self.problem.dim_x, math.exp(-self.start)
        flow, floor = self._flow()
        high, low = math.log(first + floor), math.log(floor)
        axes, roots, turn = np.eye(dim), np.full(dim, math.sqrt(1 + first)), np.eye(dim)
        gain, log_det = np.zeros((dim, self.problem.dim_y)), 0.5 * dim * math.log1p(first)
        # The flow's eigenvalues in log(v + floor) lie between -|w| and 1 + |w|, half of them.
        largest = max(abs(self._weight_at(math.exp(at) - floor)) for at in np.linspace(high, low, 200))
        panels = math.ceil((high - low) * (1 + largest) / _SPREAD)
        ends = np.linspace(high, low, panels + 1)
        for begin, end in zip(ends[:-1], ends[1:]):
            state = np.append(np.concatenate([axes, gain], 1), log_det)
            solution = solve_ivp(flow, (begin, end), state, method="DOP853", rtol=_TOLERANCE, atol=1e-4 * _TOLERANCE)
            state = solution.y[:, -1]
            if not solution.success or not np.isfinite(state).all():
                raise RuntimeError(f"The guided flow could not be solved at `weight` {self.weight}: {solution.message}")
            matrix, log_det = state[:-1].reshape(dim, -1), float(state[-1])
            gain = matrix[:, dim:]
            axes, roots, rotation = _scaled_svd(matrix[:, :dim], roots)
            turn = rotation @ turn
        return _Solution(axes, roots, turn, gain, log_det)

    def _flow(self) -> tuple[Callable[[float, np.ndarray], np.ndarray], float]:
        """The flow of (columns of P, Q, log|det P|) in log(v + floor), and the floor."""
        problem, dim, gain = self.problem, self.problem.dim_x, self.problem.gain
        variances, axes = problem._axes
        directions, roots, _ = np.linalg.svd(problem._channel[1])
        residuals = roots**2
        floor = float(residuals.min())

        def flow(time, state):
            v = math.exp(time) - floor
            w = self._weight_at(v)
            matrix = state[:-1].reshape(dim, -1)
            given = (directions / (residuals + v)) @ directions.T
            alone = (axes / (variances + v)) @ axes.T
            slope = 0.5 * ((1 + w) * given - w * alone) @ matrix
            slope[:, dim:] -= 0.5 * (1 + w) * given @ gain
            trace = 0.5 * ((1 + w) * np.sum(1 / (residuals + v)) - w * np.sum(1 / (variances + v)))
            return (v + floor) * np.append(slope, trace)

        return flow, floor

    def _weight_at(self, v: float) -> float:
        if not callable(self.weight):
            return float(self.weight)
        log_snr = -math.log(max(v, math.exp(-_HIGHEST)))
        value = float(np.asarray(self.weight(jnp.asarray(log_snr))))
        if not math.isfinite(value):
            raise ValueError(f"`weight` must be finite at every log-SNR; got {value} at {log_snr:.3f}.")
        return value

    @property
    def matrix_p(self) -> Float64[np.ndarray, "dim_x dim_x"]:
        r"""$P$, what the noise $z_T$ becomes."""
        return (self._solution.axes * self._solution.roots) @ self._solution.turn

    @property
    def gain(self) -> Float64[np.ndarray, "dim_x dim_y"]:
        r"""$Q$, so that the mean of $X$ given $y$ is `gain @ y`."""
        return self._solution.gain

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
        """Eigenvalues of `cov_x`, ascending, of its root, which keeps the small ones."""
        noise = self._solution.axes * self._solution.roots
        root = np.concatenate([noise, self.gain @ np.linalg.cholesky(self.cov_y)], 1)
        return np.linalg.svd(root, compute_uv=False)[::-1] ** 2

    @functools.cached_property
    def _residual_variances(self) -> np.ndarray:
        """Eigenvalues of `cov_x_given_y`, ascending."""
        roots = self._solution.roots[::-1]
        if roots[0] ** 2 < np.finfo(np.float64).tiny:
            raise ValueError(
                f"The least conditional variance under `weight` {self.weight} is below the least number of float64: "
                "`mutual_information` is exact, its rate and the denoiser cannot be had. Give a smaller weight."
            )
        return roots**2

    @property
    def mutual_information(self) -> float:
        r"""$I(X;Y)_\mathrm{CFG} = \tfrac12\log\det(PP^\top + Q\Sigma_Y Q^\top) - \log|\det P|$."""
        return float(0.5 * np.sum(np.log(self._variances)) - self._solution.log_det)

    def mutual_information_rate(self, log_snr: LogSNR) -> Values:
        r"""The gap between the exact denoisers of this law that know $y$ and that do not.

        **Raises:** `ValueError` where a conditional variance is below the least number of float64, 1e-308.
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
        key_x, key_y = jr.split(check_draws(key, num))
        y = standard_normal(key_y, (num, self.problem.dim_y)) @ np.linalg.cholesky(self.cov_y).T
        x = standard_normal(key_x, (num, self.problem.dim_x)) @ self.matrix_p.T + y @ self.gain.T
        return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)

    def denoiser(self) -> ConditionalGaussian:
        r"""The exact denoiser of this law: of $p(x|y)$ given $y$, of $p(x)$ without.

        **Raises:** `ValueError` where the active float of JAX cannot tell the conditional mean from the data: where the
            least conditional standard deviation is not well above its rounding of the largest one.
        """
        dtype = jnp.zeros(()).dtype
        share = self._residual_variances[0] / self._variances[-1]
        # A state is rounded to eps of the largest deviation; its distance from the mean has the least one.
        resolved = (100 * float(jnp.finfo(dtype).eps)) ** 2
        if share < resolved:
            raise ValueError(
                f"The least conditional variance of guided samples is {share:.3g} of their largest variance, below the "
                f"{resolved:.1g} that {dtype} resolves: a denoiser would return rounding. Enable float64 "
                "(`jax.enable_x64`) if it is not, give a smaller weight, or take `mutual_information_between`, which "
                "needs no denoiser."
            )
        law = ConditionalGaussian(cov_x=self.cov_x, gain=self.gain, cov_x_given_y=self.cov_x_given_y)
        # The covariance matrix has lost variances below 1e-16 of its largest, the singular values of P have not.
        exact = jnp.asarray(self._solution.roots**2, dtype), jnp.asarray(self._solution.axes, dtype)
        return eqx.tree_at(lambda law: (law.residual.variances, law.residual.axes), law, exact)


def _scaled_svd(matrix: np.ndarray, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The singular value decomposition of matrix · diag(scales), to a relative error in every singular value: Jacobi's,
    which unlike the usual one does not mind how far the scales are apart."""
    (jacobi,) = get_lapack_funcs(("gejsv",), (matrix,))
    # joba: columns of any scale; jobr: nothing is too small; jobt: the matrix as it is, not transposed.
    values, left, right, work, _, info = jacobi(matrix * scales, joba=0, jobr=0, jobt=1)
    if info != 0:
        raise RuntimeError(f"The singular values of the guided flow could not be had: LAPACK's gejsv returned {info}.")
    return left, values * (work[0] / work[1]), right.T
