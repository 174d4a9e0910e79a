import os
import pathlib

import numpy as np


# What may hold a pickle: loading one runs whatever program its author put there.
_PICKLES = (".bin", ".ckpt", ".p", ".pkl", ".pickle", ".pt", ".pth", ".tar")

# What NumPy has numbers of, by the names of the format.
_KINDS = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file, by name; those of half precision in float32.

    **Arguments:**

    - `path`: a file on this machine.

    **Raises:** `ValueError` for any other kind of file, a pickle above all, for a file that is damaged, and for numbers
    that NumPy does not have, such as those of 8 bits, by the name of the tensor; `ImportError` where safetensors is not
    installed.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"`path` must name a .safetensors file; got {type(path).__name__}.")
    file = pathlib.Path(path)
    if file.suffix.lower() in _PICKLES:
        raise ValueError(
            f"`path` must name a .safetensors file; got {file.name}. A {file.suffix} file is a pickle, and to load a "
            "pickle is to run what its author wrote. Convert it where you trust it, with PyTorch: "
            "`safetensors.torch.save_file(torch.load(path, weights_only=True), 'weights.safetensors')`."
        )
    if file.suffix.lower() != ".safetensors":
        raise ValueError(f"`path` must name a .safetensors file; got {file.name}.")
    if not file.is_file():
        raise ValueError(f"`path` must name a file on this machine; there is none at {file}.")
    try:
        from safetensors import safe_open, SafetensorError
    except ImportError as error:
        raise ImportError(
            "Weights are read with the package safetensors: `pip install 'entropax[weights]'`."
        ) from error
    try:
        with safe_open(file, framework="numpy") as content:
            names = sorted(content.keys())
            kinds = {name: content.get_slice(name).get_dtype() for name in names}
            strange = [name for name in names if kinds[name] not in _KINDS]
            if strange:
                raise ValueError(
                    f"`path` must hold tensors of {', '.join(_KINDS)}; {file.name} has {len(strange)} others, the "
                    f"first of them {strange[0]} of {kinds[strange[0]]}. Convert them where their scales are known, "
                    "with PyTorch: `tensor.to(torch.float32)`."
                )
            return {name: _float32(content.get_tensor(name)) for name in names}
    except SafetensorError as error:
        raise ValueError(
            f"`path` does not hold a safetensors file, or a damaged one: {file} of {file.stat().st_size} bytes "
            f"({error}). Download it again."
        ) from error
    except OSError as error:
        raise ValueError(f"`path` cannot be read: {file} ({error}).") from error


def _float32(tensor):
    # float64, if anyone has it, is rounded: networks are in float32.
    return tensor.astype(np.float32) if tensor.dtype.kind == "f" or tensor.dtype.name == "bfloat16" else tensor
