"""What latents know of labels, by neighbours and by a probe, where it is known; the sharpness of images; the runs."""

import contextlib
import dataclasses
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.data.images import Images
from runs import (
    _image_models as models,
    _latent_knowledge as knowledge,
    _latent_models as program,
    autoencoders,
    latents,
)
from runs._record import execute


def _two_classes(num, dim, apart):
    """Labels ±1 and z = apart·y + noise in the first coordinate; and I(Z;Y) by quadrature."""
    rng = np.random.default_rng(0)
    y = np.arange(num) % 2
    z = rng.normal(size=(num, dim))
    z[:, 0] += apart * (2 * y - 1)
    grid = np.linspace(-12, 12, 20_001)
    density = np.exp(-0.5 * (grid - apart) ** 2) / np.sqrt(2 * np.pi)
    return z.astype(np.float32), y, np.log(2) - np.trapezoid(density * np.logaddexp(0, -2 * apart * grid), grid)


@pytest.mark.parametrize("apart", [0.0, 0.7, 2.0])
def test_neighbours_and_a_probe_know_what_two_gaussians_tell(apart):
    z, y, exact = _two_classes(4_000, 2, apart)
    for estimate in (knowledge.neighbours(z, y), knowledge.probe(z, y)):
        assert abs(float(estimate.value) - exact) < 0.01 + 4 * float(estimate.stderr)


def test_power_at_high_frequencies():
    rows = np.arange(16)
    slow, fast = np.cos(2 * np.pi * rows / 16), np.cos(2 * np.pi * 6 * rows / 16)
    images = np.stack([np.tile(wave, (16, 1))[None] for wave in (slow, fast)])
    # By Parseval's identity all of the power, 256/2, of the second, and none of the first.
    np.testing.assert_allclose(autoencoders.sharpness(images), [0.0, 128.0], atol=1e-9)


@pytest.mark.slow
def test_before_its_training_a_decoder_knows_the_pixels_one_by_one():
    split = models.load("digits")
    budget = program.Budget(dim=3)
    model = program.diffusion_autoencoder(split, budget, (0.5,), jr.key(0))
    z, told = jr.normal(jr.key(1), (64,)), (jnp.ones(3), -jnp.ones(3))
    marginals = models.marginals(split)
    both = eqx.filter_jit(lambda a: (model.denoiser(z, a, told), marginals(z.reshape(1, 8, 8), a).reshape(-1)))
    for log_snr in (-2.0, 4.0):
        np.testing.assert_allclose(*both(jnp.asarray(log_snr)), rtol=1e-5, atol=1e-5)
    assert [encoder.dim for encoder in model.encoders] == [3, 3]
    # And beyond its training, the distortion is -log p of independent pixels, whatever the latents.
    x = program.pixels(split.test[:200], (64,), jr.key(2))
    integrator = ex.Integrator(nodes=ex.Stratified(32), chunk=64)
    whole = program.complete(model, split)
    found = whole.distortion(x, (jnp.ones((200, 3)),) * 2, key=jr.key(3), integrator=integrator)
    exact = -np.mean([marginals.log_density(image) for image in x.reshape(-1, 1, 8, 8)])
    assert abs(float(found.value) - exact) < 4 * float(found.stderr_nodes) + 0.02 * abs(exact), f"{found}, {exact}"


def test_a_band_has_the_errors_of_estimates_and_of_seeds():
    row = lambda tau, value: {"tau": tau, "semantic": {"I(Z;Y)": {"posterior": {"value": value, "stderr": 0.3}}}}
    times, values, errors = latents.curve([row(0.5, 1.0), row(0.1, 2.0), row(0.5, 2.0)], "semantic", "posterior")
    np.testing.assert_array_equal(times, [0.1, 0.5])
    np.testing.assert_array_equal(values, [2.0, 1.5])
    # Of two seeds one apart the mean has an error of a half.
    np.testing.assert_allclose(errors, np.hypot(0.3, [0.0, 0.5]))


@contextlib.contextmanager
def untrained():
    """Warnings of networks of twenty steps, which others would be too many for."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert {w.category for w in caught} <= {ex.TruncationWarning, ex.BoundWarning, ex.latent.CollapseWarning}


@pytest.mark.slow
def test_the_whole_of_the_scan_goes_on_where_it_ended(tmp_path, monkeypatch):
    config = latents.PRESETS["smoke"]
    with untrained():
        first = latents.run(config, "0/2", str(tmp_path))
        rows = latents.run(config, "0/1", str(tmp_path))
    assert [len(first), len(rows)] == [1, 2]
    # What the first shard has made was taken as it was.
    assert first[0] == rows[0]
    monkeypatch.setattr(latents, "piece", lambda *args: pytest.fail("a piece was made again"))
    assert latents.run(config, "0/1", str(tmp_path)) == rows
    for name in latents.NAMES:
        assert rows[0][name]["I(Z;Y)"]["posterior"]["value"] <= rows[0]["label_entropy"]


def _disturbed(model, key):
    """The autoencoder, with weights of its network that have moved away from their first values."""
    net = lambda model: model.denoiser.denoiser.net
    weights, rest = eqx.partition(net(model), eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(weights)
    moved = [leaf + 0.02 * jr.normal(k, leaf.shape) for leaf, k in zip(leaves, jr.split(key, len(leaves)))]
    return eqx.tree_at(net, model, eqx.combine(jax.tree.unflatten(structure, moved), rest))


@pytest.mark.slow
@pytest.mark.parametrize("preset, shape", [("paper", (1, 28, 28)), ("cifar10", (3, 32, 32))])
def test_images_that_have_to_be_downloaded_are_taken_as_they_come(preset, shape, monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.arange(64, dtype=np.int32) % 10
    # The label is the grey of a corner.
    pixels = rng.integers(0, 256, (64, *shape), np.uint8)
    pixels[:, :, :4, :4] = 25 * labels[:, None, None, None]
    part = Images(pixels, labels)
    monkeypatch.setattr(models, "load", lambda data: models.Split(part, part, part))
    trained = program.train

    def trained_and_disturbed(model, *args, key):
        # After two steps a decoder still predicts the same noise whatever its latents, as before its training.
        return _disturbed(trained(model, *args, key=key), key)

    monkeypatch.setattr(program, "train", trained_and_disturbed)
    full = latents.PRESETS[preset]
    budget = dataclasses.replace(full.budget, steps=2, batch_size=8)
    with untrained():
        row = latents.piece(dataclasses.replace(full, budget=budget, images=32, nodes=2, fitting=20), 0.1, 0)
    assert np.shape(row["semantic"]["plane"]) == (32, 2)
    for name in latents.NAMES:
        told = row[name]["I(Z;Y)"]["posterior"]
        assert float(told.value) <= row["label_entropy"] + 2 * float(told.stderr)


@pytest.mark.slow
def test_the_whole_of_the_autoencoders(tmp_path):
    config = dataclasses.replace(autoencoders.PRESETS["smoke"], shown=8)
    with untrained():
        metrics, arrays = execute(autoencoders.run, config, tmp_path).load()
    assert arrays["decoded_diffusion"].shape == arrays["decoded_variational"].shape == (8, 1, 8, 8)
    # A mean is less sharp than a draw.
    assert metrics["variational"]["sharpness"] < 0.5 * metrics["diffusion"]["sharpness"]
