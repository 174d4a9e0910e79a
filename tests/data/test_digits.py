import jax.random as jr
import numpy as np
from sklearn.datasets import load_digits

from entropax.data import digits


def test_digits_are_the_pixels_dequantised_and_shuffled():
    x, y = (np.asarray(v) for v in digits(jr.key(0)))
    pixels, labels = load_digits(return_X_y=True)
    # The scale undone, flooring gives the pixels back, but for float32 at the edges.
    shares = (x.astype(np.float64) + 1) * 8.5
    found = np.column_stack([y, np.minimum(np.floor(shares + 1e-6), 16)])
    wanted = np.column_stack([labels, pixels])
    order, target = np.lexsort(found.T[::-1]), np.lexsort(wanted.T[::-1])
    assert (found[order] == wanted[target]).mean() > 1 - 1e-5
    assert x.min() >= -1 and x.max() <= 1
    # The order is random: neighbours share a label one time in ten.
    neighbours = (y[1:] == y[:-1]).mean()
    assert abs(neighbours - 0.1) < 4.5 * np.sqrt(0.09 / 1796)
    # The noise is uniform: mean 1/2 and variance 1/12 around the pixel.
    noise = shares - found[:, 1:]
    assert abs(noise.mean() - 0.5) < 4.5 * np.sqrt(1 / 12 / noise.size)
    assert abs(noise.var() - 1 / 12) < 4.5 * np.sqrt(1 / 180 / noise.size)


def test_key_decides():
    first, again, other = (digits(jr.key(k))[0] for k in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.mean(np.asarray(first) == np.asarray(other)) < 0.01
