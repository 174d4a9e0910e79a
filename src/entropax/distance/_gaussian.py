import numpy as np
from jaxtyping import ArrayLike, Float, Float64
from scipy.linalg import eigh

from ._checks import check_pair, check_samples


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
    apart, (cov_a, cov_b) = _pair(mean_a, cov_a, mean_b, cov_b)
    for cov, name in ((cov_a, "cov_a"), (cov_b, "cov_b")):
        values, _ = _axes(cov, name)
        # What float64 cannot tell from zero.
        if values[0] <= len(values) * np.finfo(np.float64).eps * values[-1]:
            raise ValueError(f"`{name}` must be positive definite; its smallest eigenvalue is {values[0]:.3g}.")
    ratios = eigh(cov_a, cov_b, eigvals_only=True)
    return float(0.5 * (np.sum(ratios - 1 - np.log(ratios)) + apart @ np.linalg.solve(cov_b, apart)))


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
    apart, covs = _pair(mean_a, cov_a, mean_b, cov_b)
    one, two = map(_root, covs, ("cov_a", "cov_b"))
    left, _, right = np.linalg.svd(two.T @ one)
    return float(np.hypot(np.linalg.norm(apart), np.linalg.norm(one - two @ left @ right)))


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
    rows_x, rows_y = check_pair(x, y)
    return gaussian_w2(*moments(rows_x), *moments(rows_y)) ** 2


def _pair(mean_a, cov_a, mean_b, cov_b) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """How far means are apart, and the covariances."""
    means = _finite(mean_a, "mean_a", (-1,)), _finite(mean_b, "mean_b", (np.size(mean_a),))
    shape = 2 * (len(means[0]),)
    return means[0] - means[1], (_finite(cov_a, "cov_a", shape), _finite(cov_b, "cov_b", shape))


def _finite(value, name: str, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(value, np.float64)
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
