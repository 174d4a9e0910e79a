"""Images: what is learnt from and measured on, what a network starts from, and the whole of a run."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from paper_figures.figure_samples import tiled
from runs import _image_models as models, images as program
from runs._record import execute


@pytest.fixture(scope="module")
def split():
    return models.load("digits")


def test_no_image_is_in_two_parts(split):
    parts = split.train, split.held_out, split.test
    assert [len(part) for part in parts] == [1_294, 143, 360]
    rows = np.concatenate([part.pixels.reshape(len(part), -1) for part in parts])
    every = ex.data.images.digits().pixels.reshape(1_797, -1)
    np.testing.assert_array_equal(np.sort(rows @ np.arange(64)), np.sort(every @ np.arange(64)))


@pytest.mark.slow
def test_before_its_training_a_network_knows_the_pixels_one_by_one(split):
    model = models.network("digits", split, models.Budget(), key=jr.key(0))
    every = models.complete(model)
    assert every.log_snr_range == (-np.inf, np.inf)
    z, log_snrs, y = jr.normal(jr.key(1), (4, 1, 8, 8)), jnp.array([-12.0, -3.0, 3.0, 15.0]), jnp.arange(4)
    found = eqx.filter_jit(jax.vmap(every))(z, log_snrs, y)
    np.testing.assert_allclose(found, jax.vmap(model.baseline)(z, log_snrs), rtol=1e-4, atol=1e-4)
    # Where it ends, noise is half of what dequantisation added.
    assert np.exp(-model.trained_range[1] / 2) == pytest.approx(2 / 17 / np.sqrt(12) / 2)


def test_a_gaussian_is_not_undone_by_a_pixel_that_hardly_varied(split):
    images = ex.data.images
    still = split.train.pixels.copy()
    still[..., 0, 0] = 0
    seen = dataclasses.replace(split, train=dataclasses.replace(split.train, pixels=still))
    moved = split.held_out.pixels.copy()
    moved[::8, ..., 0, 0] = 16
    others = dataclasses.replace(split.held_out, pixels=moved)
    x, y = (images.dequantise(part, jr.key(0)).reshape(len(part), -1) for part in (seen.train, others))
    plain, found = ex.Gaussian.fit(x), program.gaussian(dataclasses.replace(seen, held_out=others))
    nats = [float(-jnp.mean(jax.vmap(law.log_density)(y))) for law in (plain, found)]
    # An eighth of the images is the whole range away, in a pixel whose standard deviation was 0.034.
    assert nats[1] < nats[0] - 100
    np.testing.assert_allclose(found.axes, plain.axes)


def test_half_of_the_information():
    levels = np.array([-6.0, -4.0, -2.0, 0.0])
    assert program.half_point(levels, np.array([0.0, 0.4, 1.6, 2.0])) == -3.0
    # An estimate that falls within its error does not turn the curve back.
    assert program.half_point(levels, np.array([0.1, 0.0, 1.9, 2.0])) == pytest.approx(-3.0)


def test_columns_of_a_grid_are_classes():
    pictures = np.arange(30, dtype=float)[:, None, None, None] * np.ones((1, 2, 2))
    grid = tiled(pictures, 3)
    assert grid.shape == (9, 30)
    np.testing.assert_array_equal(grid[::3, ::3], np.arange(30).reshape(10, 3).T)


@pytest.mark.slow
def test_the_whole_of_a_run(tmp_path):
    config = dataclasses.replace(program.PRESETS["smoke"], images=32)
    # The difference is no bound, of a network of twenty steps least of all.
    with pytest.warns(ex.BoundWarning, match=r"entropy_difference\) >= 0"):
        metrics, arrays = execute(program.run, config, tmp_path).load()
    bits = {name: found["value"] for name, found in metrics["bits_per_dim"].items()}
    # Untrained, it is no better than its baseline, which is better than a Gaussian.
    assert abs(bits["i_mmse"] - bits["independent_pixels"]) < 0.3 < bits["gaussian"] - bits["independent_pixels"] + 0.1
    assert metrics["estimates"]["posterior"]["value"] < metrics["label_entropy"]
    assert arrays["samples_guided"].shape == (10, 1, 8, 8)
    assert arrays["trace"].shape == (1, 9)
