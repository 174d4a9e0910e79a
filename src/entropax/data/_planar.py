import abc

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float32, Float64, PRNGKeyArray

from .. import denoiser as denoisers
from ._checks import check_draws


# Points whose densities are worked out at once: what bounds the memory, components times points.
_BLOCK = 4096

# The variances of the strongly correlated Gaussian along its axes are 200/101 and 2/101.
_CORRELATION = -99 / 101

_HALF_SIDE = np.sqrt(3)

_NUM_ON_RING = 16
_DISC_RADIUS = 0.03
# A point on the rim, rounded to float32, would lie outside of its disc: the rounding at |x| < 2 is 3e-6 of the radius.
_INSIDE = 1 - 4e-6


class AbstractPlanar(eqx.Module):
    r"""A law in the plane whose density and entropy are known, with mean zero and unit variance in each coordinate (of
    the law itself, not of a sample).

    To add one, subclass this and state `entropy`, `sample` and `_log_density`.

    ??? cite "Source"
        Kong et al., Information-theoretic diffusion (2023), for the choice of sets. Each is stated here anew.
    """

    @property
    @abc.abstractmethod
    def entropy(self) -> float:
        r"""$h(X) = -\mathbb{E}\log p(x)$ in nats, in float64."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, num: int) -> Float32[Array, "num 2"]:
        """Independent points, float32, with or without x64.

        **Arguments:**

        - `key`: the draws.
        - `num`: how many.

        **Returns:** `x`, shape `(num, 2)`.
        """

    @abc.abstractmethod
    def _log_density(self, x: np.ndarray) -> np.ndarray:
        """Of points of shape `(num, 2)`, shape `(num,)`."""

    def log_density(self, x: Float[ArrayLike, "*batch dim"]) -> Float64[np.ndarray, "*batch"]:
        r"""$\log p(x)$, in float64.

        **Arguments:**

        - `x`: a point, shape `(2,)`, or any batch of them, shape `(*batch, 2)`.

        **Returns:** the log-densities in nats, shape `(*batch,)`; `-inf` off the support.

        **Raises:** `ValueError` where the last axis is not of length 2, or on NaN.
        """
        x = np.asarray(x, np.float64)
        if x.shape[-1:] != (2,):
            raise ValueError(f"`x` must have shape (*batch, 2); got {x.shape}.")
        if np.isnan(x).any():
            raise ValueError("`x` holds NaN.")
        points = x.reshape(-1, 2)
        blocks = [self._log_density(points[i : i + _BLOCK]) for i in range(0, len(points), _BLOCK)]
        return np.concatenate([np.empty(0), *blocks]).reshape(x.shape[:-1])


class StronglyCorrelatedGaussian(AbstractPlanar):
    r"""A Gaussian that is a hundred times as wide along one diagonal as along the other, in variance,

    $$X \sim \mathcal{N}\left(0, \begin{pmatrix} 1 & \rho \\ \rho & 1 \end{pmatrix}\right), \qquad
      \rho = -\tfrac{99}{101} = -0.980198.$$

    The entropy is a closed form, $\log 2\pi e + \tfrac12\log(1 - \rho^2) = 1.21849$ nats.

    ??? cite "Source"
        Kong et al., Information-theoretic diffusion (2023).
    """

    @property
    def entropy(self) -> float:
        r"""$\log 2\pi e + \tfrac12\log(1 - \rho^2)$."""
        return float(np.log(2 * np.pi * np.e) + 0.5 * np.log1p(-(_CORRELATION**2)))

    def sample(self, key: PRNGKeyArray, num: int) -> Float32[Array, "num 2"]:
        # Coordinate by coordinate: a matrix product at an accelerator's default precision would blur the narrow axis.
        first, second = jr.normal(check_draws(key, num), (2, num), jnp.float32)
        return jnp.stack([first, _CORRELATION * first + float(np.sqrt(1 - _CORRELATION**2)) * second], -1)

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        wide, narrow = x[:, 0] - x[:, 1], x[:, 0] + x[:, 1]
        square = 0.5 * (wide**2 / (1 - _CORRELATION) + narrow**2 / (1 + _CORRELATION))
        return -0.5 * square - np.log(2 * np.pi) - 0.5 * np.log1p(-(_CORRELATION**2))

    def denoiser(self) -> denoisers.Gaussian:
        """The exact denoiser."""
        return denoisers.Gaussian(np.zeros(2), np.array([[1.0, _CORRELATION], [_CORRELATION, 1.0]]))


class Square(AbstractPlanar):
    r"""The uniform law on $(-\sqrt3, \sqrt3)^2$: a density that jumps at the edges.

    The entropy is a closed form, $\log 12 = 2.48491$ nats.

    ??? cite "Source"
        Kong et al., Information-theoretic diffusion (2023).
    """

    @property
    def entropy(self) -> float:
        r"""$\log 12$."""
        return float(np.log(12))

    def sample(self, key: PRNGKeyArray, num: int) -> Float32[Array, "num 2"]:
        # The float32 next to √3 is below it, so that no draw lies outside.
        half = float(_HALF_SIDE)
        return jr.uniform(check_draws(key, num), (num, 2), jnp.float32, minval=-half, maxval=half)

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        return np.where((np.abs(x) < _HALF_SIDE).all(-1), -np.log(12), -np.inf)


class Circle(AbstractPlanar):
    r"""Seventeen small discs of equal weight, sixteen of them evenly on a circle and one at its centre. The radius is
    uniform within each, so that the density grows without bound towards the centres $c_k$,

    $$p(x) = \frac{1}{17}\,\frac{1}{2\pi r\,\|x - c_k\|}, \qquad 0 < \|x - c_k\| < r.$$

    Before both coordinates are divided by their standard deviation $s$ the circle has radius 1 and a disc $r_0 = 0.03$;
    $s^2 = \tfrac{8}{17} + r_0^2/6$, $r = r_0/s$. The discs are disjoint, and the entropy is a closed form,
    $\log 17 + \log 2\pi + 2\log r - 1 = -2.58857$ nats.

    The layout and the weights are ours: those of the source are the draw of one seed, of a different entropy.

    ??? cite "Source"
        Kong et al., Information-theoretic diffusion (2023), for 17 discs of radius 0.03 with a density like $1/r$.
    """

    centres: Float64[np.ndarray, "discs 2"]
    radius: float

    def __init__(self):
        angles = 2 * np.pi * np.arange(_NUM_ON_RING) / _NUM_ON_RING
        ring = np.stack([np.cos(angles), np.sin(angles)], -1)
        centres = np.concatenate([ring, np.zeros((1, 2))])
        # Of the uniform radius the mean square is r²/3, half of it in each coordinate.
        std = np.sqrt(0.5 * _NUM_ON_RING / len(centres) + _DISC_RADIUS**2 / 6)
        self.centres = centres / std
        self.radius = float(_DISC_RADIUS / std)

    @property
    def entropy(self) -> float:
        r"""$\log 17 + \log 2\pi + 2\log r - 1$."""
        return float(np.log(len(self.centres)) + np.log(2 * np.pi) + 2 * np.log(self.radius) - 1)

    def sample(self, key: PRNGKeyArray, num: int) -> Float32[Array, "num 2"]:
        key_disc, key_radius, key_angle = jr.split(check_draws(key, num), 3)
        discs = jr.randint(key_disc, (num,), 0, len(self.centres))
        # One less a draw from [0, 1) is never zero, where the density is infinite.
        radii = (self.radius * _INSIDE) * (1 - jr.uniform(key_radius, (num,), jnp.float32))
        angles = float(2 * np.pi) * jr.uniform(key_angle, (num,), jnp.float32)
        offsets = radii[:, None] * jnp.stack([jnp.cos(angles), jnp.sin(angles)], -1)
        return jnp.asarray(self.centres, jnp.float32)[discs] + offsets

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        distances = np.linalg.norm(x[:, None] - self.centres, axis=-1).min(-1)
        with np.errstate(divide="ignore"):
            logs = -np.log(2 * np.pi * len(self.centres) * self.radius * distances)
        return np.where(distances < self.radius, logs, -np.inf)
