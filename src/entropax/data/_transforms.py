import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike, Float32, Float64, PRNGKeyArray, Real
from scipy.special import ndtri


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

    **Raises:** `ValueError` where a coordinate is constant.
    """
    x = np.asarray(x, np.float64)
    mean, std = x.mean(0), x.std(0)
    # The mean of equal numbers may round, so their standard deviation need not vanish.
    constant = np.ptp(x, axis=0) == 0
    if constant.any():
        columns = np.argwhere(constant).squeeze(-1) if x.ndim == 2 else None
        which = "" if columns is None else f": columns {columns.tolist()}"
        raise ValueError(f"`x` has {constant.sum()} constant coordinates{which}.")
    return ((x - mean) / std).astype(np.float32), mean, std


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
    """
    x = np.asarray(x)
    breakers = np.asarray(jr.uniform(key, x.shape, jnp.float32))
    columns, breakers = x.reshape(len(x), -1), breakers.reshape(len(x), -1)
    order = np.lexsort((breakers, columns), axis=0)
    scores = ndtri((np.arange(len(x)) + 0.5) / len(x)).astype(np.float32)
    gaussian = np.empty(columns.shape, np.float32)
    np.put_along_axis(gaussian, order, scores[:, None], axis=0)
    return gaussian.reshape(x.shape)
