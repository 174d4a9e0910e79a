"""What second moments tell: of the quantity, and of each conditional distribution in canonical coordinates."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Float64, Real
from scipy.special import digamma, ndtri, polygamma

from .._arrays import of_unit_size
from ..data import check_samples
from ..integral import Estimate
from ._variables import mutual_information_terms, STEPS, Term, Variables


# Newton's steps towards an angle; from above they converge without overshooting.
_ITERATIONS = 12

# Below how many times c, where swaps have a fifth of what two columns differ by, their angle is told by samples up to
# this score alone: swaps in the tails are few, and each of them counts for much.
_NEAR, _CENTRAL = 10.0, 2.0


def without_swaps(
    values: Float64[np.ndarray, "num dim"],
    correlations: Float64[np.ndarray, "dim dim"],
    ranked: Bool[np.ndarray, " dim"],
) -> Float64[np.ndarray, "dim dim"]:
    r"""Correlations of normal scores, corrected for the swaps of the ranks of $N$ samples.

    The ranks of two columns that nearly agree swap neighbours: the two ranks of a sample differ by the number of
    samples in between, which has a Poisson distribution. With $\rho = \cos\theta$ for the correlation of a Gaussian's
    columns, small $\theta$ and $\Delta = 1 / N\varphi$ for the step from one score to the next,

    $$\tfrac12\,\mathbb E(x - y)^2 = \tfrac12\theta^2 + \frac\theta{\sqrt\pi}\,\mathbb E\,\Delta$$

    to the first order in $1/N$: at $1 - \rho^2 = 5\cdot10^{-7}$ and 10 000 samples the second is as large as the first.
    Over all samples $\mathbb E\,\Delta$ is the range of scores over $N$, and of columns that are not so near
    $\mathbb E\,xy = \cos\theta - c\,\cos^2\theta\,\sin\theta$ with $c = \mathbb E\,\Delta/\sqrt\pi$. (There it is a
    small part of the error, and $\cos^2\theta$ is read off simulations.)

    **Arguments:**

    - `values`: the columns, of unit variance.
    - `correlations`: of all of them.
    - `ranked`: which of them are normal scores.

    **Returns:** the correlations $\cos\theta$ of all pairs of scores; all as they were where no covariance has these.
    """
    num = len(values)
    scores = ndtri((np.arange(num) + 0.5) / num)
    c = (scores[-1] - scores[0]) / scores.std() / (num * np.sqrt(np.pi))
    apart = np.clip(1 - np.abs(correlations), 0, None)
    largest = 2 * np.arcsin(np.sqrt(apart / 2))
    angle = largest
    for _ in range(_ITERATIONS):
        cos, sin = np.cos(angle), np.sin(angle)
        excess = 2 * np.sin(angle / 2) ** 2 + c * cos**2 * sin - apart
        slope = sin + c * cos * (cos**2 - 2 * sin**2)
        angle = np.clip(angle - excess / np.maximum(slope, c), 0, largest)
    pairs = np.outer(ranked, ranked) & ~np.eye(len(ranked), dtype=bool)
    for i, j in np.argwhere(np.triu(pairs & (angle < _NEAR * c))):
        angle[i, j] = angle[j, i] = _central_angle(values[:, i], np.sign(correlations[i, j]) * values[:, j])
    found = np.where(pairs, np.sign(correlations) * np.cos(angle), correlations)
    return found if np.linalg.eigvalsh(found)[0] > 0 else correlations


def _central_angle(x: Float64[np.ndarray, " num"], y: Float64[np.ndarray, " num"]) -> float:
    r"""$\theta$ by the samples away from the tails."""
    middle = (x + y) / 2
    central = np.abs(middle) < _CENTRAL
    steps = np.sqrt(2 * np.pi) * np.exp(middle[central] ** 2 / 2) / len(x)
    c = steps.mean() / np.sqrt(np.pi)
    return float(np.sqrt(c**2 + ((x - y)[central] ** 2).mean()) - c)


# Eigenvalues of a correlation matrix below which float64 covariances of some thousand samples are singular.
_LEAST_EIGENVALUE = 1e-12

# The share in doubt of what ranks had taken off.
_DOUBT = 0.1


def gaussian_information(x: Real[ArrayLike, "..."], y: Real[ArrayLike, "..."]) -> Estimate:
    r"""The part of mutual information that second moments determine: $I(X;Y)$ of Gaussians with the covariance $S$ of
    the samples,

    $$\hat I = \tfrac12\log\frac{\det S_X \det S_Y}{\det S} - \tfrac12(b_{d_x} + b_{d_y} - b_{d_x + d_y}), \qquad
      b_d = \sum_{i=0}^{d-1} \psi\bigl(\tfrac{\nu - i}{2}\bigr) - d\log\tfrac\nu2, \quad \nu = N - 1.$$

    $b_d$ is by how much the log-determinant of a Wishart matrix falls short on average: of Gaussian samples $\hat I$ is
    unbiased, at any number of them. After [`entropax.data.rank_gaussianise`][] it is that of the Gaussian copula. Of
    other samples it may lie on either side of the information.

    The standard error has all orders in $1/N$. The first alone vanishes for independent variables, and is a quarter too
    small for 60 samples of 20 + 20 dependent columns.

    **Arguments:**

    - `x`: shape `(num,)` or `(num, dim_x)`.
    - `y`: shape `(num,)` or `(num, dim_y)`.

    **Returns:** the estimate in nats, with the logarithm of the ratio of densities of each sample in `pointwise`.

    **Raises:** `ValueError` as [`entropax.data.check_samples`][], if there are no more samples than columns, or if a
        column is a linear function of others, of which covariances have no inverse and information no bound.

    ??? cite "Source"
        Misra, Singh and Demchuk, Estimation of the entropy of a multivariate normal distribution (2005).
    """
    x, y = _plain(x, "x"), _plain(y, "y")
    if len(x) != len(y):
        raise ValueError(f"`y` must hold as many samples as `x`, {len(x)}; got {len(y)}.")
    both = Variables(np.concatenate([x, y], 1), (x.shape[1], y.shape[1]))
    return gaussian_part(both, mutual_information_terms(0, 1), ("x", "y"))


def gaussian_part(variables: Variables, terms: Sequence[Term], names: Sequence[str]) -> Estimate:
    r"""The part of a sum of terms that second moments determine. With $F(S) = \tfrac12(\log\det S - b_{\lvert
    S\rvert})$,

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
    weights: dict[tuple[int, ...], float] = {}
    # The error of the value is that of the samples' covariance; what one sample tells is better told by a better one.
    shrunk, ranked = _shrunk(cov, num - 1), cov
    cov, swapped = without_swaps(values, cov, variables.ranked_columns), 0.0
    for weight, of, given in terms:
        for sign, part in ((-0.5, of + given), (0.5, given)):
            columns = variables.columns(part)
            as_set = tuple(columns.tolist())
            weights[as_set] = weights.get(as_set, 0.0) + weight * sign
            block = np.ix_(columns, columns)
            value += weight * sign * (np.linalg.slogdet(cov[block])[1] - _shortfall(len(columns), num - 1))
            swapped += weight * sign * (np.linalg.slogdet(cov[block])[1] - np.linalg.slogdet(ranked[block])[1])
            residuals += weight * sign * _quadratic(cov[block], values[:, columns])
            pointwise += weight * sign * _quadratic(shrunk[block], values[:, columns])
    residuals *= _inflation(cov, num, weights, residuals.var(ddof=1) / num)
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
    """Columns of numbers, in units of which no square overflows or underflows: information is the same in all."""
    return of_unit_size(check_samples(values, names=(name, "", "")).x)[0]


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


class _Variance(NamedTuple):
    """The variance of a sum of log-determinants: to first order by the correlations of the samples, as residuals have
    it; to first order by the correlations of the distribution; and what the higher orders add to the latter."""

    apparent: float
    first: float
    higher: float


def _inflation(
    cov: Float64[np.ndarray, "dim dim"], num: int, weights: Mapping[tuple[int, ...], float], empirical: float
) -> float:
    r"""By how much residuals must be multiplied for their spread to be the standard error to all orders.

    Residuals have the first order only, at the samples' correlations, but they have it for any distribution. With
    $\kappa$ for their variance over that of Gaussians with the same correlations, the first order of the variance is
    $\kappa$ times that of Gaussians, and the second, of products of two errors, $\kappa^2$ times.
    """
    dof = num - 1
    of_gaussians = _variance(cov, dof, weights, _unbiased)
    if empirical <= 0 or of_gaussians.apparent <= 0:
        return 1.0
    # Samples in units of their own covariance are rows of an orthonormal frame, whose fourth moments are smaller.
    kappa = empirical / of_gaussians.apparent * num**2 * (dof + 2) / dof**3
    return float(np.sqrt((kappa * of_gaussians.first + kappa**2 * of_gaussians.higher) / empirical))


def _variance(
    cov: Float64[np.ndarray, "dim dim"],
    dof: int,
    weights: Mapping[tuple[int, ...], float],
    unbiased: Callable[..., np.ndarray],
) -> _Variance:
    r"""The variance of $\sum_A w_A \log\det S_A$ for a Wishart matrix $S$ of $\nu$ degrees of freedom,
    $\sum_{AB} w_A w_B C_{AB}$. For $A \subseteq B$ the covariance of the log-determinants is exactly

    $$C_{AB} = T_\nu(|A|), \qquad T_\nu(d) = \sum_{i=0}^{d-1} \psi'\bigl(\tfrac{\nu - i}{2}\bigr),$$

    because $\det S_B / \det S_A$ is independent of $S_A$. Of $k$ common columns the same holds, and what is left are
    $a$ and $b$ columns given those, with $\nu - k$ degrees of freedom. From $\mathbb E \lvert S_A\rvert^s
    \lvert S_B\rvert^t \propto {}_2F_1(-s, -t; \tfrac\nu2; P)$, with $P$ the squared canonical correlations,
    $p_1 = \operatorname{tr} P$ and $p_2 = \operatorname{tr} P^2$, theirs is

    $$C = -2\log\bigl(1 - \tfrac{p_1}\nu\bigr) + \frac{p_2}{\nu^2} + \dots,$$

    right to the second order in $1/\nu$, and to all orders of $p_1/\nu$. What is left out is known where $P = 1$, and
    is taken to grow as $p_1^3$.

    `unbiased` takes off what $p_1$ of samples has too much.

    ??? cite "Source"
        Muirhead, Aspects of multivariate statistical theory (1982), section 11.2, for the joint moments.
    """
    sets = [columns for columns, weight in weights.items() if columns and weight]
    factors = np.array([weights[columns] for columns in sets])
    held = np.zeros((len(sets), len(cov)), bool)
    for row, columns in zip(held, sets):
        row[list(columns)] = True
    sizes = held.sum(1).astype(float)
    common = held.astype(float) @ held.T
    apparent = np.maximum(_overlaps(cov, held) - common, 0.0)
    one, other = sizes[:, None] - common, sizes - common
    least, left = np.minimum(one, other), dof - common
    canonical = np.minimum(unbiased(apparent, one, other, left), least)
    totals = np.concatenate([[0.0], np.cumsum(polygamma(1, (dof - np.arange(len(cov))) / 2))])
    of_common = totals[common.astype(int)]
    # T of ν - k degrees of freedom and min(a, b) columns.
    of_least = totals[(common + least).astype(int)] - of_common
    remainder = of_least + 2 * np.log1p(-least / left) - least / left**2

    def to_all_orders(canonical) -> float:
        share = canonical / np.maximum(least, 1)
        of_rest = -2 * np.log1p(-canonical / left) + share * canonical / left**2 + remainder * share**3
        return float(factors @ (of_common + of_rest) @ factors)

    # To first order the covariance is twice the sum of squared canonical correlations over ν.
    to_first_order = lambda canonical: float(factors @ (2 * (common + canonical) / dof) @ factors)
    first = max(to_first_order(canonical), 0.0)
    # Where chance has made the correlations small, no less than what independent columns have.
    total = max(to_all_orders(canonical), to_all_orders(np.where(least > 0, 0.0, canonical)))
    return _Variance(to_first_order(apparent), first, max(total - first, 0.0))


def _overlaps(cov: Float64[np.ndarray, "dim dim"], held: Bool[np.ndarray, "sets dim"]) -> Float64[np.ndarray, "_ _"]:
    r"""The sums of squared canonical correlations of all pairs of sets of columns, $\operatorname{tr} P_A P_B$ with
    projections on their spans. A set of more than half of the columns has the projection on its complement instead,
    which is spanned by the dual basis: so few vectors represent all sets.
    """
    root = np.linalg.cholesky(cov)
    dual = np.linalg.inv(root).T
    small = held.sum(1) <= len(cov) / 2
    bases = [np.linalg.qr(root[row].T if few else dual[~row].T)[0] for row, few in zip(held, small)]
    owner = np.repeat(np.arange(len(bases)), [basis.shape[1] for basis in bases])
    squares = (np.concatenate(bases, 1).T @ np.concatenate(bases, 1)) ** 2
    members = (owner == np.arange(len(bases))[:, None]).astype(float)
    found = members @ squares @ members.T
    # tr (1 - Q)B = |B| - tr QB, and tr (1 - Q)(1 - R) = d - |Q| - |R| + tr QR.
    sizes = held.sum(1).astype(float)
    sign = np.where(small, 1.0, -1.0)
    constant = np.where(small[:, None] & small, 0.0, np.where(small[:, None], sizes[:, None], sizes))
    both = ~small[:, None] & ~small
    constant = np.where(both, sizes[:, None] + sizes - len(cov), constant)
    return constant + np.outer(sign, sign) * found


def _unbiased(apparent, one, other, dof):
    r"""The sum of squared canonical correlations, by that of samples, which is too large:

    $$\mathbb E\,\hat p_1 = p_1 + \frac{(a - p_1)(b - p_1) - p_1 + p_2}\nu,$$

    solved for $p_1$ with $p_2 = p_1^2 / \min(a, b)$.
    """
    quadratic = (1 + 1 / np.maximum(np.minimum(one, other), 1)) / dof
    linear = 1 - (one + other + 1) / dof
    # Less than what independent columns have counts against what others have too much.
    excess = apparent - one * other / dof
    return np.sign(excess) * (np.sqrt(linear**2 + 4 * quadratic * np.abs(excess)) - linear) / (2 * quadratic)


# How much of the network's input a direction keeps that is not correlated with any other variable.
_FLOOR = 0.3

# Every direction draws so many nats of attention, whatever second moments say of it.
_ATTENTION = 0.1

# A share of the variance that float32 can tell from none.
_LEAST_VARIANCE = 1e-6


class Tables(eqx.Module):
    r"""The best Gaussian denoiser of each conditional law of samples, in their canonical coordinates.

    A row of each array belongs to one law $p(a \mid b)$, whose Gaussian has the mean $\mathrm{regression}^\top v$ and
    the covariance $U\,\mathrm{diag}(v)\,U^\top$; columns of other variables hold zeros.

    **Arguments:**

    - `of`, `given`: which columns are noised, and which are seen as they are.
    - `regression`, `basis`, `variances`: of the Gaussian.
    - `spread`: the Gaussian's variance of each column, one in the columns of other variables.
    - `share`: of the noise levels to draw for each direction.
    - `scale`: of each column where the network sees it.
    - `member`: which variable each column is of.
    - `finest`: the log signal-to-noise ratio above which ranks tell nothing but that they are ranks.
    """

    of: Bool[Array, "laws dim"]
    given: Bool[Array, "laws dim"]
    regression: Float[Array, "laws dim dim"]
    basis: Float[Array, "laws dim dim"]
    variances: Float[Array, "laws dim"]
    spread: Float[Array, "laws dim"]
    share: Float[Array, "laws dim"]
    scale: Float[Array, " dim"]
    member: Bool[Array, "variables dim"]
    finest: Float[Array, ""]

    def predict(
        self, law: Array, z: Float[Array, "batch dim"], log_snr: Float[Array, " batch"], v: Float[Array, "batch dim"]
    ) -> Float[Array, "batch dim"]:
        r"""$\sqrt b\,U\,\mathrm{diag}\bigl(1/(a e + b)\bigr)\,U^\top(z - \sqrt a\,m(v))$ with $a, b =
        \mathrm{sigmoid}(\pm\lambda)$: the noise that the Gaussian expects in `z`, zero in the columns of other
        variables."""
        a, b = jax.nn.sigmoid(log_snr)[:, None], jax.nn.sigmoid(-log_snr)[:, None]
        basis = self.basis[law]
        deviation = z - jnp.sqrt(a) * (v @ self.regression[law])
        return jnp.sqrt(b) * ((deviation @ basis) / (a * self.variances[law][None] + b)) @ basis.T


def canonical(variables: Variables, rows: np.ndarray, terms: Sequence[Term]) -> tuple[np.ndarray, Tables]:
    r"""Samples in canonical coordinates, and the Gaussians of all terms: each variable is made white and turned so that
    its first direction is the one best predicted by all others, linearly; the network then sees first what matters.

    **Arguments:**

    - `variables`: all samples.
    - `rows`: those that the coordinates are fitted to.
    - `terms`: whose conditional laws are wanted, in their order.

    **Returns:** the samples, float32 of shape `(num, dim)`, and the tables.
    """
    values = variables.values - variables.values[rows].mean(0)
    cov = _covariance(values[rows])
    dim, members = values.shape[1], range(len(variables.dims))
    turn, correlations = np.zeros((dim, dim)), np.zeros(dim)
    for i in members:
        own, rest = variables.columns((i,)), variables.columns([j for j in members if j != i])
        whitening = _inverse_root(cov[np.ix_(own, own)])
        others = _inverse_root(cov[np.ix_(rest, rest)])
        basis, found, _ = np.linalg.svd(whitening.T @ cov[np.ix_(own, rest)] @ others)
        turn[np.ix_(own, own)] = whitening @ basis
        correlations[own[: len(found)]] = found
    cov = turn.T @ cov @ turn
    laws = [_gaussian(cov, variables.columns(of), variables.columns(given)) for _, of, given in terms]
    scale = np.sqrt(correlations**2 + _FLOOR**2)
    member = np.zeros((len(variables.dims), dim), bool)
    for i in members:
        member[i, variables.columns((i,))] = True
    arrays = [*map(np.stack, zip(*laws)), scale / scale.max(), member, np.log(STEPS * len(values))]
    tables = Tables(*(jnp.asarray(array, bool if array.dtype == bool else jnp.float32) for array in arrays))
    return (values @ turn).astype(np.float32), tables


def _gaussian(cov, of, given):
    """A row of each of the tables' arrays."""
    dim = len(cov)
    noised, seen = np.zeros(dim, bool), np.zeros(dim, bool)
    noised[of], seen[given] = True, True
    root = _inverse_root(cov[np.ix_(given, given)])
    # The regression by whitened columns needs no inverse of a matrix that may be nearly singular.
    slopes = root @ root.T @ cov[np.ix_(given, of)]
    left = cov[np.ix_(of, of)] - slopes.T @ cov[np.ix_(given, given)] @ slopes
    eigenvalues, vectors = np.linalg.eigh((left + left.T) / 2)
    regression, basis = np.zeros((dim, dim)), np.zeros((dim, dim))
    variances, spread, share = np.ones(dim), np.ones(dim), np.zeros(dim)
    regression[np.ix_(given, of)] = slopes
    basis[np.ix_(of, of)] = vectors
    variances[of] = np.maximum(eigenvalues, _LEAST_VARIANCE)
    spread[of] = np.maximum(np.diag(left), _LEAST_VARIANCE)
    share[of] = 0.5 * np.abs(np.log(variances[of])) + _ATTENTION
    return noised, seen, regression, basis, variances, spread, share / share.sum()


def _covariance(values: Float64[np.ndarray, "num dim"]) -> Float64[np.ndarray, "dim dim"]:
    return values.T @ values / (len(values) - 1)


def _inverse_root(cov: Float64[np.ndarray, "dim dim"]) -> Float64[np.ndarray, "dim dim"]:
    """Without the directions that do not vary, as the indicator of a label that all these rows lack: of rows that have
    it nothing is known."""
    eigenvalues, vectors = np.linalg.eigh(cov)
    varies = eigenvalues > _LEAST_VARIANCE**2 * max(eigenvalues[-1:].sum(), 1e-30)
    return vectors * np.where(varies, 1 / np.sqrt(np.where(varies, eigenvalues, 1.0)), 0.0)
