import csv
import os
import pathlib

import numpy as np
from jaxtyping import Shaped


# What a file holds, told by its first bytes rather than by its name.
# An archive without members has a magic of its own.
_MAGIC = {".npz": (b"PK\x03\x04", b"PK\x05\x06"), ".npy": (b"\x93NUMPY",)}

# Real numbers, and text for labels. No complex numbers, dates or records.
_KINDS = "biufSU"


def load_arrays(path: str | pathlib.Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    r"""The arrays of a `.npz`, `.npy` or `.csv` file.

    A file is data, never code: nothing is unpickled.

    **Arguments:**

    - `path`: a `.npz` file, whose arrays keep their names; a `.npy` file, whose array
        is called `x`; or a `.csv` file of comma-separated numbers, one sample a row,
        with or without a first row of column names, whose table is called `x`, shape
        `(rows, columns)`.

    **Returns:** the arrays by name.

    **Raises:** `FileNotFoundError` where there is no such file. `ValueError` where its
    kind is unknown, it is damaged, it holds pickled objects, an array is empty or not
    made of real numbers (or text, for labels), or a cell of a table is not a number.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"`path` must be the path of a file; got {type(path).__name__}, {path!r:.80}.")
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".npy", ".csv"):
        raise ValueError(
            f"`path` must end in .npz, .npy or .csv; got {path.name!r}. An array `x` "
            "is saved by numpy.savez('data.npz', x=x)."
        )
    if not path.is_file():
        raise FileNotFoundError(f"`path`: there is no file {str(path)!r}.")
    arrays = {"x": _read_csv(path)} if suffix == ".csv" else _read_numpy(path, suffix)
    if not arrays:
        raise ValueError(f"{path.name!r} holds no arrays.")
    for name, array in arrays.items():
        if array.size == 0:
            raise ValueError(f"{path.name!r}: `{name}` is empty, shape {array.shape}.")
        if array.dtype.kind not in _KINDS:
            raise ValueError(f"{path.name!r}: `{name}` must hold real numbers; got dtype {array.dtype}.")
    return arrays


def _read_numpy(path: pathlib.Path, suffix: str) -> dict[str, np.ndarray]:
    # Opened here, because NumPy leaves a file open that it fails to read.
    with path.open("rb") as file:
        if not file.read(8).startswith(_MAGIC[suffix]):
            raise ValueError(f"{path.name!r} is damaged, or no {suffix} file.")
        file.seek(0)
        name = "x"
        try:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {name: loaded}
            arrays = {}
            with loaded:
                for name in loaded.files:
                    arrays[name] = loaded[name]
            return arrays
        # The readers of archives and of headers raise a dozen kinds of exceptions.
        except Exception as error:
            if _is_pickle_refusal(error):
                raise ValueError(
                    f"{path.name!r}: `{name}` holds pickled Python objects, which are "
                    "refused because loading them can run code. Where it was made, "
                    f"save a plain array: numpy.savez('data.npz', {name}=numpy."
                    f"asarray({name}, dtype=float))."
                ) from None
            raise ValueError(f"{path.name!r} is damaged or cannot be read: {error}") from error


def _is_pickle_refusal(error: Exception) -> bool:
    # NumPy has no exception of its own for it.
    return str(error).startswith("Object arrays")


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _read_csv(path: pathlib.Path) -> np.ndarray:
    try:
        # utf-8-sig: spreadsheets put a byte-order mark first.
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [(number, row) for number, row in enumerate(csv.reader(file), 1)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path.name!r} is damaged, or no text: {error}") from error
    lines = [(number, row) for number, row in lines if row]
    if not lines:
        raise ValueError(f"{path.name!r} is empty.")
    first = lines[0][1]
    # Column names are a first row without a single number: one bad cell among numbers
    # is an error, not a header.
    named = all(_number(cell) is None for cell in first)
    names = first if named else [str(k) for k in range(1, len(first) + 1)]
    table = np.empty((len(lines) - named, len(first)))
    for target, (number, row) in zip(table, lines[named:]):
        if len(row) != len(first):
            raise ValueError(f"{path.name!r}, row {number}: {len(row)} cells, where the first row has {len(first)}.")
        for k, cell in enumerate(row):
            value = _number(cell)
            if value is None:
                raise ValueError(f"{path.name!r}, row {number}, column {names[k]}: {cell!r} is not a number.")
            target[k] = value
    return table
