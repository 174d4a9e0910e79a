import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float32, Float64, PRNGKeyArray

from .._arguments import check_key
from ..denoiser import ConditionalGaussian, Gaussian
from ..process import AbstractProcess
from . import _spectra
from ._checks import check_count, check_covariance, check_draws, check_matrix, check_number, check_positive
from ._draws import standard_normal
from ._guided_gaussian import GuidedGaussian
from ._rates import DivergenceRate, LogRatioRate
from ._spectra import LogSNR, Values


# The least of the leading standard draws |N(0, 1)| of `flattened`: none of them is to
# be flat by accident.
_LEAST_DRAW = 0.05


@dataclass(frozen=True, eq=False, init=False, repr=False)
class JointGaussian:
    r"""The linear Gaussian model, the one case in which everything is known,

    $$Y = AX + \epsilon, \qquad X \sim \mathcal{N}(0, \Sigma_X), \qquad
      \epsilon \sim \mathcal{N}(0, \Sigma_\epsilon).$$

    Every number is a float64 closed form, in nats. Each quantity $Q$ comes three
    times: `Q`; `Q_rate(log_snr)`, what it gains per unit of log-SNR $\lambda$; and
    `Q_between(low, high)`, the exact integral of that rate, so that

    $$Q = \int_{-\infty}^{\infty} Q_\mathrm{rate}(\lambda)\,\mathrm{d}\lambda, \qquad
      Q_\mathrm{rate}(\lambda) = \tfrac12\mathbb{E}\|\hat\varepsilon_a(z, \lambda) -
      \hat\varepsilon_b(z, \lambda)\|^2.$$

    **Arguments:**

    - `cov_x`: $\Sigma_X$, shape `(dim_x, dim_x)`.
    - `matrix_a`: $A$, shape `(dim_y, dim_x)`.
    - `cov_noise`: $\Sigma_\epsilon$, shape `(dim_y, dim_y)`.

    **Raises:** `ValueError` where shapes do not fit or a covariance is not symmetric
    and positive definite.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Sec. 4 and Eqs. (55) to (64).
    """

    cov_x: Float64[np.ndarray, "dim_x dim_x"]
    matrix_a: Float64[np.ndarray, "dim_y dim_x"]
    cov_noise: Float64[np.ndarray, "dim_y dim_y"]

    def __init__(
        self,
        cov_x: Float[ArrayLike, "..."],
        matrix_a: Float[ArrayLike, "..."],
        cov_noise: Float[ArrayLike, "..."],
    ):
        cov_x = check_covariance(cov_x, "cov_x", None)
        matrix_a = check_matrix(matrix_a, "matrix_a", (None, len(cov_x)))
        cov_noise = check_covariance(cov_noise, "cov_noise", len(matrix_a))
        object.__setattr__(self, "cov_x", cov_x)
        object.__setattr__(self, "matrix_a", matrix_a)
        object.__setattr__(self, "cov_noise", cov_noise)

    def __repr__(self) -> str:
        return f"JointGaussian(dim_x={self.dim_x}, dim_y={self.dim_y})"

    @classmethod
    def random(
        cls,
        key: PRNGKeyArray,
        *,
        dim_x: int,
        dim_y: int,
        noise_std: float,
        jitter: float = 0.01,
    ) -> "JointGaussian":
        r"""The random model of the paper's experiments on determinism,

        $$\Sigma_X = BB^\top + jI, \qquad B_{ij} \sim \mathcal{N}(0, 1/D_X), \qquad
          A_{ij} \sim \mathcal{N}(0, 1), \qquad \Sigma_\epsilon = \sigma_\epsilon^2 I.$$

        **Arguments:**

        - `key`: the draws of $A$ and $B$; `jr.key(10)` gives the matrices of the
            paper's code at seed 10 (with `jax_threefry_partitionable`, the default).
        - `dim_x`, `dim_y`: $D_X$, $D_Y$.
        - `noise_std`: $\sigma_\epsilon$.
        - `jitter`: $j$, a floor under the eigenvalues of $\Sigma_X$.

        **Raises:** `ValueError` unless the dimensions are whole and positive, `noise_std`
        is positive, `jitter` not negative, and $\Sigma_X$ positive definite.
        """
        check_count(dim_x, "dim_x")
        check_count(dim_y, "dim_y")
        check_positive(noise_std, "noise_std")
        check_number(jitter, "jitter", 0.0)
        key_a, key_b = jr.split(check_key(key), 2)
        matrix_a = standard_normal(key_a, (dim_y, dim_x))
        root = standard_normal(key_b, (dim_x, dim_x)) / np.sqrt(dim_x)
        cov_x = root @ root.T + jitter * np.eye(dim_x)
        return cls(cov_x, matrix_a, noise_std**2 * np.eye(dim_y))

    @classmethod
    def flattened(
        cls,
        key: PRNGKeyArray,
        *,
        dim_x: int,
        dim_y: int,
        rank: int,
        flat_variance: float,
        noise_std: float,
    ) -> "JointGaussian":
        r"""The model of the paper's experiments on flattening,

        $$\Sigma_X = U\,\mathrm{diag}(l_1, \dots, l_k, \lambda_\delta, \dots,
          \lambda_\delta)\,U^\top, \qquad l_i = \max(|n_i|, 0.05)/\sqrt{k}, \qquad
          n_i \sim \mathcal{N}(0, 1),$$

        with $U$ Haar distributed, $A_{ij} \sim \mathcal{N}(0, 1)$ and $\Sigma_\epsilon
        = \sigma_\epsilon^2 I$. Two readings of the paper, which asks for $l_i \sim
        \mathcal{N}(0, 1)/\sqrt{k}$ and for $l_i > 0$: the absolute value is taken, and
        draws below 0.05 are raised to it, so that `flat_variance` alone decides what is
        flat. The paper's extra $\epsilon I$ is left out: it would hide `flat_variance`.

        The same key gives the same $U$, $l$, $A$ at every `flat_variance`.

        **Arguments:**

        - `key`: the draws of $U$, $l$ and $A$.
        - `dim_x`, `dim_y`: $D_X$, $D_Y$.
        - `rank`: $k$, the number of directions that are not flat.
        - `flat_variance`: $\lambda_\delta$; float64 resolves it down to 1e-8 with a
            relative error of 1e-8.
        - `noise_std`: $\sigma_\epsilon$.

        **Raises:** `ValueError` unless `1 <= rank <= dim_x` and `flat_variance`,
        `noise_std` are positive.

        ??? cite "Source"
            Diffusion models are Kelly gamblers, Eqs. (18) and (58).
        """
        check_count(dim_x, "dim_x")
        check_count(dim_y, "dim_y")
        check_count(rank, "rank")
        if rank > dim_x:
            raise ValueError(f"`rank` must lie in 1..dim_x = {dim_x}; got {rank}.")
        check_positive(flat_variance, "flat_variance")
        check_positive(noise_std, "noise_std")
        key_axes, key_variances, key_a = jr.split(check_key(key), 3)
        axes, triangle = np.linalg.qr(standard_normal(key_axes, (dim_x, dim_x)))
        # The signs of R's diagonal make the QR factor unique, and with it Haar.
        axes = axes * np.sign(np.diag(triangle))
        draws = np.abs(standard_normal(key_variances, (rank,)))
        variances = np.full(dim_x, flat_variance)
        variances[:rank] = np.maximum(draws, _LEAST_DRAW) / np.sqrt(rank)
        matrix_a = standard_normal(key_a, (dim_y, dim_x))
        cov_x = (axes * variances) @ axes.T
        return cls(cov_x, matrix_a, noise_std**2 * np.eye(dim_y))

    @property
    def dim_x(self) -> int:
        r"""$D_X$."""
        return self.matrix_a.shape[1]

    @property
    def dim_y(self) -> int:
        r"""$D_Y$."""
        return self.matrix_a.shape[0]

    @functools.cached_property
    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues, ascending, and eigenvectors of `cov_x`."""
        return np.linalg.eigh(self.cov_x)

    @functools.cached_property
    def _channel(self) -> tuple[np.ndarray, np.ndarray]:
        r"""The singular values $s$ of the whitened channel $\Sigma_\epsilon^{-1/2}
        A\Sigma_X^{1/2}$, and a root $F$ of $\Sigma_{X|Y} = FF^\top$.

        The root, not the covariance, because its singular values are the square roots
        of the variances: a variance of 1e-8 keeps 12 digits, not 8."""
        variances, vectors = self._axes
        root = vectors * np.sqrt(variances)
        channel = np.linalg.solve(np.linalg.cholesky(self.cov_noise), self.matrix_a @ root)
        _, gains, directions = np.linalg.svd(channel, full_matrices=True)
        shrinkage = np.ones(self.dim_x)
        shrinkage[: len(gains)] = 1 / np.hypot(1.0, gains)
        return gains, (root @ directions.T) * shrinkage

    @property
    def _variances(self) -> np.ndarray:
        return self._axes[0]

    @functools.cached_property
    def _residual_variances(self) -> np.ndarray:
        """Eigenvalues of `cov_x_given_y`, ascending."""
        return np.linalg.svd(self._channel[1], compute_uv=False)[::-1] ** 2

    @property
    def cov_y(self) -> Float64[np.ndarray, "dim_y dim_y"]:
        r"""$\Sigma_Y = A\Sigma_X A^\top + \Sigma_\epsilon$."""
        return self.matrix_a @ self.cov_x @ self.matrix_a.T + self.cov_noise

    @property
    def cov_x_given_y(self) -> Float64[np.ndarray, "dim_x dim_x"]:
        r"""$\Sigma_{X|Y} = (\Sigma_X^{-1} + A^\top\Sigma_\epsilon^{-1}A)^{-1}$."""
        root = self._channel[1]
        return root @ root.T

    @property
    def gain(self) -> Float64[np.ndarray, "dim_x dim_y"]:
        r"""$\Sigma_X A^\top\Sigma_Y^{-1}$, so that $\mathbb{E}[X|y]$ is `gain @ y`."""
        return np.linalg.solve(self.cov_y, self.matrix_a @ self.cov_x).T

    @property
    def channel_gains(self) -> Float64[np.ndarray, " directions"]:
        r"""The singular values $g_i$ of $\Sigma_\epsilon^{-1/2}A\Sigma_X^{1/2}$, descending, as many as the lesser of
        $D_X$ and $D_Y$; the canonical correlations of $X$ and $Y$ are $g_i/\sqrt{1 + g_i^2}$."""
        return self._channel[0]

    @property
    def mutual_information(self) -> float:
        r"""$I(X;Y) = \tfrac12\log\det\Sigma_X - \tfrac12\log\det\Sigma_{X|Y}$."""
        return float(0.5 * np.sum(np.log1p(self._channel[0] ** 2)))

    def mutual_information_rate(self, log_snr: LogSNR) -> Values:
        r"""The gap between the denoisers that know $y$ and that do not,
        `conditional_entropy_rate` less `total_entropy_rate`."""
        return _spectra.log_ratio_rate(log_snr, self._variances, self._residual_variances)

    def mutual_information_between(self, low: float, high: float) -> float:
        r"""$\int_\mathrm{low}^\mathrm{high}$ of `mutual_information_rate`; the ends may
        be infinite."""
        return _difference(_spectra.log_ratio, low, high, self._variances, self._residual_variances)

    def total_entropy(self, equilibrium_std: float = 1.0) -> float:
        r"""$S_\mathrm{tot}^X = \mathrm{KL}\bigl(\mathcal{N}(0, \Sigma_X)\,\|\,
        \mathcal{N}(0, \kappa^2 I)\bigr)$, $\kappa$ being `equilibrium_std`."""
        return self.total_entropy_between(-np.inf, np.inf, equilibrium_std)

    def total_entropy_rate(self, log_snr: LogSNR, equilibrium_std: float = 1.0) -> Values:
        r"""The gap between the exact and the equilibrium denoiser."""
        return _spectra.divergence_rate(log_snr, self._variances, equilibrium_std**2)

    def total_entropy_between(self, low: float, high: float, equilibrium_std: float = 1.0) -> float:
        r"""$\int_\mathrm{low}^\mathrm{high}$ of `total_entropy_rate`; the ends may be
        infinite."""
        return _difference(_spectra.divergence, low, high, self._variances, equilibrium_std**2)

    def conditional_entropy(self, equilibrium_std: float = 1.0) -> float:
        r"""$S_\mathrm{tot}^{X|Y} = \mathbb{E}_y\,\mathrm{KL}\bigl(p(x|y)\,\|\,
        \mathcal{N}(0, \kappa^2 I)\bigr) = S_\mathrm{tot}^X + I(X;Y)$."""
        return self.total_entropy(equilibrium_std) + self.mutual_information

    def conditional_entropy_rate(self, log_snr: LogSNR, equilibrium_std: float = 1.0) -> Values:
        r"""The gap between the denoiser that knows $y$ and the equilibrium one, on
        average over $y$."""
        total = self.total_entropy_rate(log_snr, equilibrium_std)
        return total + self.mutual_information_rate(log_snr)

    def conditional_entropy_between(self, low: float, high: float, equilibrium_std: float = 1.0) -> float:
        r"""$\int_\mathrm{low}^\mathrm{high}$ of `conditional_entropy_rate`; the ends
        may be infinite."""
        total = self.total_entropy_between(low, high, equilibrium_std)
        return total + self.mutual_information_between(low, high)

    @property
    def total_correlation(self) -> float:
        r"""$\mathrm{TC}(X) = \mathrm{KL}(p\,\|\,\prod_i p_i) = \tfrac12\sum_i
        \log(\Sigma_X)_{ii} - \tfrac12\log\det\Sigma_X$."""
        return self.total_correlation_between(-np.inf, np.inf)

    def total_correlation_rate(self, log_snr: LogSNR) -> Values:
        r"""The gap between the exact denoiser and that of the product of the marginals,
        under the data,

        $$\tfrac12\bar a\,\bigl(\mathrm{tr}(a\Sigma_X + \bar a I)^{-1} -
          \mathrm{tr}(a\,\mathrm{diag}\,\Sigma_X + \bar a I)^{-1}\bigr), \qquad
          a = \mathrm{sigmoid}(\lambda), \quad \bar a = 1 - a.$$
        """
        return _spectra.equal_trace_rate(log_snr, np.diag(self.cov_x), self._variances)

    def total_correlation_between(self, low: float, high: float) -> float:
        r"""$\int_\mathrm{low}^\mathrm{high}$ of `total_correlation_rate`; the ends may
        be infinite."""
        return _difference(_spectra.log_ratio, low, high, np.diag(self.cov_x), self._variances)

    @property
    def negentropy(self) -> float:
        r"""$\mathrm{KL}$ to the Gaussian of the same moments: zero."""
        return 0.0

    def sample(self, key: PRNGKeyArray, num: int) -> tuple[Float32[Array, "num dim_x"], Float32[Array, "num dim_y"]]:
        r"""Independent pairs $(x, y)$.

        The draws are float32, what is made of them float64 on the host: a matrix
        product at the default precision of an accelerator would bury a flat direction.

        **Arguments:**

        - `key`: the draws.
        - `num`: how many pairs.

        **Returns:** `x`, `y`, shapes `(num, dim_x)` and `(num, dim_y)`.
        """
        key_x, key_noise = jr.split(check_draws(key, num))
        variances, vectors = self._axes
        x = standard_normal(key_x, (num, self.dim_x)) @ (vectors * np.sqrt(variances)).T
        noise = standard_normal(key_noise, (num, self.dim_y))
        y = x @ self.matrix_a.T + noise @ np.linalg.cholesky(self.cov_noise).T
        return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)

    def denoiser(self) -> ConditionalGaussian:
        r"""The exact denoiser: of $p(x|y)$ given $y$, of $p(x)$ without."""
        return ConditionalGaussian(cov_x=self.cov_x, gain=self.gain, cov_x_given_y=self.cov_x_given_y)

    def controls(self) -> tuple[DivergenceRate, LogRatioRate, LogRatioRate]:
        r"""The rates of total entropy, mutual information and total correlation as functions of a traced $\lambda$, for
        [`entropax.Controlled`][]."""
        variances, residual = jnp.asarray(self._variances), jnp.asarray(self._residual_variances)
        diagonal = jnp.asarray(np.diag(self.cov_x))
        return (
            DivergenceRate(variances, 1.0),
            LogRatioRate(variances, residual),
            LogRatioRate(diagonal, variances),
        )

    def guided(self, process: AbstractProcess, weight: float | Callable[[Array], ArrayLike]) -> GuidedGaussian:
        r"""The exact law of what classifier-free guidance samples, [`entropax.data.GuidedGaussian`][].

        **Arguments:**

        - `process`: at whose $\lambda(T)$ the noise begins.
        - `weight`: $w$ of [`entropax.Guided`][], a number or a function of $\lambda$.

        **Raises:** `ValueError` for weights that are not finite.
        """
        return GuidedGaussian(self, float(process.log_snr(jnp.asarray(process.T))), weight)

    def marginals(self) -> Gaussian:
        r"""The exact denoiser of the product of the marginals, $\prod_i p(x_i)$."""
        return Gaussian(np.zeros(self.dim_x), np.diag(np.diag(self.cov_x)))


def _difference(function, low: float, high: float, *spectra) -> float:
    return float(function(high, *spectra) - function(low, *spectra))
