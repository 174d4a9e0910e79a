"""The table of an imported checkpoint: numbers that are known where the denoiser is exact, and what is refused."""

import dataclasses
import json
import pathlib
import shutil
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import entropax as ex
from paper_figures._checkpoint_table import printed
from runs import _checkpoints, itd_checkpoint
from runs._itd_published import PUBLISHED, SPACING
from runs._record import execute
from runs.itd_checkpoint import Config, measure, Split, spread
from tests.trusted import Trusted


GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
LEVELS, SHAPE = 4, (1, 2, 3)


def images_of(index) -> ex.data.images.Images:
    return ex.data.images.Images(np.asarray(index, np.uint8).reshape(-1, *SHAPE), levels=LEVELS)


def pixel_law(key):
    """Independent pixels: their probabilities and their code length, in bits."""
    logs = jax.nn.log_softmax(1.5 * jr.normal(key, (*SHAPE, LEVELS)))
    draw = lambda key, num: images_of(jr.categorical(key, logs, shape=(num, *SHAPE)))
    bits = -float(np.sum(np.exp(logs) * np.asarray(logs))) / np.log(2) / 6
    return logs, draw, bits


def error(estimate) -> float:
    return 4 * float(estimate.stderr)


CONFIG = Config(nodes=64, chunk=20_000)
STEPS = np.linspace(8.0, -9.0, 200)


@pytest.mark.slow
def test_images_that_depend_on_each_other_have_the_code_length_of_their_number(getkey):
    # Sixteen images, equally likely: log2 16 bits for six pixels, which no denoiser of pixels by themselves knows.
    points = images_of(jr.choice(getkey(), LEVELS, (16, *SHAPE)))
    exact = 4 / 6
    whole = images_of(np.tile(points.pixels, (40, 1, 1, 1)))
    # On a range that cuts the integral at both ends, as a network has it.
    model = Trusted(ex.Empirical(ex.data.images.on_grid(points)), (-5.0, 8.0))
    found, chosen, _ = measure(model, STEPS[STEPS > -5], Split(whole, whole[:200], whole), CONFIG)
    for name in ("network", "best"):
        assert abs(float(found[name].value) - exact) < error(found[name]) < 0.04, name
    # Steps only ever add to it; those of this width a few hundredths.
    assert exact - error(found["bound"]) < float(found["bound"].value) < exact + 0.1 + error(found["bound"])
    for name in ("hard", "soft"):
        assert float(found[name].value) > exact - error(found[name]), name
    assert set(chosen["best"]) & {"network", "hard"}


@pytest.mark.slow
def test_dequantised_pixels_have_the_code_length_of_their_levels(getkey):
    logs, draw, exact = pixel_law(getkey())
    training, validation, test = (draw(getkey(), num) for num in (20_000, 300, 1500))
    edge = 1 + 1 / (LEVELS - 1)
    model = Trusted(ex.Histogram(np.linspace(-edge, edge, logs.shape[-1] + 1), logs), (-9.0, 9.0))
    found, _, _ = measure(model, STEPS, Split(training, validation, test), CONFIG)
    # All of it: where the network is not asked, the pixels' frequencies are, of which there are many.
    estimate = found["best_dequantised"]
    assert abs(float(estimate.value) - exact) < error(estimate) < 0.1
    # The network alone leaves what lies above its range to the Gaussian: a bound from above.
    assert float(found["dequantised"].value) > float(estimate.value) - 0.01
    # And on the levels: pixels by themselves, of which the frequencies know all.
    assert abs(float(found["best"].value) - exact) < error(found["best"]) < 0.1


def test_the_spread_of_the_decoder_is_that_of_ddpm():
    # β_1 (1 - ᾱ_0) / (1 - ᾱ_1) of the linear schedule.
    betas = np.linspace(1e-4, 0.02, 1000)
    alphas = np.cumprod(1 - betas)
    expected = np.sqrt(betas[1] * (1 - alphas[0]) / (1 - alphas[1]))
    np.testing.assert_allclose(spread(ex.weights.linear_log_snrs(1000)), expected, rtol=1e-3)


@pytest.fixture
def model(tmp_path) -> pathlib.Path:
    """A UNet2DModel with random weights, for 8 x 8 grey images, in the layout that diffusers writes."""
    tensors = load_file(GOLDEN / "unet_diffusers.safetensors")
    grey = {"conv_in.weight": lambda t: t[:, :1], "conv_out.weight": lambda t: t[:1], "conv_out.bias": lambda t: t[:1]}
    tensors |= {name: np.ascontiguousarray(cut(tensors[name])) for name, cut in grey.items()}
    config = json.loads((GOLDEN / "unet_diffusers.json").read_text())
    config |= {"in_channels": 1, "out_channels": 1, "sample_size": 8}
    save_file(tensors, tmp_path / "unet.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path / "unet.safetensors"


TINY: dict[str, Any] = dict(data="digits", images=6, validation=6, training=200, nodes=32, chunk=64, bound_steps=3)


@pytest.mark.slow
def test_from_a_file_to_the_table(model, tmp_path):
    scheduler = {"num_train_timesteps": 50, "beta_start": 1e-3, "beta_end": 0.3, "beta_schedule": "linear"}
    (tmp_path / "scheduler_config.json").write_text(json.dumps(scheduler))
    record = execute(itd_checkpoint.run, Config(model=str(model), **TINY), tmp_path / "results")
    metrics, curves = record.load()
    assert metrics["kind"] == "diffusers" and metrics["schedule"] == "linear, 50 steps, by scheduler_config.json"
    log_snrs = ex.weights.linear_log_snrs(50, first=1e-3, last=0.3)
    np.testing.assert_allclose(metrics["log_snr_range"], [log_snrs[-1], log_snrs[0]], rtol=1e-6)
    bits = metrics["bits_per_dim"]
    # Random weights predict badly: the best is no worse than they are, and not much above a flat code of 17 levels.
    assert bits["best"]["value"] < min(bits[name]["value"] for name in ("network", "hard", "soft"))
    assert 1.0 < bits["best"]["value"] < np.log2(17) + 0.5 < bits["bound"]["value"]
    assert bits["best_dequantised"]["value"] < bits["dequantised"]["value"]
    assert "network" not in set(metrics["chosen"]["best"]) | set(metrics["chosen"]["best_dequantised"])
    assert set(curves) == {"network", "hard", "soft", "best"} and metrics["test_images"] == 6
    # Other weights under the same name are another configuration.
    tensors = load_file(model)
    save_file(tensors | {"conv_out.bias": tensors["conv_out.bias"] + 1}, model)
    assert Config(model=str(model), **TINY).digest != record.config.digest


def test_improved_diffusion_is_known_by_its_tensors():
    found = _checkpoints.load(str(GOLDEN / "unet_iddpm.safetensors"), heads=2, groups=8)
    assert found.kind == "improved-diffusion" and found.shape == (3, 0, 0) and found.schedule == "cosine, 4000 steps"
    known = ex.weights.load_iddpm(
        GOLDEN / "unet_iddpm.safetensors", widths=(16, 24), depth=1, attention=(1,), heads=2, groups=8
    )
    z, log_snr = jr.normal(jr.key(0), (3, 8, 8)), jnp.float32(1.0)
    np.testing.assert_array_equal(eqx.filter_jit(found.denoiser)(z, log_snr), eqx.filter_jit(known)(z, log_snr))


def test_print_stands_beside_the_same_quantity():
    rows = {row.model: row for row in PUBLISHED}
    assert printed("bound", "bound", rows["IDDPM"]) == "2.94" and printed("bound", "bound", rows["Ensemble"]) == ""
    assert printed("soft", "soft", rows["DDPM"]) == "3.68" and printed("best", "soft", rows["DDPM"]) == ""
    assert printed("best", "soft", rows["Ensemble"]) == "2.90" and printed("soft", "soft", rows["Ensemble"]) == ""
    # As a code length, -4.09 + 6.994; what was not compared with print says so.
    assert (
        printed("levels", "density", rows["IDDPM"]) == "2.90" and printed("levels", "density", rows["DDPM"])[-1] == "*"
    )
    # Table 1 has the bounds of Table 2, less the bin width.
    for row in PUBLISHED:
        if row.bound is not None and row.density_bound is not None:
            assert abs(row.density_bound - np.log2(SPACING) - row.bound) < 0.011


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model": ""}, "`model` must name a .safetensors file: --model FILE"),
        ({"model": "nowhere.safetensors"}, "`model` must name .* there is none at 'nowhere.safetensors'"),
        ({"data": "moon"}, "`data` must be cifar10, mnist, digits, photographs, or a folder .* got 'moon'"),
        ({"size": 16}, "`size` must be what `model` says of its images, 8 x 8; got 16"),
        ({"log_snr_range": (-5.0, 30.0)}, "`log_snr_range` must increase within .* got .-5.0, 30.0"),
        ({"images": 1797}, "`images` and `validation` ask for 1803 images .* `data`, digits, has 1797"),
    ],
)
def test_what_the_options_may_not_say(change: dict[str, Any], message, model, tmp_path):
    config = dataclasses.replace(Config(model=str(model), **TINY), **change)
    with pytest.raises(ValueError, match=message):
        execute(itd_checkpoint.run, config, tmp_path / "results")


def test_files_of_other_networks_are_refused_by_name(model, tmp_path):
    def load(**change):
        return _checkpoints.load(str(model), **change)

    other = tmp_path / "other.safetensors"
    save_file({"encoder.weight": np.zeros(3, np.float32)}, other)
    with pytest.raises(ValueError, match="`model`, other.safetensors, .* it has 1 others: encoder.weight"):
        _checkpoints.load(str(other))
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="`model`, weights.pt, .* is a pickle"):
        _checkpoints.load(str(tmp_path / "weights.pt"))
    save_file(load_file(model) | {"class_embedding.weight": np.zeros((2, 2), np.float32)}, other)
    with pytest.raises(ValueError, match="`model`, other.safetensors, .* is told classes"):
        _checkpoints.load(str(other))
    (tmp_path / "scheduler_config.json").write_text(json.dumps({"prediction_type": "v_prediction"}))
    with pytest.raises(ValueError, match="prediction_type 'v_prediction'"):
        load()
    assert load(schedule="cosine", steps=20).log_snrs.shape == (20,)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"layers_per_block": 2}))
    with pytest.raises(ValueError, match="`model`, unet.safetensors, cannot be measured. The tensors are not those"):
        load(schedule="linear")
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match="config.json says the layout; there is none beside it"):
        load()


def test_images_of_another_size_are_refused(model, tmp_path):
    config = json.loads((tmp_path / "config.json").read_text()) | {"sample_size": 16}
    (tmp_path / "config.json").write_text(json.dumps(config))
    message = r"`data`, digits, has images of shape \(1, 8, 8\) .* network of `model` is for \(1, 16, 16\)"
    with pytest.raises(ValueError, match=message):
        execute(itd_checkpoint.run, Config(model=str(model), **TINY), tmp_path / "results")
    # Where nothing says the size, it is asked for.
    golden = tmp_path / "iddpm.safetensors"
    shutil.copy(GOLDEN / "unet_iddpm.safetensors", golden)
    with pytest.raises(ValueError, match="`size` must be given: nothing beside `model` says"):
        execute(itd_checkpoint.run, Config(model=str(golden), heads=2, groups=8, **TINY), tmp_path / "results")
