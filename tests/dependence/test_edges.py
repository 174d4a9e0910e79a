"""The curve of a law with edges, cut where a network would lose them; and of laws that have none."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, ndtr
from scipy.stats import norm

from entropax.dependence._network import continued, edge_weights, has_edges


LEVELS = np.linspace(-12, 16, 5_601)


def curve(density, ends, num=20_001):
    r"""$\mathbb E(\varepsilon - \hat\varepsilon_{\mathcal N})^2 - \mathbb E(\varepsilon - \hat\varepsilon)^2 = \mathbb
    E\,\hat\varepsilon^2 - \mathrm{sigmoid}(-\lambda)$ of a density of unit variance."""
    gaps = []
    for level in LEVELS[::20]:
        noise = np.exp(-level / 2)  # of a signal of unit size
        # Of the sum of signal and noise: where it is not, nothing is told.
        z = np.linspace(ends[0] - 8 * noise, ends[1] + 8 * noise, num)
        p, slope = density(z, noise)
        told = np.where(p > 1e-100, slope, 0) ** 2 / np.maximum(p, 1e-100)
        gaps.append(noise**2 * np.trapezoid(told, z) - expit(-level))
    return np.interp(LEVELS, LEVELS[::20], gaps)


def uniform(z, noise):
    """From -√3 to √3."""
    end = 3**0.5
    p = (ndtr((z + end) / noise) - ndtr((z - end) / noise)) / (2 * end)
    slope = (norm.pdf((z + end) / noise) - norm.pdf((z - end) / noise)) / (2 * end * noise)
    return p, slope


def bumps(z, noise, apart=0.8):
    """Two Gaussians."""
    spread = 1 - apart**2 + noise**2
    each = [norm.pdf(z, side * apart, spread**0.5) / 2 for side in (-1, 1)]
    p = sum(each)
    slope = sum(-(z - side * apart) / spread * one for side, one in zip((-1, 1), each))
    return p, slope


def sums(gaps):
    """Of one sample that stands for all."""
    step = LEVELS[1] - LEVELS[0]
    rows = np.concatenate([np.ones((1, len(LEVELS))), np.asarray(edge_weights(jnp.asarray(LEVELS, jnp.float32)))])
    return 0.5 * step * (rows * gaps).sum(1)[:, None]


def test_edges():
    r"""The departure of a uniform law is $\tfrac12\log 2\pi e - \log\sqrt{12}$."""
    exact = 0.5 * np.log(2 * np.pi * np.e / 12)
    gaps = curve(uniform, (-(3**0.5), 3**0.5))
    np.testing.assert_allclose(sums(gaps)[0], exact, atol=5e-4)
    np.testing.assert_allclose(continued(sums(gaps)), exact, atol=2e-3)
    # As a network has it, sharp as far as the bands go, and not quite.
    blurred = sums(gaps * expit(4 * (6.5 - LEVELS)))
    assert blurred[0] < exact - 0.015
    assert has_edges(blurred)
    np.testing.assert_allclose(continued(blurred), exact, atol=2e-3)
    blurred = sums(gaps * expit(2 * (6 - LEVELS)))
    assert blurred[0] < exact - 0.02
    assert has_edges(blurred)
    assert exact - 0.006 < continued(blurred) < exact


@pytest.mark.parametrize("apart", [0.6, 0.8, 0.9])
def test_smooth(apart):
    gaps = curve(lambda z, noise: bumps(z, noise, apart), (-4, 4))
    assert not has_edges(sums(gaps))
    # Nor where a network loses something.
    assert not has_edges(sums(gaps * expit(2 * (6 - LEVELS))))


def test_points():
    """Noise of two points is told for certain at any level of these."""
    assert not has_edges(sums(expit(4 * LEVELS) * (LEVELS < 9)))


def test_nothing():
    """Of a Gaussian no network finds anything, and what it knows falls as that of smooth laws does."""
    assert not has_edges(np.zeros((4, 10)))
