"""The folder of `--checkpoint`: what it belongs to, and what it keeps of a command that was interrupted."""

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from .._files import check_folder, locked, write
from ._refusal import Refusal, refusing


_IDENTITY = "measure.json"


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
def opened(folder: pathlib.Path, identity: Mapping[str, Any]) -> Iterator[None]:
    """Keeps the folder for this process, and marks whose it is.

    **Arguments:**

    - `folder`: it is made if it does not exist.
    - `identity`: the samples, and all settings that results depend on, as JSON holds them.

    **Raises:** `Refusal` where another process has the folder, it belongs to another identity, or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with refusing(OSError, ValueError, about="--checkpoint"):
            stack.enter_context(locked(folder))
            file = folder / _IDENTITY
            if not file.exists():
                write(file, json.dumps(dict(identity), indent=2).encode())
            known = json.loads(file.read_text())
        if not isinstance(known, dict) or known.keys() != identity.keys():
            raise Refusal(f"--checkpoint: {str(file)!r} is not of this version of the command. Name another folder.")
        found = [
            f"{name} is {here} here, {known[name]} there" for name, here in identity.items() if here != known[name]
        ]
        if found:
            raise Refusal(
                f"--checkpoint: {str(folder)!r} belongs to another configuration: {'; '.join(found)}. Name another "
                "folder, or delete this one."
            )
        yield


def cross_fitting(folder: pathlib.Path) -> pathlib.Path:
    """Where each fit of the cross-fitting leaves what it gives."""
    return folder / "cross-fitting"


def training(folder: pathlib.Path) -> pathlib.Path:
    """Where the training of the model leaves its checkpoints."""
    return folder / "training"


def kept(folder: pathlib.Path | None) -> str:
    """What there is to go on from, for the message after an interruption."""
    if folder is None:
        return "nothing is kept; with --checkpoint FOLDER, the same command would go on from where it was"
    parts = len(list(cross_fitting(folder).glob("*.npz")))
    trained = any(training(folder).glob("[0-9]*"))
    if not parts and not trained:
        return f"nothing had ended that {str(folder)!r} could keep"
    both = [f"{parts} results of the cross-fitting"] * bool(parts) + ["the last checkpoint of the training"] * trained
    return f"{str(folder)!r} keeps {' and '.join(both)}; the same command goes on from there"
