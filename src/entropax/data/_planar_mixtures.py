import jax.numpy as jnp
import jax.random as jr
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Float32, Float64, PRNGKeyArray
from scipy.special import entr, logsumexp

from .. import denoiser as denoisers
from ._checks import check_draws
from ._planar import AbstractPlanar


# A grid for the entropy ends nine standard deviations beyond the last component and has three points to each. Half as
# many change no digit that is stated below.
_MARGIN = 9.0
_POINTS_PER_STD = 3

_MOONS_NOISE = 0.03
# Nodes along each half circle. They lie at most 0.82 standard deviations of the noise apart, where the error of a sum
# over Gaussians, exp(-2π² (noise/spacing)²), is near 1e-13.
_NODES_PER_ARC = 200

_DINO_NOISE = 0.15
_NUM_ON_OUTLINE = 136
# A sauropod that walks to the right, drawn by hand for this file: tail, back, neck, head, throat, and the near and the
# far leg of each pair.
# fmt: off
_OUTLINE = np.array([
    (0, 36), (10, 31), (21, 33), (31, 41), (42, 47), (53, 48), (62, 46), (68, 51), (72, 61), (75, 72), (78, 80),
    (83, 85), (89, 85), (94, 81), (99, 79), (100, 76), (96, 74), (88, 75), (84, 73), (82, 66), (80, 54), (77, 42),
    (73, 32), (72, 18), (73, 4), (64, 4), (64, 16), (61, 21), (59, 9), (52, 9), (52, 19), (45, 19), (45, 9), (40, 9),
    (39, 15), (39, 4), (30, 4), (30, 16), (27, 24), (18, 23), (9, 26), (0, 36),
], float)
_EYE = np.array([88.5, 80.5]) + 1.2 * np.array([(1, 0), (0.5, 0.9), (-0.5, 0.9), (-1, 0), (-0.5, -0.9), (0.5, -0.9)])
# fmt: on


class AbstractPlanarMixture(AbstractPlanar):
    r"""A law in the plane that is a mixture of Gaussians without correlation and of the same width,

    $$p(x) = \sum_k w_k\,\mathcal{N}\bigl(x;\ m_k, \mathrm{diag}(s_1^2, s_2^2)\bigr),$$

    or one to the accuracy of float64. The entropy has no closed form: it is a sum over a fine grid in float64, on which
    $p$ is a product of two matrices.
    """

    weights: AbstractVar[Float64[np.ndarray, " components"]]
    means: AbstractVar[Float64[np.ndarray, "components 2"]]
    stds: AbstractVar[Float64[np.ndarray, "2"]]

    @property
    def entropy(self) -> float:
        r"""$-\int p\log p\,\mathrm{d}x$, a sum over a fine grid in float64, to better than 1e-6."""
        steps = self.stds / _POINTS_PER_STD
        factors = []
        for mean, std, step in zip(self.means.T, self.stds, steps):
            grid = np.arange(mean.min() - _MARGIN * std, mean.max() + _MARGIN * std, step)
            distances = (grid[:, None] - mean) / std
            factors.append(np.exp(-0.5 * distances**2) / (np.sqrt(2 * np.pi) * std))
        density = (factors[0] * self.weights) @ factors[1].T
        return float(entr(density).sum() * steps.prod())

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        squares = sum(((x[:, None, i] - self.means[:, i]) / self.stds[i]) ** 2 for i in range(2))
        return logsumexp(-0.5 * squares, axis=1, b=self.weights) - np.log(2 * np.pi * self.stds.prod())

    def denoiser(self) -> denoisers.GaussianMixture:
        """The exact denoiser."""
        covs = np.broadcast_to(np.diag(self.stds**2), (len(self.means), 2, 2))
        return denoisers.GaussianMixture(self.weights, self.means, covs)


class Moons(AbstractPlanarMixture):
    r"""Two interleaved half circles under isotropic noise,

    $$X = \mathrm{diag}(s)^{-1}\left(\pm\begin{pmatrix} \cos t - \tfrac12 \\ \sin t - \tfrac14 \end{pmatrix} +
      0.03\,\varepsilon\right), \qquad t \sim \mathcal{U}(0, \pi), \qquad
      s^2 = \begin{pmatrix} \tfrac34 \\ \tfrac{9}{16} - \tfrac1\pi \end{pmatrix} + 0.03^2,$$

    with either sign equally likely. The noise is that before standardisation.

    The density is an integral over $t$, here by Gauss-Legendre quadrature of 200 nodes, exact to the rounding of
    float64 over the noise: `weights` and `means` are its nodes on both arcs. The entropy, 0.61359 nats, is a sum over a
    grid.

    ??? cite "Source"
        Kong et al., Information-theoretic diffusion (2023), for the set, which is that of scikit-learn's `make_moons`.
    """

    weights: Float64[np.ndarray, " components"]
    means: Float64[np.ndarray, "components 2"]
    stds: Float64[np.ndarray, "2"]

    def __init__(self):
        nodes, weights = np.polynomial.legendre.leggauss(_NODES_PER_ARC)
        angles = 0.5 * np.pi * (1 + nodes)
        arc = np.stack([np.cos(angles) - 0.5, np.sin(angles) - 0.25], -1)
        scale = _moons_scale()
        self.weights = np.concatenate([weights, weights]) / 4
        self.means = np.concatenate([arc, -arc]) / scale
        self.stds = _MOONS_NOISE / scale

    def sample(self, key: PRNGKeyArray, num: int) -> Float32[Array, "num 2"]:
        key_angle, key_sign, key_noise = jr.split(check_draws(key, num), 3)
        angles = float(np.pi) * jr.uniform(key_angle, (num,), jnp.float32)
        signs = jr.rademacher(key_sign, (num, 1), jnp.float32)
        arc = jnp.stack([jnp.cos(angles) - 0.5, jnp.sin(angles) - 0.25], -1)
        noise = _MOONS_NOISE * jr.normal(key_noise, (num, 2), jnp.float32)
        return (signs * arc + noise) / jnp.asarray(_moons_scale(), jnp.float32)


class Dino(AbstractPlanarMixture):
    r"""A dinosaur: 142 narrow Gaussians of equal weight, evenly along an outline and around an eye,

    $$p(x) = \frac{1}{142}\sum_k \mathcal{N}\bigl(x;\ m_k, \mathrm{diag}(s_1^2, s_2^2)\bigr).$$

    The figure is 100 wide and the Gaussians have standard deviation 0.15 before both coordinates are standardised. So
    they hardly overlap: at the scale of the figure the set is a curve, at its own it is points. The entropy is a sum
    over a grid, -2.50705 nats.

    The drawing is ours and none of the source's points are in it; the number of components and their width are the
    source's, and so its difficulty.

    ??? cite "Source"
        Kong et al., Information-theoretic diffusion (2023), for a set of this kind.
    """

    weights: Float64[np.ndarray, " components"]
    means: Float64[np.ndarray, "components 2"]
    stds: Float64[np.ndarray, "2"]

    def __init__(self):
        lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(_OUTLINE, axis=0), axis=1))])
        places = np.arange(_NUM_ON_OUTLINE) * (lengths[-1] / _NUM_ON_OUTLINE)
        outline = np.stack([np.interp(places, lengths, coordinate) for coordinate in _OUTLINE.T], -1)
        points = np.concatenate([outline, _EYE])
        scale = np.sqrt(points.var(0) + _DINO_NOISE**2)
        self.weights = np.full(len(points), 1 / len(points))
        self.means = (points - points.mean(0)) / scale
        self.stds = _DINO_NOISE / scale

    def sample(self, key: PRNGKeyArray, num: int) -> Float32[Array, "num 2"]:
        key_component, key_noise = jr.split(check_draws(key, num))
        components = jr.randint(key_component, (num,), 0, len(self.means))
        noise = jr.normal(key_noise, (num, 2), jnp.float32)
        return jnp.asarray(self.means, jnp.float32)[components] + jnp.asarray(self.stds, jnp.float32) * noise


def _moons_scale() -> np.ndarray:
    return np.sqrt(np.array([3 / 4, 9 / 16 - 1 / np.pi]) + _MOONS_NOISE**2)
