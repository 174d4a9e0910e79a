import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float64, Int


# Pairs that are worked on at once: what bounds the memory, 16 MB in float64 for each array of them.
_PAIRS = 2**21


class AbstractKernel(eqx.Module):
    """A positive definite kernel, or one that is so on differences of measures, of the distance alone."""

    @abc.abstractmethod
    def __call__(self, squared: Float[Array, "..."]) -> Float[Array, "..."]:
        """Its value at squared distances, which come in float64."""


class Pairs(NamedTuple):
    """A kernel over all pairs: its mean over the partners of each row and of each column, over all, and an unbiased
    estimate of the mean square of the interaction, which a double analysis of variance leaves of it."""

    rows: Float64[np.ndarray, " rows"]
    columns: Float64[np.ndarray, " columns"]
    mean: float
    interaction: float


def between(kernel: AbstractKernel, x: Float64[np.ndarray, "n dim"], y: Float64[np.ndarray, "m dim"]) -> Pairs:
    """Over all pairs of an x and a y."""
    n, m = len(x), len(y)
    by_row, by_column, squares = _summed(kernel, x, y, n + np.arange(m))
    rows, columns = by_row / m, by_column / n
    mean = rows.mean()
    # Of k = mean + row + column + interaction, which has (n - 1)(m - 1) degrees of freedom.
    left = squares - n * m * mean**2 - m * n * rows.var() - n * m * columns.var()
    return Pairs(rows, columns, float(mean), max(float(left) / ((n - 1) * (m - 1)), 0.0))


def within(kernel: AbstractKernel, x: Float64[np.ndarray, "n dim"]) -> Pairs:
    r"""Over all pairs of two different x. With $a_{ij} = k_{ij} - \bar k$ and its sums $a_{i\cdot}$ over rows, the
    interaction's mean square is $\bigl(\sum_{i \ne j} a_{ij}^2 - \tfrac{2}{n-2}\sum_i a_{i\cdot}^2\bigr) / n(n-3)$:
    not a number for fewer than four samples.

    ??? cite "Source"
        Székely & Rizzo, Partial distance correlation with methods for dissimilarities (2014), for U-centring.
    """
    n = len(x)
    by_row, by_column, squares = _summed(kernel, x, x, np.arange(n))
    rows, columns = by_row / (n - 1), by_column / (n - 1)
    mean = rows.mean()
    if n < 4:
        return Pairs(rows, columns, float(mean), np.nan)
    left = squares - n * (n - 1) * mean**2 - 2 / (n - 2) * (n - 1) ** 2 * n * rows.var()
    return Pairs(rows, columns, float(mean), max(float(left) / (n * (n - 3)), 0.0))


def _summed(kernel, x, y, indices) -> tuple[np.ndarray, np.ndarray, float]:
    """Over the pairs whose indices differ: sums by row, by column, and of squares."""
    size = max(1, min(len(x), _PAIRS // len(y)))
    padding = -len(x) % size
    blocks = np.pad(x, ((0, padding), (0, 0))).reshape(-1, size, x.shape[1])
    # A row of padding has the index -1.
    rows = np.pad(np.arange(len(x)), (0, padding), constant_values=-1).reshape(-1, size)
    # Squared distances come from inner products, whose cancellation float64 stands.
    with jax.enable_x64(True):
        by_row, by_column, squares = map(np.asarray, _sums(kernel, blocks, rows, y, indices))
    return by_row.reshape(-1)[: len(x)], by_column, float(squares)


@eqx.filter_jit
def _sums(
    kernel: AbstractKernel,
    blocks: Float[ArrayLike, "blocks size dim"],
    rows: Int[ArrayLike, "blocks size"],
    y: Float[Array, "m dim"],
    columns: Int[ArrayLike, " m"],
):
    """By row, by column, and of squares; over pairs of different indices, and over rows whose index is one."""
    lengths = jnp.sum(y**2, -1)

    def add(carry, block):
        by_column, squares = carry
        x, indices = block
        squared = jnp.sum(x**2, -1)[:, None] + lengths[None] - 2 * x @ y.T
        counted = (indices[:, None] != jnp.asarray(columns)[None]) & (indices[:, None] >= 0)
        values = jnp.where(counted, kernel(jnp.maximum(squared, 0)), 0).astype(y.dtype)
        return (by_column + jnp.sum(values, 0), squares + jnp.sum(values**2)), jnp.sum(values, 1)

    (by_column, squares), by_row = jax.lax.scan(add, (jnp.zeros_like(lengths), jnp.zeros((), y.dtype)), (blocks, rows))
    return by_row, by_column, squares
