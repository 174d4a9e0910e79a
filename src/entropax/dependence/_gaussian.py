from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float64, Real
from scipy.special import digamma

from .._arrays import check_finite, of_unit_size, plain_array, to_float64
from ..integral import Estimate
from ._ranks import without_swaps
from ._terms import mutual_information_terms, Term
from ._variables import Variables


# Eigenvalues of a correlation matrix below which float64 covariances of some thousand samples are singular.
_LEAST_EIGENVALUE = 1e-12

# The share in doubt of what ranks had taken off.
_DOUBT = 0.1


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
    both = Variables(np.concatenate([x, y], 1), (x.shape[1], y.shape[1]))
    return gaussian_part(both, mutual_information_terms(0, 1), ("x", "y"))


def gaussian_part(variables: Variables, terms: Sequence[Term], names: Sequence[str]) -> Estimate:
    r"""What second moments know of a sum of terms, with $F(S) = \tfrac12(\log\det S - b_{\lvert S\rvert})$,

    $$\hat Q = -\sum_t w_t\bigl(F(S_{A_t \cup B_t}) - F(S_{B_t})\bigr),$$

    of normal scores by their correlations without the swaps of ranks.

    **Arguments:**

    - `variables`: the samples.
    - `terms`: of a quantity whose entropies' signs cancel.
    - `names`: of the variables, for errors.

    **Returns:** and **Raises:** as [`entropax.dependence.gaussian_information`][].
    """
    num, dim = variables.values.shape
    called = " and ".join(f"`{name}`" for name in dict.fromkeys(names))
    if num < dim + 2:
        raise ValueError(f"{called} must hold more samples than columns, {dim + 2} or more; got {num}.")
    # In units of the standard deviations, which no determinant's ratio sees.
    values = (variables.values - variables.values.mean(0)) / variables.values.std(0, ddof=1)
    cov = values.T @ values / (num - 1)
    if np.linalg.eigvalsh(cov)[0] < _LEAST_EIGENVALUE:
        raise ValueError(
            f"{called} hold a column that is a linear function of others. Leave it out; where it is of another "
            "variable than they, what the variables share has no bound."
        )
    value, residuals, pointwise = 0.0, np.zeros(num), np.zeros(num)
    # The error of the value is that of the samples' covariance; what one sample tells is better told by a better one.
    shrunk, ranked = _shrunk(cov, num - 1), cov
    cov, swapped = without_swaps(values, cov, variables.ranked_columns), 0.0
    for weight, of, given in terms:
        for sign, part in ((-0.5, of + given), (0.5, given)):
            columns = variables.columns(part)
            block = np.ix_(columns, columns)
            value += weight * sign * (np.linalg.slogdet(cov[block])[1] - _shortfall(len(columns), num - 1))
            swapped += weight * sign * (np.linalg.slogdet(cov[block])[1] - np.linalg.slogdet(ranked[block])[1])
            residuals += weight * sign * _quadratic(cov[block], values[:, columns])
            pointwise += weight * sign * _quadratic(shrunk[block], values[:, columns])
    residuals -= residuals.mean()
    return Estimate(
        value=jnp.asarray(value, jnp.float32),
        stderr_data=jnp.asarray(residuals.std(ddof=1) / np.sqrt(num), jnp.float32),
        # No node has it, but neither does the spread of the samples.
        stderr_nodes=jnp.asarray(_DOUBT * abs(swapped), jnp.float32),
        pointwise=jnp.asarray(value + pointwise - pointwise.mean(), jnp.float32),
        residuals=jnp.asarray(residuals, jnp.float32),
    )


def excess_kurtosis(variables: Variables) -> float:
    r"""How far samples are from any Gaussian's, by Mardia's kurtosis $\tfrac1N\sum_i(v_i^\top S^{-1}v_i)^2$ of all
    columns together, in standard errors. Directions with less variance than one over $N$ are left out: there the
    steps of ranks are seen.

    ??? cite "Source"
        Mardia, Applications of some measures of multivariate skewness and kurtosis (1974).
    """
    values = variables.values - variables.values.mean(0)
    num = len(values)
    variances, basis = np.linalg.eigh(values.T @ values / num)
    kept = variances > 1 / num
    squares = ((values @ basis[:, kept]) ** 2 / variances[kept]).sum(1) ** 2
    dim = kept.sum()
    expected = dim * (dim + 2) * (num - 1) / (num + 1)
    spread = 8 * dim * (dim + 2) * (num - 3) * (num - dim - 1) * (num - dim + 1)
    spread /= (num + 1) ** 2 * (num + 3) * (num + 5)
    return float((squares.mean() - expected) / spread**0.5)


def _plain(values: Real[ArrayLike, "..."], name: str) -> Float64[np.ndarray, "num dim"]:
    values = to_float64(plain_array(values, name), name)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"`{name}` must have shape (num, dim); got shape {values.shape}.")
    check_finite(values, name)
    constant = (values == values[:1]).all(0)
    if constant.any():
        raise ValueError(f"`{name}` has constant columns, which tell nothing: {np.flatnonzero(constant).tolist()}.")
    # Information is the same in all units.
    return of_unit_size(values)[0]


def _quadratic(cov: Float64[np.ndarray, "dim dim"], values: Float64[np.ndarray, "num dim"]) -> np.ndarray:
    return np.einsum("ni,in->n", values, np.linalg.solve(cov, values.T))


def _shrunk(cov: Float64[np.ndarray, "dim dim"], dof: int) -> Float64[np.ndarray, "dim dim"]:
    """The covariance with each eigenvalue moved to where, of all matrices with the same eigenvectors, it is nearest to
    the truth: eigenvalues that finite samples spread fall together again. (Ledoit and Wolf, Quadratic shrinkage for
    large covariance matrices, 2022.)"""
    found, vectors = np.linalg.eigh(cov)
    share = len(cov) / dof
    width = min(share, 1 / share) ** 0.7 / len(cov) ** 0.35
    inverse = 1 / found
    apart = inverse[:, None] - inverse
    weight = inverse[:, None] / (apart**2 + (width * inverse[:, None]) ** 2)
    real, imaginary = (weight * apart).mean(0), (weight * width * inverse[:, None]).mean(0)
    moved = 1 / (inverse * ((1 - share) ** 2 + 2 * share * (1 - share) * real + share**2 * (real**2 + imaginary**2)))
    return (vectors * (moved * found.sum() / moved.sum())) @ vectors.T


def _shortfall(dim: int, dof: int) -> float:
    return digamma((dof - np.arange(dim)) / 2).sum() - dim * np.log(dof / 2)
