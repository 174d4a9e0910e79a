import hashlib
import importlib.metadata
import io
import os
import pathlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from .._files import write


_Result = TypeVar("_Result")

# Of what is written here; a later one may mean something else by the same names.
_FORMAT = 1


class NotKeptWarning(UserWarning):
    """What was found cannot be kept, and would have to be found again after an interruption."""


def kept(
    folder: str | os.PathLike[str] | None,
    made_of: Sequence[Any],
    compute: Callable[[], _Result],
    *,
    pack: Callable[[_Result], dict[str, Any]],
    unpack: Callable[[dict[str, np.ndarray]], _Result],
) -> _Result:
    """The result of a computation: read from a folder if an earlier process has left it there, else computed, and
    written there at once.

    A file is named by a digest of all that the result depends on, and of the versions of Entropax and JAX, so that the
    results of other samples, settings or keys may lie in the same folder and are never taken for this one. Files are
    written whole, so that any number of processes may share the folder.

    **Arguments:**

    - `folder`: it is made at the first result; without one nothing is kept.
    - `made_of`: all that the result depends on: numbers, text, keys, and pytrees of arrays.
    - `compute`: what makes the result.
    - `pack`, `unpack`: between the result and arrays by name.

    **Returns:** the result, to the bit the same either way.

    **Raises:** `ValueError` where the folder is a file.

    **Warns:** `UserWarning` where the file of the result is damaged, and the result is computed again;
    `NotKeptWarning` where the result, which is returned all the same, cannot be written.
    """
    if folder is None:
        return compute()
    name = f"{_digest(made_of)}.npz"
    try:
        file = pathlib.Path(folder) / name
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return unpack(dict(archive))
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        raise ValueError(f"`checkpoint` must be a folder; {str(folder)!r} is none. Name another.") from None
    # The readers of archives and of headers raise a dozen kinds of exceptions.
    except Exception as error:
        warnings.warn(
            f"{pathlib.Path(folder) / name} is damaged ({error}); what it held is computed again.",
            stacklevel=2,
        )
    result = compute()
    content = io.BytesIO()
    np.savez(content, **{name: np.asarray(array) for name, array in pack(result).items()})  # pyright: ignore[reportArgumentType]
    try:
        # Once more from what was given: it may be gone meanwhile.
        place = pathlib.Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        write(place / name, content.getvalue())
    except OSError as error:
        warnings.warn(
            f"results cannot be kept in {str(folder)!r} ({error.strerror or error}): the work goes on, but what ends "
            "from now on would be done again after an interruption.",
            NotKeptWarning,
            stacklevel=2,
        )
    return result


def array_of(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The one array of a result that is an array."""
    return arrays["array"]


def as_array(array: np.ndarray) -> dict[str, np.ndarray]:
    """What [`array_of`][] reads."""
    return {"array": array}


def _digest(parts: Sequence[Any]) -> str:
    versions = [importlib.metadata.version(name) for name in ("entropax", "jax")]
    leaves, structure = jax.tree.flatten([_FORMAT, versions, list(parts)])
    digest = hashlib.sha256(repr(structure).encode())
    for leaf in leaves:
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        if isinstance(leaf, jax.Array | np.ndarray):
            array = np.asarray(leaf)
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(array.tobytes())
        else:
            digest.update(f"{type(leaf).__name__} {leaf!r}".encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]
