"""Bad inputs of public checkpoints: damaged files, other formats, and numbers that NumPy does not have."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import json
import pathlib
import struct
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

from entropax import weights
from tests.bad_inputs import BadInput


GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
CONFIG = json.loads((GOLDEN / "unet_diffusers.json").read_text())


def _written(content: bytes, name: str = "weights.safetensors") -> pathlib.Path:
    file = pathlib.Path(tempfile.mkdtemp()) / name
    file.write_bytes(content)
    return file


def _of(kind: str, size: int, missing: int = 0) -> pathlib.Path:
    """A file with one tensor `unet.w` of four numbers of a kind, the last bytes of which may be missing."""
    header = json.dumps({"unet.w": {"dtype": kind, "shape": [4], "data_offsets": [0, 4 * size]}}).encode()
    content = struct.pack("<Q", len(header)) + header + bytes(4 * size)
    return _written(content[: len(content) - missing])


def _changed(name: str, change) -> pathlib.Path:
    tensors = load_file(GOLDEN / "unet_diffusers.safetensors")
    tensors[name] = change(tensors[name])
    file = _written(b"")
    save_file(tensors, file)
    return file


def _whole() -> bytes:
    return (GOLDEN / "unet_diffusers.safetensors").read_bytes()


def _nan(tensor):
    tensor = np.array(tensor)
    tensor.flat[3] = np.nan
    return tensor


INPUTS = [
    *(
        BadInput(
            f"numbers of {kind}",
            lambda kind=kind: weights.read_tensors(_of(kind, 1)),
            ValueError,
            ("`path`", "F32", "1 others", f"unet.w of {kind}", "torch.float32"),
        )
        for kind in ("F8_E4M3", "F8_E5M2", "F8_E8M0")
    ),
    BadInput("complex numbers", lambda: weights.read_tensors(_of("C64", 8)), ValueError, ("`path`", "unet.w of C64")),
    BadInput(
        "the end is missing",
        lambda: weights.read_tensors(_of("F32", 4, missing=3)),
        ValueError,
        ("`path`", "damaged", "bytes", "Download it again"),
    ),
    BadInput(
        "half of a network",
        lambda: weights.load_diffusers(_written(_whole()[: len(_whole()) // 2]), CONFIG),
        ValueError,
        ("`path`", "damaged", "Download it again"),
    ),
    BadInput("an empty file", lambda: weights.read_tensors(_written(b"")), ValueError, ("`path`", "of 0 bytes")),
    BadInput("a page of HTML", lambda: weights.read_tensors(_written(b"<!doctype html>" * 9)), ValueError, ("`path`",)),
    BadInput(
        "a pointer to a large file",
        lambda: weights.read_tensors(_written(b"version https://git-lfs.github.com/spec/v1\n")),
        ValueError,
        ("`path`", "damaged"),
    ),
    BadInput(
        "a folder",
        lambda: weights.read_tensors(_written(b"").parent),
        ValueError,
        ("`path` must name a .safetensors file",),
    ),
    BadInput("no path", lambda: weights.read_tensors(None), ValueError, ("`path`", "NoneType")),
    BadInput(
        "tensors in place of a path", lambda: weights.read_tensors({"w": np.ones(3)}), ValueError, ("`path`", "dict")
    ),
    BadInput(
        "a pickle",
        lambda: weights.read_tensors(_written(b"", "model.pt")),
        ValueError,
        ("`path`", "model.pt", "pickle"),
    ),
    BadInput(
        "weights of a network that has diverged",
        lambda: weights.load_diffusers(_changed("conv_in.weight", _nan), CONFIG),
        ValueError,
        ("1 with NaN or infinite entries", "conv_in.weight"),
    ),
    BadInput(
        "quantised weights",
        lambda: weights.load_diffusers(_changed("conv_in.weight", lambda w: (100 * w).astype(np.int8)), CONFIG),
        ValueError,
        ("1 not of floats", "conv_in.weight of int8"),
    ),
    BadInput(
        "a missing file", lambda: weights.read_tensors("none.safetensors"), ValueError, ("`path`", "none.safetensors")
    ),
    BadInput(
        "no configuration", lambda: weights.load_diffusers("a.safetensors", None), ValueError, ("`config`", "None")
    ),
    BadInput(
        "weights for the configuration",
        lambda: weights.load_diffusers("a.safetensors", _of("F32", 4)),
        ValueError,
        ("`config`", "config.json", "JSON"),
    ),
    BadInput(
        "a dtype in words",
        lambda: weights.load_diffusers("a.safetensors", CONFIG, dtype="abc"),
        ValueError,
        ("`dtype`", "'abc'"),
    ),
    BadInput(
        "a schedule in words",
        lambda: weights.load_diffusers("a.safetensors", CONFIG, "abc"),
        ValueError,
        ("`log_snrs`", "numbers", "text"),
    ),
    BadInput(
        "one width", lambda: weights.load_iddpm("a.safetensors", widths=3), ValueError, ("`widths`", "tuple", "3")
    ),
    BadInput("steps in words", lambda: weights.linear_log_snrs("a"), ValueError, ("`steps`", "whole", "'a'")),
    BadInput("no steps", lambda: weights.cosine_log_snrs(None), ValueError, ("`steps`", "whole", "None")),
    BadInput(
        "a complex schedule", lambda: weights.log_snrs_of(np.array([0.5j, 0.1])), ValueError, ("`alphas`", "complex128")
    ),
]
