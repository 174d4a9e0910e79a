from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64

from ._terms import Term
from ._variables import Variables


# How much of the network's input a direction keeps that is not correlated with any other variable.
_FLOOR = 0.3

# Every direction draws so many nats of attention, whatever second moments say of it.
_ATTENTION = 0.1

# The ranks of N samples are steps: two columns agree within a variance of one over so many N, at best, on average.
STEPS = 40

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
    # Of the columns seen, whitened: no inverse of what may be nearly singular.
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
