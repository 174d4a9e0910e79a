r"""What lies beyond the sharpest that networks are, of laws of one column whose density has edges."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


# Two bands of noise levels, in nats above that at which signal and noise meet; networks are sharp up to their end.
_BANDS = (2.5, 4.0), (4.0, 5.5)
_END = _BANDS[-1][1]

# How far the height of edges may differ from one band to the other. Of smooth laws it falls to half, of laws on fewer
# points than noise of either band tells apart it doubles.
_ALIKE = 0.75


def weights(above: Float[Array, " batch"]) -> Float[Array, "3 batch"]:
    r"""For what integrals $\tfrac12\int w\,(\lVert\varepsilon - \hat\varepsilon_{\mathcal N}\rVert^2 -
    \lVert\varepsilon - \hat\varepsilon\rVert^2)\,\mathrm d\lambda$ beside that with $w = 1$ are wanted: the mean over
    either band of the integrand's share of $e^{-\lambda/2}$, and the part beyond both.

    **Arguments:**

    - `above`: $\lambda$ above where signal and noise meet.
    """
    growth = jnp.exp(above / 2)
    inside = [jnp.where((above > begin) & (above <= end), growth * 2 / (end - begin), 0) for begin, end in _BANDS]
    return jnp.stack([*inside, jnp.where(above > _END, jnp.ones_like(above), 0)])


def has_edges(sums: Float[np.ndarray, "4 num"]) -> bool:
    r"""Whether the law has edges that the network is not sharp enough for.

    Where a density jumps by $h$, noise of size $\sigma$ is told within $\sigma$ of the jump, and

    $$\mathbb E\,\hat\varepsilon^2 = A\,e^{-\lambda/2}, \qquad
      A = \sum_{\mathrm{jumps}} h \int\frac{\varphi^2}{\Phi}\,\mathrm du,$$

    for all $\sigma$ at which edges are apart. Of smooth laws it falls as $e^{-\lambda}$. A network of finite sharpness
    loses edges at some $\lambda$: it has some where $A$ is nearly the same in both bands, and with that of the second
    more is left beyond than the network finds.

    **Arguments:**

    - `sums`: of each sample, the integral, and those with [`weights`][].
    """
    lower, upper = (band.mean() + known for band, known in zip(sums[1:3], _GAUSSIAN))
    return bool(lower > 0 and _ALIKE < upper / lower < 1 / _ALIKE and (continued(sums) - sums[0]).mean() > 0)


def continued(sums: Float[np.ndarray, "4 num"]) -> Float[np.ndarray, " num"]:
    r"""The departure of each sample, with $A e^{-\lambda/2}$ of the second band in place of what the network finds
    beyond it.

    **Arguments:**

    - `sums`: as of [`has_edges`][].
    """
    integral, _, upper, beyond = sums
    return integral + (upper + _GAUSSIAN[1]) * np.exp(-_END / 2) - 0.5 * np.log1p(np.exp(-_END)) - beyond


def _of_gaussian(begin: float, end: float) -> float:
    r"""What a band knows of $\mathbb E\,\hat\varepsilon_{\mathcal N}^2 = \mathrm{sigmoid}(-\lambda)$."""
    above = np.linspace(begin, end, 1_001)
    return float(np.mean(np.exp(above / 2) / (1 + np.exp(above))))


_GAUSSIAN = tuple(_of_gaussian(*band) for band in _BANDS)
