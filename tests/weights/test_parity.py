"""Imported checkpoints predict what the networks that they come from do: golden/unet*, made by golden/make_unet.py."""

import json
import pathlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import entropax as ex


GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
ARRAYS = np.load(GOLDEN / "unet.npz")
DIFFUSERS, IDDPM = GOLDEN / "unet_diffusers.safetensors", GOLDEN / "unet_iddpm.safetensors"
CONFIG = json.loads((GOLDEN / "unet_diffusers.json").read_text())
SMALL: dict[str, Any] = dict(widths=(16, 24), depth=1, attention=(1,), heads=2, groups=8)


def _load_iddpm(path=IDDPM, **settings):
    return ex.weights.load_iddpm(path, **SMALL | settings)


def _net(model) -> ex.nn.UNet:
    assert isinstance(model.net, ex.nn.UNet)
    return model.net


# One for all models of the same layout.
_vmapped = eqx.filter_jit(lambda model, x, log_snrs: jax.vmap(model)(x, log_snrs))


def _predict(model, log_snrs):
    with jax.default_matmul_precision("highest"):
        return _vmapped(model, jnp.asarray(ARRAYS["x"]), jnp.asarray(log_snrs))


CASES = pytest.mark.parametrize(
    "kind, load, schedule",
    [
        ("diffusers", lambda: ex.weights.load_diffusers(DIFFUSERS, GOLDEN / "unet_diffusers.json"), 1000),
        ("iddpm", _load_iddpm, 4000),
    ],
    ids=["diffusers", "iddpm"],
)


@CASES
def test_predictions_are_those_of_the_checkpoint_at_its_steps(kind, load, schedule):
    model = load()
    log_snrs = {1000: ex.weights.linear_log_snrs(1000), 4000: ex.weights.cosine_log_snrs(4000)}[schedule]
    found = _predict(model, log_snrs[ARRAYS[f"{kind}_steps"]])
    expected = ARRAYS[f"{kind}_noise"]
    # That the comparison can tell: noise levels and images matter.
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert model.log_snr_range == (float(log_snrs[-1]), float(log_snrs[0]))


@pytest.mark.slow
def test_every_trap_of_the_layout_is_seen_by_the_comparison():
    # Each as a configuration that is wrong in one place: the weights fit, the predictions do not.
    log_snrs = ex.weights.linear_log_snrs(1000)[ARRAYS["diffusers_steps"]]
    for change in (dict(downsample_padding=1), dict(flip_sin_to_cos=True), dict(freq_shift=0, attention_head_dim=8)):
        found = _predict(ex.weights.load_diffusers(DIFFUSERS, CONFIG | change), log_snrs)
        assert np.max(np.abs(found - ARRAYS["diffusers_noise"])) > 2e-4, change
    found = _predict(_load_iddpm(heads=1), ex.weights.cosine_log_snrs(4000)[ARRAYS["iddpm_steps"]])
    assert np.max(np.abs(found - ARRAYS["iddpm_noise"])) > 2e-4


def test_legacy_names_are_understood(tmp_path):
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for name, tensor in load_file(DIFFUSERS).items():
        for new, legacy in names.items():
            name = name.replace(f".{new}.", f".{legacy}.")
        old[name] = tensor
    assert any("proj_attn" in name for name in old)
    save_file(old, tmp_path / "old.safetensors")
    one, other = (ex.weights.load_diffusers(path, CONFIG) for path in (DIFFUSERS, tmp_path / "old.safetensors"))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        if eqx.is_array(a):
            np.testing.assert_array_equal(a, b)


def test_learned_variances_are_left_out_and_need_not_be_there(tmp_path):
    tensors = load_file(IDDPM)
    assert tensors["out.2.weight"].shape[0] == 6
    without = tensors | {name: tensors[name][:3].copy() for name in ("out.2.weight", "out.2.bias")}
    save_file(without, tmp_path / "plain.safetensors")
    one, other = _load_iddpm(), _load_iddpm(tmp_path / "plain.safetensors")
    np.testing.assert_array_equal(_net(one).output.weight, _net(other).output.weight)
    np.testing.assert_array_equal(_net(one).output.weight, tensors["out.2.weight"][:3])


def test_half_precision_is_read_as_float32(tmp_path):
    save_file(
        {name: tensor.astype(np.float16) for name, tensor in load_file(IDDPM).items()}, tmp_path / "a.safetensors"
    )
    model = _load_iddpm(tmp_path / "a.safetensors")
    leaves = jax.tree.leaves(eqx.filter(model, eqx.is_array))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype(jnp.float32)}
    log_snr = ex.weights.cosine_log_snrs(4000)[ARRAYS["iddpm_steps"]]
    np.testing.assert_allclose(_predict(model, log_snr), ARRAYS["iddpm_noise"], atol=2e-2)


def test_an_imported_network_is_a_denoiser_between_its_steps_too():
    model = _load_iddpm()
    log_snrs = ex.weights.cosine_log_snrs(4000)
    embedding = _net(model).log_snr_embedding
    assert isinstance(embedding, ex.nn.StepEmbedding)
    between = jnp.asarray([log_snrs[0], 0.25 * log_snrs[700] + 0.75 * log_snrs[701], log_snrs[-1], 40.0, -40.0])
    np.testing.assert_allclose(jax.vmap(embedding.step)(between), [0, 700.75, 3999, 0, 3999], atol=2e-3)
    # The schedule is no parameter: no gradient reaches it.
    gradients = eqx.filter_grad(lambda embedding: jnp.sum(embedding(jnp.asarray(0.3)) ** 2))(embedding)
    assert not np.any(gradients.log_snrs)
    assert np.any(gradients.first.weight)
