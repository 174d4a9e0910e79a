"""The forty tasks of Beyond Normal: mutual information of samples, beside the exact value.

    python -m runs.bmi --samples 10000
    python -m runs.bmi --samples 1000 --seed 1 --shard 0/2
    python -m runs.bmi --samples 10000 --only spiral

One setting for all tasks: `ex.dependence.mutual_information(x, y, key=key)`. Each task that is done has a file of its
own, and a run that was killed goes on with the next; shards may run at the same time. The estimate depends on ranks
alone, so that fourteen tasks whose ranks are those of another take its numbers (`same_ranks_as`).

On one core, a slow one, a task takes 150 seconds on average at 10 000 samples, 260 at most, and 50 at 1 000, of two
such processes side by side; the first with as many columns, or samples, compiles for half a minute. Expected: see
`docs/mutual_information.md`, and row by row `docs/bmi_rows.json`.
"""

import dataclasses
import functools
import hashlib
import re
import time
import warnings
from collections.abc import Callable, Sequence

import jax.random as jr
import numpy as np
import rich.table
import tyro

import entropax as ex
from runs._pieces import close, fill, present, print_table
from runs._record import Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What all tasks of a folder have in common.

    **Arguments:**

    - `samples`: of each task, for all that is fitted and measured.
    - `seed`: of the samples and of the fits.
    """

    samples: int = 10_000
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Options:
    """Of the command line.

    **Arguments:**

    - `samples`, `seed`: as [`Config`][].
    - `only`: tasks whose names match this.
    - `shard`: `i/n`, which of how many shares this process does.
    - `root`: the folder of all results.
    """

    samples: int = 10_000
    seed: int = 0
    only: str = ""
    shard: str = "0/1"
    root: str = "results"


def ranks(task: ex.data.bmi.Task, config: Config) -> str:
    """A digest of the ranks of a task's samples, column by column."""
    columns = np.concatenate(task.sample(jr.key(config.seed), config.samples), 1)
    return hashlib.sha256(np.argsort(columns, 0, kind="stable").tobytes()).hexdigest()


def measure(task: ex.data.bmi.Task, config: Config) -> dict:
    """The row of a task."""
    x, y, pointwise = task.sample_with_pointwise(jr.key(config.seed), config.samples)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = ex.dependence.mutual_information(x, y, key=jr.key(config.seed))
    low, high = found.interval()
    return {
        "task": task.name,
        "exact": task.mutual_information,
        # The mean of the exact pointwise values: what these samples could tell at best.
        "exact_on_samples": float(pointwise.mean()),
        "value": found.value,
        "stderr": found.stderr,
        "interval": [low, high],
        "gaussian": float(found.gaussian.value),
        "fitted": found.fitted,
        "halved": found.halved,
        "p_value": found.p_value,
        "pointwise_correlation": float(np.corrcoef(found.pointwise, pointwise)[0, 1]),
        "warnings": [str(warning.message) for warning in caught],
        "seconds": time.perf_counter() - start,
    }


def summary(rows: list[dict]) -> dict[str, float]:
    """Mean absolute error, and on how many tasks the interval covers the exact value."""
    errors = np.array([row["value"] - row["exact"] for row in rows])
    return {
        "tasks": len(rows),
        "mean_absolute_error": float(np.abs(errors).mean()),
        "mean_error": float(errors.mean()),
        "mean_absolute_error_gaussian": float(np.mean([abs(row["gaussian"] - row["exact"]) for row in rows])),
        "mean_absolute_error_exact_pointwise": float(
            np.mean([abs(row["exact_on_samples"] - row["exact"]) for row in rows])
        ),
        "covered": sum(row["interval"][0] <= row["exact"] <= row["interval"][1] for row in rows),
        "seconds_per_task": float(np.mean([row["seconds"] for row in rows])),
    }


def show(rows: list[dict]) -> None:
    """Prints a row for each task, and the summary."""
    table = rich.table.Table("task", "exact", "estimate", "error", "copula", "half", "pointwise r", "seconds")
    for row in rows:
        covered = row["interval"][0] <= row["exact"] <= row["interval"][1]
        table.add_row(
            row["task"],
            f"{row['exact']:.3f}",
            f"{row['value']:.3f} ± {row['stderr']:.3f}",
            f"{row['value'] - row['exact']:+.3f}" + ("" if covered else " !"),
            f"{row['gaussian']:.3f}",
            f"{row['halved']:.3f}",
            f"{row['pointwise_correlation']:.2f}",
            f"{row['seconds']:.0f}",
        )
    print_table(table, summary(rows))


def run(options: Options) -> list[dict]:
    """Does what is missing, shows what there is, and closes the record where it is all."""
    return run_tasks("bmi", ex.data.bmi.tasks(), options, show, summary)


def run_tasks(
    name: str,
    tasks: Sequence[ex.data.bmi.Task],
    options: Options,
    show: Callable[[list[dict]], None],
    summary: Callable[[list[dict]], dict],
) -> list[dict]:
    """A run over tasks: those of the same ranks are measured once."""
    config = Config(options.samples, options.seed)
    record = Record(name, config, options.root)
    file = lambda task: f"{task.name}.json"
    families: dict[str, list[ex.data.bmi.Task]] = {}
    for task in tasks:
        if re.search(options.only, task.name):
            families.setdefault(ranks(task, config), []).append(task)
    pieces = {file(first): functools.partial(measure, first, config) for first, *_ in families.values()}
    fill(record, pieces, options.shard)
    for first, *others in families.values():
        for row in present(record, [file(first)]):
            for task in others:
                record.write_json(file(task), row | {"task": task.name, "same_ranks_as": first.name})
    return close(record, present(record, map(file, tasks)), len(tasks), "tasks", show, summary)


def main(args: list[str] | None = None) -> list[dict]:
    """The command line."""
    return run(tyro.cli(Options, args=args, prog="python -m runs.bmi", description=__doc__))


if __name__ == "__main__":
    main()
