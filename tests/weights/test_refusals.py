"""Imports are strict: what is not a safetensors file, or not the network that was described, is refused by name."""

import builtins
import json
import pathlib
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import entropax as ex


GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
DIFFUSERS = GOLDEN / "unet_diffusers.safetensors"
CONFIG = json.loads((GOLDEN / "unet_diffusers.json").read_text())


class _Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".bin", ".pth", ".PKL"])
def test_a_pickle_is_never_opened(suffix, tmp_path):
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(pickle.dumps(_Bomb()))
    for load in (lambda: ex.weights.load_iddpm(file), lambda: ex.weights.load_diffusers(file, CONFIG)):
        with pytest.raises(ValueError, match=rf"A {suffix} file is a pickle.*Convert it .*safetensors.torch.save_file"):
            load()


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="`path` must name a .safetensors file; got weights.npz"):
        ex.weights.read_tensors(tmp_path / "weights.npz")
    with pytest.raises(ValueError, match="there is none at"):
        ex.weights.read_tensors(tmp_path / "weights.safetensors")
    (tmp_path / "weights.safetensors").write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(ValueError, match="`path` does not hold a safetensors file"):
        ex.weights.read_tensors(tmp_path / "weights.safetensors")


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "safetensors":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'entropax\[weights\]'"):
        ex.weights.load_diffusers(DIFFUSERS, CONFIG)


def _saved(tmp_path, change):
    tensors = load_file(DIFFUSERS)
    change(tensors)
    save_file(tensors, tmp_path / "changed.safetensors")
    return tmp_path / "changed.safetensors"


def test_missing_unexpected_and_misshaped_tensors_are_named(tmp_path):
    def change(tensors):
        for name in [name for name in tensors if name.startswith("mid_block.resnets.1")]:
            del tensors[name]
        tensors["encoder.weight"] = np.zeros(3, np.float32)
        # As many numbers as are wanted, in another order.
        tensors["conv_in.weight"] = np.ascontiguousarray(np.moveaxis(tensors["conv_in.weight"], 0, 1))

    with pytest.raises(ValueError) as caught:
        ex.weights.load_diffusers(_saved(tmp_path, change), CONFIG)
    message = str(caught.value)
    assert "10 missing (mid_block.resnets.1.conv1.bias; mid_block.resnets.1.conv1.weight; " in message
    assert "; ...), 1 unexpected (encoder.weight), " in message
    assert "1 of another shape (conv_in.weight (3, 16, 3, 3), wanted (16, 3, 3, 3))" in message


def test_another_network_than_the_configuration_describes():
    with pytest.raises(ValueError, match=r"missing \(down_blocks.0.resnets.1.*other shape|of another shape"):
        ex.weights.load_diffusers(DIFFUSERS, CONFIG | {"layers_per_block": 2})
    with pytest.raises(ValueError, match=r"missing \(input_blocks.0.0.bias.*unexpected \(conv_in.bias"):
        ex.weights.load_iddpm(DIFFUSERS, widths=(16, 24), depth=1, attention=(1,), groups=8)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"center_input_sample": True}, "center_input_sample = True, of which only False"),
        ({"time_embedding_type": "fourier"}, "time_embedding_type = 'fourier', of which only 'positional'"),
        ({"downsample_type": "resnet"}, "downsample_type = 'resnet'"),
        ({"num_class_embeds": 10}, "num_class_embeds = 10"),
        ({"out_channels": 6}, "as many `out_channels` as `in_channels`"),
        ({"down_block_types": ["SkipDownBlock2D", "AttnDownBlock2D"]}, "what mirrors them"),
        ({"up_block_types": ["UpBlock2D", "AttnUpBlock2D"]}, "what mirrors them"),
        ({"resnet_time_scale_shift": "spatial"}, "`resnet_time_scale_shift` default, or scale_shift"),
        ({"resnet_time_scale_shift": "scale_shift"}, "`attn_norm_num_groups` equal to `norm_num_groups`"),
    ],
)
def test_what_a_configuration_may_not_ask_for(change, message):
    with pytest.raises(ValueError, match=message):
        ex.weights.load_diffusers(DIFFUSERS, CONFIG | change)


def test_a_configuration_that_says_too_little():
    with pytest.raises(ValueError, match="`config` must say `block_out_channels`"):
        ex.weights.load_diffusers(DIFFUSERS, {"in_channels": 3})
