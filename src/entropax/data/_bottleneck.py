from typing import NamedTuple

import numpy as np

from .._arguments import check_instance
from ._checks import check_positive
from ._joint_gaussian import JointGaussian


class Bottleneck(NamedTuple):
    """What the best representation keeps.

    **Arguments:**

    - `rate`: $I(X;Z)$ in nats.
    - `relevance`: $I(Z;Y)$ in nats.
    """

    rate: float
    relevance: float


def gaussian_bottleneck(problem: JointGaussian, weight: float) -> Bottleneck:
    r"""The information bottleneck of a joint Gaussian, the least of

    $$I(X;Z) - \gamma^{-1} I(Z;Y)$$

    over all representations $Z$ of $X$, in closed form. With the squared canonical correlations $r_i^2$ of $X$ and $Y$
    the best is Gaussian, and tells of those directions in which $r_i^2 > \gamma$:

    $$I(X;Z) = \tfrac12\sum_{r_i^2 > \gamma}\log\frac{(1 - \gamma)\,r_i^2}{\gamma\,(1 - r_i^2)}, \qquad
      I(Z;Y) = I(X;Z) - \tfrac12\sum_{r_i^2 > \gamma}\log\frac{r_i^2}{\gamma}.$$

    Along the curve $\mathrm{d}I(Z;Y)/\mathrm{d}I(X;Z) = \gamma$; at its ends are nothing and all of $I(X;Y)$. Since
    correlations are mutual, it is the curve of representations of $Y$ that are to tell of $X$, too.

    **Arguments:**

    - `problem`: the joint Gaussian.
    - `weight`: $\gamma$, positive; from the largest $r_i^2$ on nothing is kept.

    **Returns:** [`entropax.data.Bottleneck`][].

    **Raises:** `ValueError` unless `problem` is a joint Gaussian and `weight` is positive.

    ??? cite "Source"
        Chechik, Globerson, Tishby and Weiss, Information bottleneck for Gaussian variables (2005), whose $\beta$ is
        $1/\gamma$; Diffusion models are Kelly gamblers, Eqs. (26) to (28).
    """
    check_instance("problem", problem, JointGaussian)
    check_positive(weight, "weight")
    squares = problem.channel_gains**2
    correlations = squares / (1 + squares)
    kept = correlations > weight
    rate = 0.5 * np.sum(np.log((1 - weight) / weight * squares[kept]))
    return Bottleneck(float(rate), float(rate - 0.5 * np.sum(np.log(correlations[kept] / weight))))
