import math

import numpy as np
from jaxtyping import ArrayLike, Float, Float64
from scipy.linalg import eigh

from .._arrays import as_float64
from ._checks import check_pair, check_samples, in_units, unit_of


# Rounding in float32 makes a covariance asymmetric, or a variance negative, by so much.
_ROUNDING = 1e-6


def gaussian_kl(
    mean_a: Float[ArrayLike, "..."],
    cov_a: Float[ArrayLike, "..."],
    mean_b: Float[ArrayLike, "..."],
    cov_b: Float[ArrayLike, "..."],
) -> float:
    r"""The Kullback-Leibler divergence of one Gaussian from another,

    $$\mathrm{KL}(a\,\|\,b) = \tfrac12 \Bigl[\sum_k (r_k - 1 - \log r_k)
      + (m_a - m_b)^\top C_b^{-1} (m_a - m_b)\Bigr],$$

    in float64, where $r_k$ are the eigenvalues of $C_b^{-1} C_a$: term by term positive, so that small divergences are
    right too.

    **Arguments:**

    - `mean_a`, `mean_b`: shape `(dim,)`.
    - `cov_a`, `cov_b`: shape `(dim, dim)`, positive definite.

    **Returns:** the divergence in nats.

    **Raises:** `ValueError` where shapes do not fit, an entry is not finite, or a covariance is not one or is singular:
    the divergence is infinite.
    """
    mean_a, cov_a, mean_b, cov_b = _checked(mean_a, cov_a, mean_b, cov_b)
    for cov, name in ((cov_a, "cov_a"), (cov_b, "cov_b")):
        _axes(cov, name)
        # The units of the coordinates do not make a covariance singular.
        values, _ = _axes(_per_unit(cov, _units(cov)), name)
        # What float64 cannot distinguish from zero.
        if values[0] <= len(values) * np.finfo(np.float64).eps * values[-1]:
            raise ValueError(f"`{name}` must be positive definite; its smallest eigenvalue is {values[0]:.3g}.")
    units = _units(cov_b)
    with np.errstate(over="ignore", invalid="ignore"):
        apart, cov_a, cov_b = mean_a / units - mean_b / units, _per_unit(cov_a, units), _per_unit(cov_b, units)
        found = math.inf
        if np.isfinite(apart).all() and np.isfinite(cov_a).all():
            ratios = eigh(cov_a, cov_b, eigvals_only=True)
            found = float(0.5 * (np.sum(ratios - 1 - np.log(ratios)) + apart @ np.linalg.solve(cov_b, apart)))
    if not math.isfinite(found):
        raise ValueError(
            "`mean_a`, `cov_a` and `mean_b`, in units of `cov_b`, give a divergence that float64 does not hold."
        )
    return found


def gaussian_w2(
    mean_a: Float[ArrayLike, "..."],
    cov_a: Float[ArrayLike, "..."],
    mean_b: Float[ArrayLike, "..."],
    cov_b: Float[ArrayLike, "..."],
) -> float:
    r"""The 2-Wasserstein distance between two Gaussians, by the Bures metric of their covariances,

    $$W_2^2 = \|m_a - m_b\|^2 + \mathrm{tr}\Bigl(C_a + C_b - 2\,(C_a^{1/2} C_b C_a^{1/2})^{1/2}\Bigr)
      = \|m_a - m_b\|^2 + \min_{U^\top U = I} \|C_a^{1/2} - C_b^{1/2} U\|^2,$$

    in float64. The second form is what is computed: it does not cancel, so that small distances are right too, and no
    covariance is inverted. Between moments of samples,

        gaussian_w2(*moments(x), *moments(y))      # two samples: the root of frechet_distance(x, y)
        gaussian_w2(*moments(x), law.mean, law.cov)

    **Arguments:**

    - `mean_a`, `mean_b`: shape `(dim,)`.
    - `cov_a`, `cov_b`: shape `(dim, dim)`, positive semi-definite: they may be singular.

    **Returns:** $W_2$, in the unit of the means.

    **Raises:** `ValueError` where shapes do not fit, an entry is not finite, or a covariance is not one.

    ??? cite "Source"
        Dowson & Landau, The Fréchet distance between multivariate normal distributions (1982); Bhatia, Jain & Lim, On
        the Bures-Wasserstein distance between positive definite matrices (2019), for the second form.
    """
    mean_a, cov_a, mean_b, cov_b = _checked(mean_a, cov_a, mean_b, cov_b)
    # In a unit in which nothing overflows or underflows.
    first = unit_of(mean_a, mean_b)
    apart = mean_a / first - mean_b / first
    sizes = first * np.abs(apart).max(), np.sqrt(max(np.abs(cov_a).max(), np.abs(cov_b).max()))
    scale = unit_of(np.array(sizes))
    apart = apart * (first / scale)
    one, two = _root(cov_a / scale / scale, "cov_a"), _root(cov_b / scale / scale, "cov_b")
    left, _, right = np.linalg.svd(two.T @ one)
    distance = float(np.hypot(np.linalg.norm(apart), np.linalg.norm(one - two @ left @ right)))
    return in_units(distance, scale, 1, "The distance by `mean_a`, `cov_a`, `mean_b` and `cov_b`")


def moments(
    x: Float[ArrayLike, " batch *shape"],
) -> tuple[Float64[np.ndarray, " dim"], Float64[np.ndarray, "dim dim"]]:
    r"""The mean and the covariance (with $n - 1$) of samples, in float64.

    **Arguments:**

    - `x`: the samples, whose coordinates are taken as one vector.

    **Returns:** the mean, shape `(dim,)`, and the covariance, shape `(dim, dim)`.

    **Raises:** `ValueError` where `x` holds fewer than 2 samples or is not finite.
    """
    rows = check_samples(x, "x")
    unit = unit_of(rows)
    mean, cov = _moments(rows / unit)
    return unit * mean, in_units(cov, unit, 2, "The covariance of `x`")


def _moments(rows: Float64[np.ndarray, "n dim"]) -> tuple[np.ndarray, np.ndarray]:
    return rows.mean(0), np.cov(rows, rowvar=False).reshape(rows.shape[1], rows.shape[1])


def frechet_distance(x: Float[ArrayLike, " batch *shape"], y: Float[ArrayLike, " other *_shape"]) -> float:
    r"""The Fréchet distance between two samples, $W_2^2$ between the Gaussians that have their moments,

    $$d^2 = \|m_x - m_y\|^2 + \mathrm{tr}\Bigl(C_x + C_y - 2\,(C_x^{1/2} C_y C_x^{1/2})^{1/2}\Bigr),$$

    a square, as FID is; of features of an encoder it is that encoder's Fréchet distance. It sees two moments only, and
    has a bias that falls as $1/n$: read it beside its floor ([`entropax.distance.with_floor`][]), at one $n$.

    **Arguments:**

    - `x`, `y`: the samples.

    **Returns:** $d^2$, in the squared unit of `x`.

    **Raises:** `ValueError` where either holds fewer than 2 samples, they are of different shapes, or not finite.

    ??? cite "Source"
        Dowson & Landau, The Fréchet distance between multivariate normal distributions (1982); Heusel et al., GANs
        trained by a two time-scale update rule converge to a local Nash equilibrium (2017), for its use.
    """
    rows_x, rows_y, scale = check_pair(x, y)
    distance = gaussian_w2(*_moments(rows_x), *_moments(rows_y))
    return in_units(distance**2, scale, 2, "The squared distance between `x` and `y`")


def _checked(mean_a, cov_a, mean_b, cov_b) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    means = _finite(mean_a, "mean_a", (-1,)), _finite(mean_b, "mean_b", (np.size(mean_a),))
    shape = 2 * (len(means[0]),)
    return means[0], _finite(cov_a, "cov_a", shape), means[1], _finite(cov_b, "cov_b", shape)


def _units(cov: np.ndarray) -> np.ndarray:
    """Powers of two near the standard deviations."""
    return np.array([unit_of(deviation) for deviation in np.sqrt(np.abs(np.diag(cov)))[:, None]])


def _per_unit(cov: np.ndarray, units: np.ndarray) -> np.ndarray:
    return cov / units / units[:, None]


def _finite(value, name: str, shape: tuple[int, ...]) -> np.ndarray:
    array = as_float64(value, name)
    fits = array.ndim == len(shape) and all(want in (-1, size) for want, size in zip(shape, array.shape))
    if not fits or not array.size:
        wanted = "(dim,)" if shape == (-1,) else str(shape)
        raise ValueError(f"`{name}` must have shape {wanted}; got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite; it holds NaN or infinity.")
    return array


def _axes(cov: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    asymmetry = np.abs(cov - cov.T).max()
    if asymmetry > _ROUNDING * np.abs(cov).max():
        raise ValueError(f"`{name}` must be symmetric; it differs from its transpose by up to {asymmetry:.3g}.")
    values, vectors = np.linalg.eigh(0.5 * (cov + cov.T))
    if values[0] < -_ROUNDING * np.abs(values).max():
        raise ValueError(f"`{name}` must be positive semi-definite; its smallest eigenvalue is {values[0]:.3g}.")
    return values, vectors


def _root(cov: np.ndarray, name: str) -> np.ndarray:
    values, vectors = _axes(cov, name)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
