from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float64, Real
from scipy.special import digamma

from ..integral import Estimate
from ._terms import mutual_information_terms, Term
from ._variables import Variables


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
    both = Variables(np.concatenate([x, y], 1), (x.shape[1], y.shape[1]))
    return gaussian_part(both, mutual_information_terms(0, 1), ("x", "y"))


def gaussian_part(variables: Variables, terms: Sequence[Term], names: Sequence[str]) -> Estimate:
    r"""What second moments know of a sum of terms, with $F(S) = \tfrac12(\log\det S - b_{\lvert S\rvert})$,

    $$\hat Q = -\sum_t w_t\bigl(F(S_{A_t \cup B_t}) - F(S_{B_t})\bigr).$$

    **Arguments:**

    - `variables`: the samples.
    - `terms`: of a quantity whose entropies' signs cancel.
    - `names`: of the variables, for errors.

    **Returns:** and **Raises:** as [`entropax.dependence.gaussian_information`][].
    """
    num, dim = variables.values.shape
    called = " and ".join(f"`{name}`" for name in names)
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
    value, residuals = 0.0, np.zeros(num)
    for weight, of, given in terms:
        for sign, part in ((-0.5, of + given), (0.5, given)):
            columns = variables.columns(part)
            block = cov[np.ix_(columns, columns)]
            value += weight * sign * (np.linalg.slogdet(block)[1] - _shortfall(len(columns), num - 1))
            quadratic = np.einsum("ni,in->n", values[:, columns], np.linalg.solve(block, values[:, columns].T))
            residuals += weight * sign * quadratic
    residuals -= residuals.mean()
    return Estimate(
        value=jnp.asarray(value, jnp.float32),
        stderr_data=jnp.asarray(residuals.std(ddof=1) / np.sqrt(num), jnp.float32),
        stderr_nodes=jnp.zeros((), jnp.float32),
        pointwise=jnp.asarray(value + residuals, jnp.float32),
        residuals=jnp.asarray(residuals, jnp.float32),
    )


def _plain(values: Real[ArrayLike, "..."], name: str) -> Float64[np.ndarray, "num dim"]:
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite, of shape (num, dim); got shape {values.shape}.")
    constant = np.ptp(values, axis=0) == 0
    if constant.any():
        raise ValueError(f"`{name}` has constant columns, which tell nothing: {np.flatnonzero(constant).tolist()}.")
    return values


def _shortfall(dim: int, dof: int) -> float:
    return digamma((dof - np.arange(dim)) / 2).sum() - dim * np.log(dof / 2)
