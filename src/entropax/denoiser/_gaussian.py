import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._arguments import check_positive
from .._arrays import as_floats, as_known, check_spread, rounded
from .._conditions import check_vector
from ._base import AbstractDenoiser, check_state, noise, signal


def _matvec(matrix, vector):
    # An exact denoiser is compared with closed forms: no TF32, no bf16 passes, on any device.
    return jnp.matmul(matrix, vector, precision="highest")


def as_table(x: ArrayLike, name: str) -> Float[np.ndarray, "batch dim"]:
    """Samples as rows in float64.

    **Raises:** `ValueError` where they are not finite, of another shape, fewer than two, or traced, and where JAX
        cannot hold their variances.
    """
    table = as_known(x, name)
    if table.ndim != 2 or len(table) < 2 or not table.size:
        raise ValueError(f"`{name}` must have shape (batch, dim) with at least two samples; got {table.shape}.")
    check_spread(table, name)
    return table


def _principal_axes(cov, name: str) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of a covariance, decided in float64."""
    matrix = as_known(cov, name)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"`{name}` must be a square matrix; got shape {matrix.shape}.")
    if not np.allclose(matrix, matrix.T, rtol=1e-5, atol=1e-8 * max(np.abs(matrix).max(), 1e-30)):
        raise ValueError(
            f"`{name}` must be symmetric; it differs from its transpose by up to {np.abs(matrix - matrix.T).max():.3g}."
        )
    values, vectors = np.linalg.eigh(matrix)
    if values.min() < -1e-6 * max(values.max(), 1e-30):
        raise ValueError(f"`{name}` must be positive semi-definite; its least eigenvalue is {values.min():.3g}.")
    # Less than the rounding of the largest is a zero, and JAX takes what its precision has no normal number for as one.
    tiny = np.finfo(jax.dtypes.canonicalize_dtype(np.float64)).tiny
    lost = (values > _rounding_of_zero(values)) & (values < tiny)
    if lost.any():
        raise ValueError(
            f"`{name}` must have variances within the range of the precision of JAX, or zero; its eigenvalue "
            f"{values[lost][0]:.3g} would be zero. Use other units of the data."
        )
    variances = rounded(np.maximum(values, 0.0), name)
    return jnp.asarray(variances), jnp.asarray(vectors, variances.dtype)


def _rounding_of_zero(variances):
    """What float64 leaves of an eigenvalue zero."""
    return variances.size * np.finfo(np.float64).eps * variances.max()


def _check_regular(variances):
    if isinstance(variances, Tracer):
        return
    values = np.asarray(variances, np.float64)
    if values.min() <= _rounding_of_zero(values):
        raise ValueError(
            f"`cov` must be positive definite for a density; its least eigenvalue is {values.min():.3g}, its largest "
            f"{values.max():.3g}. Give more samples than dimensions, leave out constant columns, or add a small "
            "multiple of the identity."
        )


def _optimal(z, log_snr, mean, variances, axes):
    r"""$\sqrt{\bar a}\,(aC + \bar a I)^{-1}(z - \sqrt a\,m)$ in the principal axes of $C$, with $a =
    \mathrm{sigmoid}(\lambda)$, $\bar a = 1 - a$."""
    check_state(z, mean.shape)
    gains = noise(log_snr) / (jax.nn.sigmoid(log_snr) * variances + jax.nn.sigmoid(-log_snr))
    return _matvec(axes, gains * _matvec(axes.T, z - signal(log_snr) * mean))


def _dimension(x, mean, variances, axes):
    """How many variances are positive, or infinite where `x` lies off the plane that a singular covariance leaves."""
    # The same rounding of a zero as in `_check_regular`, and that of the samples.
    singular = variances <= variances.size * np.finfo(np.float64).eps * jnp.max(variances)
    rounding = 32 * jnp.finfo(x.dtype).eps * jnp.sqrt(jnp.sum(x**2) + jnp.sum(mean**2))
    off = singular & (jnp.abs(_matvec(axes.T, x - mean)) > rounding)
    return jnp.where(jnp.any(off), jnp.inf, jnp.sum(~singular).astype(x.dtype))


class Equilibrium(AbstractDenoiser):
    r"""The optimal denoiser of the equilibrium $\mathcal{N}(0, \kappa^2 I)$,

    $$\hat\varepsilon_\mathrm{eq}(z, \lambda) = \frac{\sqrt{\mathrm{sigmoid}(-\lambda)}}
      {\kappa^2\,\mathrm{sigmoid}(\lambda) + \mathrm{sigmoid}(-\lambda)}\,z.$$

    **Arguments:**

    - `std`: $\kappa$.

    **Raises:** `ValueError` unless `std` is one positive number.
    """

    std: float | Float[Array, ""] = 1.0

    def __check_init__(self):
        check_positive(std=self.std)

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        del y
        variance = self.std**2 * jax.nn.sigmoid(log_snr) + jax.nn.sigmoid(-log_snr)
        return (noise(log_snr) / variance) * z

    def dimension(self, x: Float[Array, "*shape"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        return jnp.asarray(x.size, x.dtype)

    def log_density(self, x: Float[Array, "*shape"]) -> Float[Array, ""]:
        r"""$\log p(x) = -\tfrac12\sum_k (x_k/\kappa)^2 - d\log\kappa - \tfrac d2\log 2\pi$ in nats, of one sample."""
        log_std = jnp.log(jnp.asarray(self.std, x.dtype))
        return -jnp.sum(0.5 * (x / self.std) ** 2 + log_std + 0.5 * math.log(2 * math.pi))


class Gaussian(AbstractDenoiser):
    r"""The optimal denoiser of $\mathcal{N}(m, C)$: with $a = \mathrm{sigmoid}(\lambda)$,

    $$\hat\varepsilon(z, \lambda) = \sqrt{1-a}\,\bigl(aC + (1-a)I\bigr)^{-1}(z - \sqrt{a}\,m).$$

    **Arguments:**

    - `mean`: $m$, shape `(dim,)`.
    - `cov`: $C$, shape `(dim, dim)`; diagonalised once, in float64.

    **Raises:** `ValueError` where `cov` is not a covariance, has a variance beyond the range of JAX's precision, or
    does not fit `mean`.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (64b).
    """

    mean: Float[Array, " dim"]
    variances: Float[Array, " dim"]
    axes: Float[Array, "dim dim"]

    def __init__(self, mean: Float[ArrayLike, " dim"], cov: Float[ArrayLike, "dim dim"]):
        self.variances, self.axes = _principal_axes(cov, "cov")
        self.mean = as_floats(mean, "mean").astype(self.variances.dtype)
        if self.mean.shape != self.variances.shape:
            raise ValueError(f"`mean` must have shape {self.variances.shape}, as `cov` says; got {self.mean.shape}.")

    @classmethod
    def fit(cls, x: Float[ArrayLike, "batch dim"]) -> "Gaussian":
        """The Gaussian with the mean and the covariance of the samples `x`.

        **Raises:** `ValueError` where `x` is no table of finite numbers with two rows or more, in units in which JAX
            can hold their variances.
        """
        x = as_table(x, "x")
        return cls(x.mean(0), np.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1]))

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def __call__(
        self, z: Float[Array, " dim"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, " dim"]:
        del y
        return _optimal(z, log_snr, self.mean, self.variances, self.axes)

    def dimension(self, x: Float[Array, " dim"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        return _dimension(x, self.mean, self.variances, self.axes)

    def log_density(self, x: Float[Array, " dim"]) -> Float[Array, ""]:
        r"""$\log p(x) = -\tfrac12\sum_k\bigl(u_k^2/v_k + \log v_k + \log 2\pi\bigr)$ in nats, of one sample, with $u$
        the coordinates of $x - m$ along the principal axes and $v$ the variances there.

        **Raises:** `ValueError` where `x` is no vector of the length of `mean`, or `cov` is singular.
        """
        if x.shape != self.mean.shape:
            raise ValueError(f"`x` must have the shape of `mean`, {self.mean.shape}; got {x.shape}.")
        _check_regular(self.variances)
        u = _matvec(self.axes.T, x - self.mean)
        # u²/v as (u/√v)²: the square of a small u alone would underflow.
        terms = (u * jax.lax.rsqrt(self.variances)) ** 2 + jnp.log(self.variances) + math.log(2 * math.pi)
        return -0.5 * jnp.sum(terms)


class ConditionalGaussian(AbstractDenoiser):
    r"""The optimal denoiser of jointly Gaussian $(X, Y)$. With $y$ it is that of $\mathcal{N}(m_x + G(y - m_y),
    \Sigma_{X|Y})$, without, that of $\mathcal{N}(m_x, \Sigma_X)$.

    **Arguments:**

    - `cov_x`: $\Sigma_X$, shape `(dim, dim)`.
    - `gain`: the regression matrix $G = \Sigma_{XY}\Sigma_Y^{-1}$, shape `(dim, dim_y)`.
    - `cov_x_given_y`: $\Sigma_{X|Y}$, shape `(dim, dim)`.
    - `mean_x`, `mean_y`: the means; zero where they are not given.

    **Raises:** `ValueError` where a covariance is not one, or the shapes do not fit.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (59) to (64).
    """

    marginal: Gaussian
    residual: Gaussian
    gain: Float[Array, "dim dim_y"]
    mean_y: Float[Array, " dim_y"]

    def __init__(
        self,
        *,
        cov_x: Float[ArrayLike, "dim dim"],
        gain: Float[ArrayLike, "dim dim_y"],
        cov_x_given_y: Float[ArrayLike, "dim dim"],
        mean_x: Float[ArrayLike, " dim"] | None = None,
        mean_y: Float[ArrayLike, " dim_y"] | None = None,
    ):
        gain = as_floats(gain, "gain")
        shapes = np.shape(cov_x), np.shape(cov_x_given_y)
        if gain.ndim != 2 or not gain.size or any(shape != gain.shape[:1] * 2 for shape in shapes):
            raise ValueError(
                "`cov_x`, `gain`, `cov_x_given_y` must have shapes (dim, dim), (dim, dim_y), (dim, dim); got "
                f"{shapes[0]}, {gain.shape}, {shapes[1]}."
            )
        dim, dim_y = gain.shape
        mean_y = np.zeros(dim_y) if mean_y is None else as_floats(mean_y, "mean_y")
        if mean_y.shape != (dim_y,):
            raise ValueError(f"`mean_y` must have shape {(dim_y,)}, as `gain` says; got {mean_y.shape}.")
        mean_x = np.zeros(dim) if mean_x is None else mean_x
        self.marginal = Gaussian(mean_x, cov_x)
        self.residual = Gaussian(mean_x, cov_x_given_y)
        dtype = self.marginal.mean.dtype
        self.gain, self.mean_y = jnp.asarray(gain, dtype), jnp.asarray(mean_y, dtype)

    @classmethod
    def fit(cls, x: Float[ArrayLike, "batch dim"], y: Float[ArrayLike, "batch dim_y"]) -> "ConditionalGaussian":
        """The jointly Gaussian distribution with the first two moments of the samples `x`, `y`.

        **Raises:** `ValueError` where they are no tables of finite numbers with equally many rows, two or more, in
            units in which JAX can hold their variances.
        """
        x, y = as_table(x, "x"), as_table(y, "y")
        if len(x) != len(y):
            raise ValueError(f"`y` must hold as many samples as `x`, {len(x)}; got {len(y)}.")
        cov = np.cov(np.concatenate([x, y], 1), rowvar=False)
        dim = x.shape[1]
        cov_x, cov_xy, cov_y = cov[:dim, :dim], cov[:dim, dim:], cov[dim:, dim:]
        gain = np.linalg.lstsq(cov_y, cov_xy.T, rcond=None)[0].T
        residual = x - x.mean(0) - (y - y.mean(0)) @ gain.T
        cov_x_given_y = np.cov(residual, rowvar=False).reshape(dim, dim)
        # Where y decides x, what rounding leaves may be too small for JAX.
        if cov_x_given_y.max() < np.finfo(jax.dtypes.canonicalize_dtype(np.float64)).tiny:
            cov_x_given_y = np.zeros((dim, dim))
        return cls(
            cov_x=cov_x,
            gain=gain,
            cov_x_given_y=cov_x_given_y,
            mean_x=x.mean(0),
            mean_y=y.mean(0),
        )

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def __call__(
        self, z: Float[Array, " dim"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, " dim"]:
        if y is None:
            return self.marginal(z, log_snr)
        # Before the shift, which has the right shape.
        check_state(z, self.residual.mean.shape)
        shift = _matvec(self.gain, check_vector(y, self.mean_y.shape, self.mean_y.dtype) - self.mean_y)
        return self.residual(z - signal(log_snr) * shift, log_snr)

    def dimension(self, x: Float[Array, " dim"], y: PyTree | None = None) -> Float[Array, ""]:
        if y is None:
            return self.marginal.dimension(x)
        return self.residual.dimension(x - _matvec(self.gain, y - self.mean_y))


def stack_axes(covs: Float[ArrayLike, "components dim dim"]) -> tuple[Array, Array]:
    """Principal axes of several covariances, each decided in float64."""
    axes = [_principal_axes(cov, f"covs[{k}]") for k, cov in enumerate(as_known(covs, "covs"))]
    return jnp.stack([values for values, _ in axes]), jnp.stack([vectors for _, vectors in axes])


# The optimal prediction of every component of a mixture at once.
optimal_by_component = eqx.filter_vmap(_optimal, in_axes=(None, None, 0, 0, 0))

# The dimension of every component at one value.
dimension_by_component = jax.vmap(_dimension, (None, 0, 0, 0))
