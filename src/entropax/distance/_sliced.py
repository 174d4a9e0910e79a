import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._arguments import check_key, check_positive, check_whole
from ._checks import check_pair, in_units


# Projected samples that are sorted at once: what bounds the memory.
_PROJECTED = 2**22

# The most numbers in all directions.
_DIRECTIONS = 2**27


def sliced_wasserstein(
    x: Float[ArrayLike, " batch *shape"],
    y: Float[ArrayLike, " other *_shape"],
    *,
    key: PRNGKeyArray,
    projections: int = 256,
    order: float = 2.0,
) -> float:
    r"""The sliced $p$-Wasserstein distance between two samples,

    $$\mathrm{SW}_p = \Bigl(\mathbb{E}_\theta\,W_p^p(\theta^\top X,\ \theta^\top Y)\Bigr)^{1/p}, \qquad
      W_p^p = \int_0^1 \lvert F_x^{-1}(u) - F_y^{-1}(u)\rvert^p\,\mathrm{d}u,$$

    over directions $\theta$ that are uniform on the sphere; in one dimension it is $W_p$ itself. The integral is exact,
    for samples that differ in number too. Directions come in orthonormal sets, so that a shift by $s$ has
    $\mathrm{SW}_2 = \|s\|/\sqrt{d}$ exactly where `projections` is a multiple of the dimension $d$.

    Two finite sets of samples of one distribution are at a positive distance: read it beside its floor
    ([`entropax.distance.with_floor`][]), at one number of samples.

    **Arguments:**

    - `x`, `y`: the samples, which may differ in number.
    - `key`: the directions. Distances that are to be compared want one key.
    - `projections`: how many directions.
    - `order`: $p$, at least 1.

    **Returns:** $\mathrm{SW}_p$, in the unit of `x`.

    **Raises:** `ValueError` if either holds fewer than 2 samples, they are of different shapes, not finite real
    numbers, or for other values of `key`, `projections` or `order`.

    ??? cite "Source"
        Bonneel et al., Sliced and Radon Wasserstein barycenters of measures (2015); Rowland et al., Orthogonal
        estimation of Wasserstein distances (2019), for orthonormal directions.
    """
    check_key(key)
    check_whole("projections", projections, 1)
    check_positive(order=order)
    if order < 1:
        raise ValueError(f"`order` must be at least 1; got {order}.")
    rows_x, rows_y, scale = check_pair(x, y)
    if projections * rows_x.shape[1] > _DIRECTIONS:
        raise ValueError(
            f"`projections` must be at most {_DIRECTIONS // rows_x.shape[1]} for {rows_x.shape[1]} columns, which a "
            f"memory holds; got {projections}."
        )
    widths, of_x, of_y = _quantiles(len(rows_x), len(rows_y))
    at_once = max(1, min(projections, _PROJECTED // len(widths)))
    logarithm = _log_mean_power(
        jnp.asarray(rows_x, jnp.float32),
        jnp.asarray(rows_y, jnp.float32),
        (jnp.asarray(widths, jnp.float32), jnp.asarray(of_x), jnp.asarray(of_y)),
        _directions(key, rows_x.shape[1], projections),
        float(order),
        at_once,
    )
    distance = math.exp(float(logarithm) / order)
    return in_units(distance, scale, 1, "The distance between `x` and `y`")


def _quantiles(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where two quantile functions, of n and of m steps, are constant: the widths of the pieces and, for each, the rank
    in either sample."""
    # In units of 1/(nm), where all edges are integers.
    edges = np.union1d(m * np.arange(1, n + 1), n * np.arange(1, m + 1))
    return np.diff(edges, prepend=0) / (n * m), (edges - 1) // m, (edges - 1) // n


def _directions(key: PRNGKeyArray, dim: int, num: int) -> Float[Array, "num dim"]:
    """Uniform on the sphere, each set of at most `dim` orthonormal."""
    in_set = min(dim, num)
    normal = jr.normal(key, (math.ceil(num / in_set), dim, in_set), jnp.float32)
    return jnp.swapaxes(jnp.linalg.qr(normal)[0], 1, 2).reshape(-1, dim)[:num]


@jax.jit(static_argnames="at_once")
def _log_mean_power(
    x: Float[Array, "n dim"],
    y: Float[Array, "m dim"],
    pieces: tuple[Array, Array, Array],
    directions: Float[Array, "num dim"],
    order: Float[ArrayLike, ""],
    at_once: int,
) -> Float[Array, ""]:
    widths, of_x, of_y = pieces

    def distance(direction):
        along_x, along_y = (
            jnp.sort(jnp.matmul(samples, direction, precision=jax.lax.Precision.HIGHEST)) for samples in (x, y)
        )
        # Powers of a high order overflow, or underflow.
        return logsumexp(order * jnp.log(jnp.abs(along_x[of_x] - along_y[of_y])), b=widths)

    return logsumexp(jax.lax.map(distance, directions, batch_size=at_once)) - math.log(len(directions))
