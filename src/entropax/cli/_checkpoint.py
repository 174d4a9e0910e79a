"""The folder of `--checkpoint`: what it belongs to, and what it keeps of a command that was interrupted."""

import contextlib
import dataclasses
import errno
import json
import os
import pathlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .._files import check_folder, locked, write
from ..dependence._cross_fitting import NotKeptWarning
from ..train import Checkpoints
from ._refusal import Refusal, refusing


_IDENTITY = "measure.json"


class Place(os.PathLike[str]):
    """A folder in that of `--checkpoint`, as long as that one is there: what has been deleted, or is another's by now,
    is not made again, for the same command could not go on from it.

    **Arguments:**

    - `path`: of the folder.
    - `is_there`: whether what it lies in is still there.
    """

    def __init__(self, path: pathlib.Path, is_there: Callable[[], bool]):
        self._path = path
        self._is_there = is_there

    def __fspath__(self) -> str:
        if not self._is_there():
            raise FileNotFoundError(errno.ENOENT, "it was deleted or replaced by something else", str(self))
        return os.fspath(self._path)

    def __str__(self) -> str:
        return str(self._path)


@dataclasses.dataclass(frozen=True)
class Lenient(Checkpoints):
    """Checkpoints without which a training goes on.

    **Warns:** `NotKeptWarning` where one cannot be written.
    """

    def check_writable(self) -> None:
        """Says so, rather than to lose what there is so far."""
        with self._telling():
            super().check_writable()

    def save(self, step: int, state: Any, metadata: Mapping[str, Any] = {}) -> None:
        """Writes a checkpoint if that can be done."""
        with self._telling():
            super().save(step, state, metadata=metadata)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            warnings.warn(
                f"checkpoints of the training cannot be written ({getattr(error, 'strerror', None) or error}): it goes "
                "on without.",
                NotKeptWarning,
                stacklevel=4,
            )


def check_checkpoint(folder: pathlib.Path) -> None:
    """Refuses, before any work, a folder that holds something else or cannot be written."""
    with refusing(OSError, about="--checkpoint"):
        check_folder(folder)
        strangers = sorted(entry.name for entry in folder.glob("*") if not entry.name.startswith("."))
    if strangers and _IDENTITY not in strangers:
        raise Refusal(
            f"--checkpoint: {str(folder)!r} is not a folder of checkpoints of this command: it holds {strangers[:3]} "
            f"and no {_IDENTITY}. Name another folder."
        )


@contextlib.contextmanager
def opened(folder: pathlib.Path, identity: Mapping[str, Any]) -> Iterator[tuple[Place, Place]]:
    """Keeps the folder for this process, and marks whose it is. Yields where each fit of the cross-fitting leaves what
    it gives, and where the training of the model leaves its checkpoints.

    **Arguments:**

    - `folder`: it is made if it does not exist.
    - `identity`: the samples, and all settings that results depend on, as JSON holds them.

    **Raises:** `Refusal` where another process has the folder, it belongs to another identity or nothing tells to
    which, or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with refusing(OSError, ValueError, about="--checkpoint"):
            is_there = stack.enter_context(locked(folder))
            file = folder / _IDENTITY
            if not file.exists():
                write(file, json.dumps(dict(identity), indent=2).encode())
            known = _read(file)
        if known.keys() != identity.keys():
            raise Refusal(f"--checkpoint: {str(file)!r} is not of this version of the command. Name another folder.")
        found = [
            f"{name} is {here} here, {known[name]} there" for name, here in identity.items() if here != known[name]
        ]
        if found:
            raise Refusal(
                f"--checkpoint: {str(folder)!r} belongs to another configuration: {'; '.join(found)}. Name another "
                "folder, or delete this one."
            )
        yield Place(_cross_fitting(folder), is_there), Place(_training(folder), is_there)


def _read(file: pathlib.Path) -> dict[str, Any]:
    try:
        known = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, dict):
        raise Refusal(
            f"--checkpoint: {str(file)!r} is damaged, so that nothing tells whose results these are. Name another "
            "folder, delete this one to begin again, or bring the file back from a copy."
        )
    return known


def checkpoints_in(place: Place, identity: Mapping[str, Any]) -> Checkpoints | None:
    """Those of a training.

    **Arguments:**

    - `place`: the folder.
    - `identity`: as of [`entropax.Checkpoints`][].

    **Returns:** the checkpoints; `None` where there can be none any more.

    **Warns:** `NotKeptWarning` in that case.
    """
    try:
        pathlib.Path(place).mkdir(exist_ok=True)
    except OSError as error:
        warnings.warn(
            f"the training has no checkpoints, for {str(place)!r} cannot be made ({error.strerror or error}).",
            NotKeptWarning,
            stacklevel=2,
        )
        return None
    return Lenient(place, identity)


def _cross_fitting(folder: pathlib.Path) -> pathlib.Path:
    return folder / "cross-fitting"


def _training(folder: pathlib.Path) -> pathlib.Path:
    return folder / "training"


def kept(folder: pathlib.Path | None) -> str:
    """What there is to go on from, for the message after an interruption."""
    if folder is None:
        return "nothing is kept; with --checkpoint FOLDER, the same command would go on from where it was"
    if not (folder / _IDENTITY).is_file():
        return f"nothing is kept, for there is no {str(folder / _IDENTITY)!r}"
    parts = len(list(_cross_fitting(folder).glob("*.npz")))
    trained = any(_training(folder).glob("[0-9]*"))
    if not parts and not trained:
        return f"nothing had ended that {str(folder)!r} could keep"
    both = [f"{parts} results of the cross-fitting"] * bool(parts) + ["the last checkpoint of the training"] * trained
    return f"{str(folder)!r} keeps {' and '.join(both)}; the same command goes on from there"
