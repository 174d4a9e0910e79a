"""One-to-one maps of a variable, which leave mutual information as it is."""

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtr


def half_cube(x: Float64[np.ndarray, "num dim"]) -> Float64[np.ndarray, "num dim"]:
    r"""$x\sqrt{|x|}$, coordinate by coordinate: longer tails."""
    return x * np.sqrt(np.abs(x))


def wiggly_x(x: Float64[np.ndarray, "num dim"]) -> Float64[np.ndarray, "num dim"]:
    r"""$x + 0.4\sin x + 0.2\sin(1.7x + 1) + 0.03\sin(3.3x - 2.5)$, which increases."""
    return x + 0.4 * np.sin(x) + 0.2 * np.sin(1.7 * x + 1) + 0.03 * np.sin(3.3 * x - 2.5)


def wiggly_y(y: Float64[np.ndarray, "num dim"]) -> Float64[np.ndarray, "num dim"]:
    r"""$y - 0.4\sin 0.4y + 0.17\sin(1.3y + 3.5) + 0.02\sin(4.3y - 2.5)$, which increases."""
    return y - 0.4 * np.sin(0.4 * y) + 0.17 * np.sin(1.3 * y + 3.5) + 0.02 * np.sin(4.3 * y - 2.5)


def bimodal_x(x: Float64[np.ndarray, "num dim"]) -> Float64[np.ndarray, "num dim"]:
    r"""$F^{-1}(\Phi(x))$ with $F(a) = 0.3\,\Phi(a) + 0.7\,\Phi(a - 5)$: two bumps."""
    return _inverse_cdf(x, (0.3, 0.7), (0.0, 5.0))


def bimodal_y(y: Float64[np.ndarray, "num dim"]) -> Float64[np.ndarray, "num dim"]:
    r"""$F^{-1}(\Phi(y))$ with $F(a) = \tfrac12\Phi(a + 1) + \tfrac12\Phi(a - 3)$."""
    return _inverse_cdf(y, (0.5, 0.5), (-1.0, 3.0))


def swiss_roll(x: Float64[np.ndarray, "num 1"]) -> Float64[np.ndarray, "num 2"]:
    r"""A number in (0, 1) as a point of the curve $t\,(\sin t, \cos t)/21$ in the plane, $t = \tfrac{3\pi}{2}(1 +
    2x)$."""
    t = 1.5 * np.pi * (1 + 2 * x[:, 0])
    return np.stack([t * np.sin(t), t * np.cos(t)], 1) / 21


def spiral(x: Float64[np.ndarray, "num dim"], plane: tuple[int, int]) -> Float64[np.ndarray, "num dim"]:
    r"""Turned in a plane of two coordinates by the angle $\|x\|^2/d$."""
    angle = (x**2).sum(1) / x.shape[1]
    first, second = x[:, plane[0]], x[:, plane[1]]
    turned = x.copy()
    turned[:, plane[0]] = np.cos(angle) * first - np.sin(angle) * second
    turned[:, plane[1]] = np.sin(angle) * first + np.cos(angle) * second
    return turned


def _inverse_cdf(x, weights, means):
    """Of a mixture of unit Gaussians at a Gaussian's CDF, by bisection."""
    target = ndtr(x)
    low, high = x + min(means), x + max(means)
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = sum(weight * ndtr(middle - mean) for weight, mean in zip(weights, means)) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)
