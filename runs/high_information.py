"""High mutual information: two pairs of coordinates that share 9.9 to 14.5 nats, and eighty that share 40.

    python -m runs.high_information --samples 10000
    python -m runs.high_information --samples 10000 --shard 0/2
    python -m runs.high_information --only spiral

The sparse Gaussians of Beyond Normal (`task_multinormal_sparse`) of strength 200 to 2000, among 3, 5, 10, 20 and 50
coordinates of each variable, as they are and through the maps half_cube and spiral: what "MMG" shows all others to
underestimate. And 160 coordinates in 80 pairs of half a nat each, on which density ratios are compared.

One setting for all, that of `runs.bmi`. Each task that is done has a file of its own, and a run that was killed goes on
with the next; shards may run at the same time. Of the 76 tasks 25 have the ranks of another, and take its numbers.

On one core, a slow one, a task takes about 105 seconds at 10 000 samples, of two such processes side by side, and
those that are no spirals (`--only '^multinormal'`) 25 minutes in two shards. Expected: as they are and through
half_cube within 1 %, and the eighty pairs too. Spirals are the hardest: networks see 7 nats of them.
"""

import functools

import numpy as np
import rich.table
import tyro

import entropax as ex
from entropax.data.bmi import _transforms as maps
from runs._pieces import print_table
from runs.bmi import Options, run_tasks


STRENGTHS = (200.0, 650.0, 1100.0, 1550.0, 2000.0)
DIMS = (3, 5, 10, 20, 50)
# Of the wide Gaussian: half a nat for each pair.
PAIRS, NATS = 80, 40.0


def correlation(strength: float) -> float:
    r"""$\rho = s^2/(1 + s^2)$: a pair of strength $s$ is $sZ + E$ and $sZ + F$, with $Z$, $E$ and $F$ standard
    Gaussian."""
    return strength**2 / (1 + strength**2)


def tasks() -> tuple[ex.data.bmi.Task, ...]:
    """All of them, those of one Gaussian next to each other."""
    found = []
    for dim in DIMS:
        for strength in STRENGTHS:
            law = ex.data.bmi.SparsePair(dim, dim, (correlation(strength),) * 2)
            task = ex.data.bmi.Task(f"multinormal-sparse-{dim}-{dim}-2-{strength}", law)
            turns = (functools.partial(maps.spiral, plane=plane) for plane in ((0, 1), (1, 2)))
            found += [task, task.mapped("half_cube", maps.half_cube, maps.half_cube), task.mapped("spiral", *turns)]
    rho = float(np.sqrt(-np.expm1(-2 * NATS / PAIRS)))
    wide = ex.data.bmi.SparsePair(PAIRS, PAIRS, (rho,) * PAIRS)
    return *found, ex.data.bmi.Task(f"multinormal-pairs-{PAIRS}-{PAIRS}", wide)


def relative_error(row: dict) -> float:
    """Of an estimate, beside the exact value."""
    return row["value"] / row["exact"] - 1


def summary(rows: list[dict]) -> dict[str, float]:
    """Mean relative errors, by map, and how many tasks are within 5 %."""
    errors = np.array([relative_error(row) for row in rows])
    names = [row["task"] for row in rows]
    metrics = {
        "tasks": len(rows),
        "mean_absolute_relative_error": float(np.abs(errors).mean()),
        "mean_absolute_relative_error_gaussian": float(
            np.mean([abs(row["gaussian"] / row["exact"] - 1) for row in rows])
        ),
        "within_5_percent": int((np.abs(errors) <= 0.05).sum()),
        "covered": sum(row["interval"][0] <= row["exact"] <= row["interval"][1] for row in rows),
        "seconds_per_task": float(np.mean([row["seconds"] for row in rows])),
    }
    for prefix in ("multinormal-sparse", "half_cube", "spiral", "multinormal-pairs"):
        chosen = np.array([name.startswith(prefix) for name in names])
        if chosen.any():
            metrics[f"mean_relative_error_{prefix}"] = float(errors[chosen].mean())
    return metrics


def show(rows: list[dict]) -> None:
    """Prints a row for each task, and the summary."""
    table = rich.table.Table("task", "exact", "estimate", "relative error", "copula", "seconds")
    for row in rows:
        covered = row["interval"][0] <= row["exact"] <= row["interval"][1]
        table.add_row(
            row["task"],
            f"{row['exact']:.3f}",
            f"{row['value']:.3f} ± {row['stderr']:.3f}",
            f"{relative_error(row):+.2%}" + ("" if covered else " !"),
            f"{row['gaussian']:.3f}",
            f"{row['seconds']:.0f}",
        )
    print_table(table, summary(rows))


def run(options: Options) -> list[dict]:
    """Does what is missing, shows what there is, and closes the record where it is all."""
    return run_tasks("high_information", tasks(), options, show, summary)


def main(args: list[str] | None = None) -> list[dict]:
    """The command line."""
    return run(tyro.cli(Options, args=args, prog="python -m runs.high_information", description=__doc__))


if __name__ == "__main__":
    main()
