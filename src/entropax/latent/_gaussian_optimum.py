import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._arguments import check_positive
from .._arrays import as_known


class GaussianOptimum(NamedTuple):
    """What the best latents of a Gaussian tell of it.

    **Arguments:**

    - `rates`: $I(X_k;Z_i)$ in nats, shape `(bands, dim)`.
    - `log_variances`: $\\log\\mathrm{Var}(X_k|Z_i)$, of the same shape.
    """

    rates: Float[np.ndarray, "bands dim"]
    log_variances: Float[np.ndarray, "bands dim"]


def gaussian_optimum(
    variances: Float[np.ndarray, " dim"], edges: tuple[float, ...], weight: float = 1.0
) -> GaussianOptimum:
    r"""The diffusion autoencoder with the least distortion $+\ \beta\,\cdot$ rate, of independent Gaussians $X_k$ of
    variances $v_k$, in closed form. Given a latent with $v' = \mathrm{Var}(X_k|Z)$ the noise at $\lambda$ is predicted
    up to $\mathrm{sigmoid}(\lambda + \log v')$, so that a band from $a$ to $b$ costs

    $$J(u) = \tfrac12\bigl[\mathrm{softplus}(b + u) - \mathrm{softplus}(a + u)\bigr] + \tfrac\beta2(\log v_k - u),
      \qquad u = \log v'.$$

    Its minima are at $\mathrm{sigmoid}(b + u) - \mathrm{sigmoid}(a + u) = \beta$ from below,

    $$u = -\tfrac{a + b}2 - \mathrm{arcosh}\Bigl(\tfrac1\beta\sinh\tfrac{b - a}2 - \cosh\tfrac{b - a}2\Bigr),$$

    and at $u = \log v_k$, where nothing is told; the lower of both is taken. A band from the most noise up to $b$ tells
    of a direction where $v_k$ stands out of the noise at $b$; one from $a$ to the least noise where $v_k$ drowns in
    that at $a$. A prior $\mathcal{N}(0, I)$ costs nothing beyond $I(X;Z)$ here: latents are Gaussian.

    **Arguments:**

    - `variances`: $v_k$.
    - `edges`: of the bands, the two ends included: $n + 1$ noise levels $\lambda$ for $n$ bands.
    - `weight`: $\beta$, positive.

    **Returns:** [`entropax.latent.GaussianOptimum`][].

    **Raises:** `ValueError` unless `variances` and `weight` are positive and `edges` increase.
    """
    check_positive(weight=weight)
    known = as_known(variances, "variances")
    if known.ndim != 1 or not known.size or not (known > 0).all():
        raise ValueError(f"`variances` must be positive numbers along one axis; got {variances}.")
    ends = as_known(edges, "edges")
    if ends.ndim != 1 or ends.size < 2 or not np.all(np.diff(ends) > 0):
        raise ValueError(f"`edges` must be two noise levels or more that increase; got {edges}.")
    silent = np.log(known)
    found = np.stack([_of_band(silent, low, high, weight) for low, high in itertools.pairwise(ends)])
    return GaussianOptimum(0.5 * (silent - found), found)


def _of_band(silent, low, high, weight):
    half = 0.5 * (high - low)
    bend = np.sinh(half) / weight - np.cosh(half)
    if bend <= 1:
        return silent
    telling = np.minimum(-0.5 * (low + high) - np.arccosh(bend), silent)
    cost = lambda u: np.logaddexp(0, high + u) - np.logaddexp(0, low + u) - weight * u
    return np.where(cost(telling) < cost(silent), telling, silent)
