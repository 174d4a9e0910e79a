"""What a training tells while it runs."""

import dataclasses
import importlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from ..parallel import leads


# What takes note of how a training goes: called with the steps taken and with numbers, on the first process of a job.
Logger = Callable[[int, Mapping[str, float]], None]


@dataclasses.dataclass(frozen=True)
class JSONLines:
    """A file with a line for each chunk of steps, `{"step": 500, "loss": 12.3, ...}`. A training that is resumed goes
    on where its checkpoint was: later lines are taken out, so that each step is there once.

    **Arguments:**

    - `path`: the file; it and its folder are made at the first line.

    **Raises:** `ValueError` where `path` is none.
    """

    path: str | os.PathLike[str]

    def __post_init__(self):
        if not isinstance(self.path, str | os.PathLike):
            raise ValueError(f"`path` must be the path of a file; got {self.path!r:.80}.")

    def __call__(self, step: int, scalars: Mapping[str, float]) -> None:
        file = pathlib.Path(self.path)
        lines = file.read_text().splitlines() if file.exists() else []
        kept = [line for line in lines if _step(line) < step]
        file.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"step": step} | dict(scalars))
        if len(kept) == len(lines):
            with open(file, "a") as content:
                content.write(line + "\n")
            return
        # Aside and renamed, so that a kill leaves either file whole.
        aside = file.with_name(f"{file.name}.writing")
        aside.write_text("".join(f"{one}\n" for one in [*kept, line]))
        os.replace(aside, file)


class TensorBoard:
    """A folder that TensorBoard shows; `pip install 'entropax[tensorboard]'`.

    **Arguments:**

    - `directory`: the folder.

    **Raises:** `ImportError` where tensorboardX is not installed; `ValueError` where `directory` is no path.
    """

    def __init__(self, directory: str | os.PathLike[str]):
        if not isinstance(directory, str | os.PathLike):
            raise ValueError(f"`directory` must be the path of a folder; got {directory!r:.80}.")
        try:
            writer = importlib.import_module("tensorboardX").SummaryWriter
        except ImportError:
            raise ImportError("`TensorBoard` needs tensorboardX: pip install 'entropax[tensorboard]'.") from None
        self._writer: Any = writer(os.fspath(directory))

    def __call__(self, step: int, scalars: Mapping[str, float]) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()


class Clock:
    """How fast a training goes, and what it takes of a device."""

    def __init__(self):
        self._last = time.perf_counter()

    def __call__(self, samples: int) -> dict[str, float]:
        """Since it was last asked: seconds and samples a second; and the most memory a device has had in use, where it
        says."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        found = {"seconds": seconds, "samples_per_second": samples / seconds}
        memory = jax.local_devices()[0].memory_stats() or {}
        if "peak_bytes_in_use" in memory:
            found["device_gigabytes"] = memory["peak_bytes_in_use"] / 1e9
        return found


def tell(loggers: tuple[Logger, ...], step: int, scalars: Mapping[str, float]) -> None:
    """Tells all of them, on the first process."""
    if leads():
        for logger in loggers:
            logger(step, scalars)


def _step(line: str) -> int | float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        # Half a line, of a process that was killed while it wrote.
        return float("inf")
