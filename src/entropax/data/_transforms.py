import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike, Float32, Float64, PRNGKeyArray, Real
from scipy.special import ndtri

from .._arguments import check_key
from .._arrays import check_finite, of_unit_size, plain_array, to_float64


def standardise(
    x: Real[ArrayLike, " num *shape"],
) -> tuple[
    Float32[np.ndarray, " num *shape"],
    Float64[np.ndarray, "*shape"],
    Float64[np.ndarray, "*shape"],
]:
    r"""Each coordinate brought to mean 0 and variance 1,

    $$x' = \frac{x - m}{s}.$$

    Mutual information and total correlation stay as they are; a density changes by
    $\log p(x) = \log p(x') - \sum_i \log s_i$, and entropies relative to an equilibrium
    are those of $x'$.

    **Arguments:**

    - `x`: samples, shape `(num, *shape)`.

    **Returns:** $x'$ in float32, and $m$, $s$ in float64, shape `(*shape)`.

    **Raises:** `ValueError` where a coordinate is constant, and where `x` is empty, not finite, masked, or no array of
    real numbers.
    """
    x = _samples(x)
    scaled, exponents = of_unit_size(to_float64(x, "x"))
    mean, std = scaled.mean(0), scaled.std(0)
    # The mean of equal numbers may round, so their standard deviation need not vanish.
    constant = (x == x[:1]).all(0)
    if constant.any():
        columns = np.argwhere(constant).squeeze(-1) if x.ndim == 2 else None
        which = "" if columns is None else f": columns {columns.tolist()}"
        raise ValueError(f"`x` has {constant.sum()} constant coordinates{which}.")
    return ((scaled - mean) / std).astype(np.float32), np.ldexp(mean, exponents), np.ldexp(std, exponents)


def rank_gaussianise(x: Real[ArrayLike, " num *shape"], key: PRNGKeyArray) -> Float32[np.ndarray, " num *shape"]:
    r"""Each coordinate replaced by its normal scores,

    $$x'_n = \Phi^{-1}\Bigl(\frac{r_n + \frac12}{N}\Bigr),$$

    where $r_n = 0, \dots, N-1$ is the rank of $x_n$ among the samples, ties in random
    order. The marginals become Gaussian; mutual information and total correlation of a
    continuous $x$ stay as they are, since the map is increasing in each coordinate.

    **Arguments:**

    - `x`: samples, shape `(num, *shape)`.
    - `key`: the order of ties.

    **Returns:** $x'$, of the same shape.

    **Raises:** `ValueError` where `x` is empty, not finite, masked, or no array of real numbers.
    """
    x = _samples(x)
    breakers = np.asarray(jr.uniform(check_key(key), x.shape, jnp.float32))
    columns, breakers = x.reshape(len(x), -1), breakers.reshape(len(x), -1)
    order = np.lexsort((breakers, columns), axis=0)
    scores = ndtri((np.arange(len(x)) + 0.5) / len(x)).astype(np.float32)
    gaussian = np.empty(columns.shape, np.float32)
    np.put_along_axis(gaussian, order, scores[:, None], axis=0)
    return gaussian.reshape(x.shape)


def _samples(x) -> np.ndarray:
    """Finite real numbers; integers stay what they are, so that each has its rank."""
    x = plain_array(x, "x")
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"`x` must hold samples, shape (num, *shape); got shape {x.shape}.")
    if x.dtype.kind not in "biu":
        x = to_float64(x, "x")
        check_finite(x, "x")
    return x
