"""Runs that are done in pieces, each with a file of its own: one that was killed goes on with the next."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import rich.console
import rich.table
from tqdm import tqdm

from runs._record import provenance, Record


def shard(text: str) -> tuple[int, int]:
    """Which share, of how many.

    **Raises:** `ValueError` where it is none.
    """
    found = re.fullmatch(r"(\d+)/([1-9]\d*)", text)
    if not found or int(found[1]) >= int(found[2]):
        raise ValueError(f"`--shard` must be i/n with i below n, such as 0/4; got {text!r}.")
    return int(found[1]), int(found[2])


def fill(record: Record, pieces: Mapping[str, Callable[[], dict]], text: str) -> None:
    """Does what is missing of a process's share, and writes each piece once it is done.

    **Arguments:**

    - `record`: whose folder the files are in.
    - `pieces`: what a file has, by its name.
    - `text`: the share, as [`shard`][] reads it.
    """
    index, count = shard(text)
    for name in tqdm(list(pieces)[index::count], desc=record.run.replace("_", " "), disable=None):
        if not record.has(name):
            record.write_json(name, pieces[name]() | {"provenance": provenance()})


def present(record: Record, names: Iterable[str]) -> list[dict]:
    """What the files have that there are."""
    return [record.read_json(name) for name in names if record.has(name)]


def close(
    record: Record,
    rows: list[dict],
    total: int,
    what: str,
    show: Callable[[list[dict]], None],
    summary: Callable[[list[dict]], Mapping[str, Any]],
) -> list[dict]:
    """Shows the rows that there are, and closes the record where these are all.

    **Arguments:**

    - `total`, `what`: how many there will be, and of what.
    - `show`, `summary`: of rows.

    **Returns:** the rows.
    """
    if rows:
        show(rows)
    if len(rows) == total:
        record.finish(summary(rows))
    print(f"{len(rows)} of {total} {what}: {record.directory}")
    return rows


def wide_console() -> rich.console.Console:
    """As wide as the terminal; where there is none, wide enough that no number is cut off in a log."""
    return rich.console.Console(width=None if rich.console.Console().is_terminal else 200)


def print_table(table: rich.table.Table, metrics: Mapping[str, float]) -> None:
    """A table of rows, and below it what they come to."""
    console = wide_console()
    console.print(table)
    for name, value in metrics.items():
        console.print(f"{name}: {value:.4g}")
