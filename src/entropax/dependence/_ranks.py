import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import ndtri


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
    r"""Correlations of normal scores, without what the ranks of $N$ samples take off them.

    Of two columns that nearly agree, neighbours trade places: a sample's ranks differ by as many as lie between, whose
    number varies as a Poisson variable does. With $\rho = \cos\theta$ for the correlation of a Gaussian's columns,
    small $\theta$ and $\Delta = 1 / N\varphi$ for the step from one score to the next,

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
