"""The benchmark of a GPU where there is none: the whole path, what it counts, and that no stage takes another down."""

import json
import os
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from benchmarks import _flops, gpu
from benchmarks._stages import Stages


def _without_zeros(layer, size):
    """Operations of a convolution as XLA counts them: without the zeros around an image."""
    filters, meets = layer.weight.shape[-1], 1
    for pixels, outputs in zip(size, _flops._output(layer, size)):
        places = layer.stride * np.arange(outputs)[:, None] + np.arange(filters) - layer.padding[0]
        meets *= int(((places >= 0) & (places < pixels)).sum())
    return 2 * meets * layer.weight.shape[0] * layer.weight.shape[1]


@pytest.mark.parametrize("stride", [1, 2])
def test_zeros_around_an_image_count_like_pixels(stride):
    padded, bare = (ex.nn.Conv2d(2, 5, 3, stride=stride, padding=(p, p), key=jr.key(0)) for p in (1, 0))
    ours = _flops._convolution(bare, (11, 16))
    assert _flops._convolution(padded, (9, 14)) == ours == _without_zeros(bare, (11, 16))
    analysis = jax.jit(lambda image: bare(image)).lower(jnp.ones((2, 11, 16))).cost_analysis()
    # The bias is one addition for each output; of nine pixels and two channels each takes 36 operations.
    assert analysis is not None and analysis["flops"] == ours + ours / 36


@pytest.mark.slow
def test_the_whole_path_on_a_cpu(tmp_path, monkeypatch):
    file = gpu.main(["--preset", "smoke", "--root", str(tmp_path)])
    found = json.loads(file.read_text())
    assert file.name == "cpu-smoke.json" and found["provenance"]["versions"]["jax"] == jax.__version__
    stages = found["stages"]
    assert not [stage for stage in stages.values() if "error" in stage]
    train = stages["train digits, batch 8"]
    assert train["images_per_second"] == pytest.approx(8 * train["steps_per_second"])
    assert train["share_of_peak"] == pytest.approx(train["flops_per_second"] / stages["peak"]["flops_per_second"])
    assert 0 <= train["idle_share"] < 1 and train["compile_seconds"] > 0
    # Eight images at 20 evaluations each.
    assert stages["sample digits"]["calls"] == 160
    network = gpu.PRESETS["smoke"].networks["digits"]
    net, size = eqx.filter_eval_shape(network.net), network.shape[1:]
    ours = _flops.forward(net, size)
    monkeypatch.setattr(_flops, "_convolution", _without_zeros)
    least = _flops.forward(net, size)
    for stage in (train, stages["evaluate digits"], stages["sample digits"]):
        count = stage["flops_per_image"]
        assert count["forward"] == ours > least
        assert least < count["forward_by_xla"] < 1.3 * least


@pytest.mark.slow
def test_without_a_gpu_it_says_that_it_needs_one(tmp_path):
    with pytest.raises(SystemExit, match="needs a GPU.*--preset smoke"):
        gpu.main(["--root", str(tmp_path)])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_operations_are_those_that_xla_counts(monkeypatch):
    monkeypatch.setattr(_flops, "_convolution", _without_zeros)
    labels = ex.nn.LabelCondition(4, 16, key=jr.key(0))
    net = ex.nn.UNet(2, labels, (32, 48), depth=1, attention=(1,), groups=8, key=jr.key(1))
    params, static = eqx.partition(net, eqx.is_inexact_array)
    z, log_snr, y = jnp.ones((2, 9, 14)), jnp.asarray(0.3), jnp.asarray(1)

    def loss(params, z):
        return jnp.sum(eqx.combine(params, static)(z, log_snr, y))

    # Norms and activations, which we leave out, are a few percent in a network so narrow.
    for function, ours in ((loss, _flops.forward), (jax.grad(loss), _flops.training)):
        analysis = jax.jit(function).lower(params, z).cost_analysis()
        assert analysis is not None and 1 < analysis["flops"] / ours(net, (9, 14)) < 1.1


@pytest.mark.slow
def test_a_stage_that_fails_costs_no_other(tmp_path):
    stages = Stages(seconds=3600.0, limit=3600.0, preload="json")
    stages.file = file = tmp_path / "results.json"
    assert "ValueError: no" in stages.run("raises", _raises)["error"]
    assert "exit code 3" in stages.run("dies", _dies)["error"]
    assert stages.run("works", _works, 2)["value"] == 4
    found = json.loads(file.read_text())
    assert list(found["stages"]) == ["raises", "dies", "works"]
    stages = Stages(seconds=3600.0, limit=0.5, preload="json")
    assert "Stopped after" in stages.run("lasts", _lasts)["error"]
    assert "No time" in Stages(seconds=0.0, limit=1.0, preload="json").run("late", _works, 2)["error"]


def _raises():
    raise ValueError("no")


def _dies():
    os._exit(3)


def _lasts():
    time.sleep(600)
    return {}


def _works(number):
    return {"value": number**2}
