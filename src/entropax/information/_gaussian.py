import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Real
from scipy.special import digamma

from ..integral import Estimate


# Eigenvalues of a correlation matrix below which float64 covariances of some thousand samples are singular.
_LEAST_EIGENVALUE = 1e-12


def gaussian_information(x: Real[ArrayLike, " num dim_x"], y: Real[ArrayLike, " num_y dim_y"]) -> Estimate:
    r"""What second moments know of mutual information: $I(X;Y)$ of Gaussians with the covariance $S$ of the samples,

    $$\hat I = \tfrac12\log\frac{\det S_X \det S_Y}{\det S} - \tfrac12(b_{d_x} + b_{d_y} - b_{d_x + d_y}), \qquad
      b_d = \sum_{i=0}^{d-1} \psi\bigl(\tfrac{\nu - i}{2}\bigr) - d\log\tfrac\nu2, \quad \nu = N - 1.$$

    $b_d$ is by how much the log-determinant of a Wishart matrix falls short on average: of Gaussian samples $\hat I$ is
    unbiased, at any number of them. After [`entropax.data.rank_gaussianise`][] it is that of the Gaussian copula. Of
    other samples it may lie on either side of the information.

    **Arguments:**

    - `x`: shape `(num, dim_x)`.
    - `y`: shape `(num, dim_y)`.

    **Returns:** the estimate in nats, with the logarithm of the ratio of densities of each sample in `pointwise`.

    **Raises:** `ValueError` where there are no more samples than columns, or a column is a linear function of others,
        of which covariances have no inverse and information no bound.

    ??? cite "Source"
        Misra, Singh and Demchuk, Estimation of the entropy of a multivariate normal distribution (2005).
    """
    x, y = _plain(x, "x"), _plain(y, "y")
    if len(x) != len(y):
        raise ValueError(f"`y` must hold as many samples as `x`, {len(x)}; got {len(y)}.")
    (num, dim_x), dim = x.shape, x.shape[1] + y.shape[1]
    if num < dim + 2:
        raise ValueError(f"`x` and `y` must hold more samples than columns, {dim + 2} or more; got {num}.")
    both = np.concatenate([x, y], 1)
    # In units of the standard deviations, which no determinant's ratio sees.
    both = (both - both.mean(0)) / both.std(0, ddof=1)
    cov = both.T @ both / (num - 1)
    if np.linalg.eigvalsh(cov)[0] < _LEAST_EIGENVALUE:
        raise ValueError(
            "`x` and `y` hold a column that is a linear function of others. Leave it out; where one of `y` is a "
            "function of `x`, their mutual information has no bound."
        )
    parts = [(slice(None, dim_x), 1), (slice(dim_x, None), 1), (slice(None), -1)]
    value = sum(sign * 0.5 * (_log_det(cov[part, part]) - _shortfall(len(cov[part]), num - 1)) for part, sign in parts)
    quadratic = lambda part: np.einsum("ni,ni->n", both[:, part], np.linalg.solve(cov[part, part], both[:, part].T).T)
    residuals = np.sum([sign * 0.5 * quadratic(part) for part, sign in parts], 0)
    return Estimate(
        value=jnp.asarray(value, jnp.float32),
        stderr_data=jnp.asarray(residuals.std(ddof=1) / np.sqrt(num), jnp.float32),
        stderr_nodes=jnp.zeros((), jnp.float32),
        pointwise=jnp.asarray(value + residuals, jnp.float32),
        residuals=jnp.asarray(residuals, jnp.float32),
    )


def _plain(values, name):
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite, of shape (num, dim); got shape {values.shape}.")
    constant = np.ptp(values, axis=0) == 0
    if constant.any():
        raise ValueError(f"`{name}` has constant columns, which tell nothing: {np.flatnonzero(constant).tolist()}.")
    return values


def _log_det(matrix):
    return np.linalg.slogdet(matrix)[1]


def _shortfall(dim, dof):
    return digamma((dof - np.arange(dim)) / 2).sum() - dim * np.log(dof / 2)
