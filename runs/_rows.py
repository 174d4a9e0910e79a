"""Rows of JSON that are on the disk once they are written, whenever the process dies."""

import contextlib
import fcntl
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any


class Rows:
    """A file that rows are appended to. Made by [`opened`][]."""

    def __init__(self, file: pathlib.Path, descriptor: int):
        self.file = file
        self._descriptor = descriptor

    def append(self, row: Mapping[str, Any]) -> None:
        """Writes one line, and returns when it is on the disk.

        **Raises:** `OSError` where the disk is full, or where the file has been moved, deleted or replaced since it was
            opened, so that no later process would find the row.
        """
        line = json.dumps(row).encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(f"{self.file} took {written} of the {len(line)} bytes of a row; the disk is full.")
        os.fsync(self._descriptor)
        # A descriptor outlives the name of its file.
        try:
            found = os.path.samestat(os.stat(self.file), os.fstat(self._descriptor))
        except FileNotFoundError:
            found = False
        if not found:
            kept = os.fstat(self._descriptor).st_nlink > 0
            where = "went with it to where it is now" if kept else "is lost with it"
            raise OSError(
                f"{self.file} was moved, deleted or replaced while rows were written to it: the last row {where}. Put "
                "the file back, if it is still there, and start again: what it holds is not measured anew."
            )


@contextlib.contextmanager
def opened(file: pathlib.Path) -> Iterator[Rows]:
    """A file to append rows to. Of a process that was killed while it wrote one, what there is of that row is cut off.

    **Raises:** `ValueError` where another process has the file open.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        try:
            # The system lets go of it when a process dies, however it does.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{file} is being written by another process: wait for it, or give another shard."
            ) from None
        content = file.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(descriptor, whole)
            os.fsync(descriptor)
        yield Rows(file, descriptor)
    finally:
        os.close(descriptor)


def read(file: pathlib.Path) -> list[dict[str, Any]]:
    """The rows of a file, less one that is being written.

    **Raises:** `ValueError` where one of them is not JSON.
    """
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise ValueError(
                f"Line {number} of {file} is not JSON ({error}). Move the file away and run again."
            ) from None
    return rows


def merged(folder: pathlib.Path, stem: str) -> dict[str, dict[str, Any]]:
    """The rows of all files `stem*.jsonl` of a folder, by the hash of their setting."""
    files = sorted(folder.glob(f"{stem}.jsonl")) + sorted(folder.glob(f"{stem}.*.jsonl"))
    return {row["hash"]: row for file in files for row in read(file)}
