"""What a run leaves behind, and how it is started.

A run is a module with a frozen dataclass `Config`, presets of it, and a function of it:

    PRESETS = {"smoke": Config(...), "default": Config(), "paper": Config(...)}

    def run(config: Config, record: Record) -> dict:    # -> metrics
        with record.stage("train"):
            ...
        record.save(rate=rate)
        return {"mutual_information": ex.mutual_information(...), "exact": 20.04}

    if __name__ == "__main__":
        main(PRESETS, run)

Its results lie in `results/<run>/<hash of the configuration>/`: config.json, metrics.json, arrays.npz, timings.json,
provenance.json. Nothing there is ever unpickled.

Started by `srun` or `mpirun` a run is one job of several processes: all of them compute, the first writes and speaks.
"""

import argparse
import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import inspect
import io
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
import rich.console
import rich.table
import tyro

from entropax._files import check_folder, write
from entropax.integral import Estimate
from entropax.parallel import agreed, initialize, leads, together
from entropax.train._checkpoint import differences


_Config = TypeVar("_Config")


@dataclasses.dataclass(frozen=True)
class Record:
    """The results of one configuration of a run.

    **Arguments:**

    - `run`: the name of the run.
    - `config`: a dataclass of what JSON can hold.
    - `root`: the folder of all results.

    **Raises:** `ValueError` where the folder holds the results of another configuration.
    """

    run: str
    config: Any
    root: str | os.PathLike[str] = "results"

    def __post_init__(self):
        file = self.directory / "config.json"
        if file.exists():
            found = differences(_canonical(self.plain_config), _canonical(_read_json(file)))
            if found:
                raise ValueError(
                    f"{file} is not the configuration whose hash its folder bears: {'; '.join(found)}. It was edited, "
                    f"or two configurations share a hash. Move {self.directory} away and run again."
                )

    @property
    def plain_config(self) -> dict[str, Any]:
        """The configuration as JSON holds it: what checkpoints of the run are identified by."""
        plain = {}
        for name, value in dataclasses.asdict(self.config).items():
            try:
                plain[name] = json.loads(json.dumps(value))
            except TypeError as error:
                raise ValueError(f"`{name}` must be what JSON can hold: {error}.") from None
        return plain

    @property
    def directory(self) -> pathlib.Path:
        """Where the results are: one folder for each configuration."""
        content = json.dumps([self.run, _canonical(self.plain_config)], sort_keys=True)
        return pathlib.Path(self.root) / self.run / hashlib.sha256(content.encode()).hexdigest()[:12]

    @property
    def complete(self) -> bool:
        """Whether the run has ended. The metrics are written last of all."""
        return self.has("config.json") and self.has("metrics.json")

    def has(self, name: str) -> bool:
        """Whether a file of the folder is there."""
        return (self.directory / name).exists()

    @property
    def timings(self) -> dict[str, float]:
        """Wall seconds by stage, over all processes that worked on this."""
        return self.read_json("timings.json") if self.has("timings.json") else {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage. JAX returns before it has computed: end a stage with a number, or `jax.block_until_ready`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            timings = self.timings
            timings[name] = timings.get(name, 0.0) + time.perf_counter() - start
            self.write_json("timings.json", timings)

    def save(self, **arrays: Any) -> None:
        """Writes arrays.npz, all of it: a second call replaces what the first one wrote.

        **Raises:** `ValueError` for what NumPy could only pickle, or would not give back: objects, bfloat16.
        """
        plain = {name: np.asarray(array) for name, array in arrays.items()}
        for name, array in plain.items():
            if array.dtype.kind in "OV":
                raise ValueError(f"`{name}` must be numbers or text that NumPy knows; got {array.dtype}.")
        buffer = io.BytesIO()
        np.savez(buffer, **plain)  # pyright: ignore[reportArgumentType]
        self._write("arrays.npz", buffer.getvalue())

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Writes the configuration, the provenance and, last, the metrics: from here on the run is complete."""
        self.write_json("config.json", self.plain_config)
        self.write_json("provenance.json", provenance() | {"seed": self.plain_config.get("seed")})
        self.write_json("metrics.json", metrics)

    def load(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The metrics and the arrays.

        **Raises:** `ValueError` where the run is not complete, or a file of it cannot be read.
        """
        if not self.complete:
            raise ValueError(f"{self.directory} is not complete; run `python -m runs.{self.run}` first.")
        file = self.directory / "arrays.npz"
        arrays = {}
        if file.exists():
            try:
                with open(file, "rb") as opened, np.load(opened, allow_pickle=False) as archive:
                    arrays = dict(archive)
            except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
                raise _unreadable(file, error) from None
        return self.read_json("metrics.json"), arrays

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes a file of the folder, whole or not at all."""
        self._write(name, json.dumps(value, indent=2, default=_plain).encode())

    def read_json(self, name: str) -> Any:
        """A file of the folder.

        **Raises:** `ValueError` where it is not JSON.
        """
        return _read_json(self.directory / name)

    def _write(self, name: str, content: bytes) -> None:
        """The whole file or, whenever the process dies, none of it (or the one before). Of several processes the first
        writes."""
        if not leads():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        write(self.directory / name, content)


def pair(estimate: Estimate) -> dict[str, Any]:
    """An estimate as results have it. Metrics may hold estimates, and are written so."""
    return {"value": np.asarray(estimate.value).tolist(), "stderr": np.asarray(estimate.stderr).tolist()}


def find(run: str, config: Any, root: str | os.PathLike[str] = "results") -> Record | None:
    """The record of a configuration where its run is complete, else `None`."""
    record = Record(run, config, root)
    return record if record.complete else None


def execute(
    run: Callable[[_Config, Record], Mapping[str, Any]], config: _Config, root: str | os.PathLike[str] = "results"
) -> Record:
    """Runs a configuration, unless that has been done. The run is named after its module. All processes of a job must
    ask for it.

    **Arguments:**

    - `run`: a function of the configuration and the record of it, which returns the metrics.
    - `config`, `root`: as [`Record`][].

    **Returns:** the record, complete.

    **Raises:** `ValueError` where the processes of a job do not see the same folder; `OSError` where results could not
        be written there, before any work.
    """
    record = Record(_name_of(run), config, root)
    complete = record.complete
    if not agreed(int(complete)):
        raise ValueError(
            f"`root`: the processes of this job do not see the same in {record.directory}. Start them in a folder that "
            "all of them share."
        )
    if not complete:
        if leads():
            check_folder(record.directory)
        with record.stage("total"):
            metrics = run(config, record)
        record.finish(metrics)
        # So that no process reads what the first has not written yet.
        together("written")
    if leads():
        print(f"{'Complete already' if complete else 'Written'}: {record.directory}")
    return record


def main(
    presets: Mapping[str, _Config],
    run: Callable[[_Config, Record], Mapping[str, Any]],
    args: list[str] | None = None,
    root: str | os.PathLike[str] = "results",
) -> Record:
    """The command line of a run: `--preset NAME`, then an option for each field of the configuration. Processes that
    were started together join before they compute.

    **Arguments:**

    - `presets`: configurations by name; `default` is one of them.
    - `run`, `root`: as [`execute`][].
    - `args`: the command line, that of the process where it is not given.

    **Returns:** the record, complete.
    """
    args = sys.argv[1:] if args is None else args
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", choices=sorted(presets), default="default")
    known, rest = parser.parse_known_args(args)
    description = inspect.getdoc(inspect.getmodule(run)) or ""
    config = tyro.cli(
        type(presets[known.preset]),
        default=presets[known.preset],
        args=rest,
        prog=f"python -m runs.{_name_of(run)}",
        description=f"{description}\n\n--preset {{{','.join(presets)}}}: where the fields below start from.",
    )
    initialize()
    record = execute(run, config, root)
    if not leads():
        return record
    table = rich.table.Table("metric", "value")
    for name, value in _rows(record.load()[0]):
        table.add_row(name, value)
    rich.console.Console().print(table)
    return record


def provenance() -> dict[str, Any]:
    """What computed: versions, commit, device."""
    packages = ("jax", "jaxlib", "equinox", "numpy", "entropax")
    device = jax.devices()[0]
    return {
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "git": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _git(*args: str) -> str | None:
    here = pathlib.Path(__file__).parent
    try:
        done = subprocess.run(["git", *args], cwd=here, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _name_of(run: Callable[..., Any]) -> str:
    # Not `__module__`: that is `__main__` for a run which is a program.
    return pathlib.Path(inspect.getfile(inspect.unwrap(run))).stem


def _canonical(value: Any) -> Any:
    """JSON in which 1 and 1.0 are the same: a preset says the one, the command line the other."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return pair(value)
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return np.asarray(value).tolist()
    raise TypeError(f"metrics hold what JSON holds, arrays and estimates; got {type(value).__name__}")


def _read_json(file: pathlib.Path) -> Any:
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: pathlib.Path, error: Exception) -> ValueError:
    return ValueError(f"{file} cannot be read ({error}). Move {file.parent} away and run again.")


def _rows(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value.keys() == {"value", "stderr"}:
        yield name, f"{value['value']:.4f} ± {value['stderr']:.4f}"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _rows(item, f"{name}.{key}" if name else key)
    else:
        yield name, f"{value:.6g}" if isinstance(value, float) else str(value)
