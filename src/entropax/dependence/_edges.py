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


def continued(sums: Float[np.ndarray, "4 num"]) -> Float[np.ndarray, " num"]:
    r"""The departure of each sample, continued beyond what a network is sharp enough for where the law has edges.

    Where a density jumps by $h$, noise of size $\sigma$ is told within $\sigma$ of the jump, and

    $$\mathbb E\,\hat\varepsilon^2 = A\,e^{-\lambda/2}, \qquad
      A = \sum_{\mathrm{jumps}} h \int\frac{\varphi^2}{\Phi}\,\mathrm du,$$

    for all $\sigma$ at which edges are apart. Of smooth laws it falls as $e^{-\lambda}$. A network of finite sharpness
    loses edges at some $\lambda$. Where $A$ is nearly the same in both bands, and more is left beyond than the network
    finds, it goes on with that of the second.

    **Arguments:**

    - `sums`: of each sample, the integral, and those with [`weights`][].
    """
    whole, *bands, beyond = sums
    lower, upper = (band + known for band, known in zip(bands, _GAUSSIAN))
    further = upper * np.exp(-_END / 2) - 0.5 * np.log1p(np.exp(-_END)) - beyond
    alike = _ALIKE < upper.mean() / lower.mean() < 1 / _ALIKE if lower.mean() > 0 else False
    return whole + further if alike and further.mean() > 0 else whole


def _of_gaussian(begin: float, end: float) -> float:
    r"""What a band knows of $\mathbb E\,\hat\varepsilon_{\mathcal N}^2 = \mathrm{sigmoid}(-\lambda)$."""
    above = np.linspace(begin, end, 1_001)
    return float(np.mean(np.exp(above / 2) / (1 + np.exp(above))))


_GAUSSIAN = tuple(_of_gaussian(*band) for band in _BANDS)
