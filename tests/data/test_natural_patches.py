import builtins
import importlib.util
import pathlib
import socket
import sys

import jax.random as jr
import numpy as np
import pytest
from scipy.stats import chi2

from entropax.data.images import natural_patches


needs_photographs = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None, reason="the photographs come with scikit-image, entropax[photos]"
)


def photograph(name):
    image = pytest.importorskip("PIL.Image")
    package = importlib.util.find_spec("skimage")
    assert package is not None and package.origin is not None
    return image.open(pathlib.Path(package.origin).parent / "data" / f"{name}.png")


@needs_photographs
@pytest.mark.parametrize("channels, count", [(3, 4), (1, 8)])
def test_each_patch_is_found_in_its_photograph(getkey, channels, count):
    num = 100
    found = natural_patches(getkey(), num, 12, channels)
    assert found.shape == (channels, 12, 12) and found.classes == count and found.levels == 256
    assert found.labels is not None and found.names is not None
    places = []
    for patch, label in zip(found.pixels, found.labels):
        file = photograph(found.names[label])
        if channels == 3:
            assert file.mode == "RGB"
        whole = np.asarray(file.convert("RGB" if channels == 3 else "L")).reshape(file.height, file.width, channels)
        windows = np.lib.stride_tricks.sliding_window_view(whole, (12, 12), (0, 1))
        corners = (windows[..., 0, 0] == patch[:, 0, 0]).all(-1)
        matches = [(i, j) for i, j in np.argwhere(corners) if (windows[i, j] == patch).all()]
        places.append((np.asarray(matches[0]) + 0.5) / corners.shape)
    # Everywhere in it: uniform along both axes.
    assert np.abs(np.mean(places, 0) - 0.5).max() < 4.5 * np.sqrt(1 / 12 / num)
    assert np.abs(np.var(places, 0) - 1 / 12).max() < 4.5 * np.sqrt(1 / 180 / num)


@needs_photographs
def test_photographs_come_up_by_how_many_places_they_have(getkey):
    num, size = 1_000, 200
    found = natural_patches(getkey(), num, size)
    assert found.names is not None
    sizes = [np.asarray(photograph(name)).shape[:2] for name in found.names]
    places = np.asarray([(height - size + 1) * (width - size + 1) for height, width in sizes])
    expected = num * places / places.sum()
    counts = np.bincount(np.asarray(found.labels), minlength=4)
    assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(1 - 1e-5, 3)


@needs_photographs
def test_the_key_decides(getkey):
    key = getkey()
    first, again, other = (natural_patches(k, 50, 8).pixels for k in (key, key, getkey()))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.1


@needs_photographs
def test_patches_may_be_as_large_as_the_smallest_photograph(getkey):
    assert natural_patches(getkey(), 2, 300).shape == (3, 300, 300)
    with pytest.raises(ValueError, match="`size` must be from 1 to 300, the least side of a photograph; got 301"):
        natural_patches(getkey(), 2, 301)
    with pytest.raises(ValueError, match="`num` must be positive; got 0"):
        natural_patches(getkey(), 0, 8)


@needs_photographs
def test_nothing_is_fetched(getkey, monkeypatch):
    imported = builtins.__import__

    def guarded(name, *args, **kwargs):
        assert name.split(".")[0] not in ("pooch", "skimage"), name
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", guarded)
    monkeypatch.setattr(socket.socket, "connect", lambda *args: pytest.fail("a connection"))
    natural_patches(getkey(), 2, 8)
    assert "pooch" not in sys.modules


def test_without_scikit_image(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"`natural_patches` needs scikit-image: pip install 'entropax\[photos\]'"):
        natural_patches(jr.key(0), 2, 8)
