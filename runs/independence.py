"""Whether p-values and intervals keep their promises where there is nothing to find.

    python -m runs.independence --pairs 400 --samples 300
    python -m runs.independence --pairs 400 --samples 300 --shard 0/2

Independent pairs by turns of four laws: Gaussian, Student with one degree of freedom, and small whole numbers with many
ties, of two columns each, which depend on each other within a variable; and a Gaussian beside four labels. Of a test
that is what it says one pair in twenty has p <= 0.05; of an interval of 95 %, one in twenty lies beside zero. Fits are
short: a null by exchangeability is the same for any of them.

Twenty pairs have a file, and a run that was killed goes on with the next; shards may run at the same time.

On one core, a slow one, a pair takes about 11 seconds at 300 samples; 400 of them, in two shards, 40 minutes. Expected:
of 400 pairs 20, give or take 9, with p <= 0.05, and 380 or more intervals that cover zero.
"""

import dataclasses
import functools
import time
import warnings
from typing import Any

import jax.random as jr
import numpy as np
import rich.console
import rich.table
import tyro
from scipy.stats import binomtest

import entropax as ex
from runs._pieces import close, fill, present
from runs._record import Record


LEVEL = 0.05

# Pairs in a file.
_CHUNK = 20


@dataclasses.dataclass(frozen=True)
class Config:
    """What all pairs of a folder have in common.

    **Arguments:**

    - `pairs`: how many.
    - `samples`: of each.
    - `steps`: of a training, as in [`entropax.dependence.CrossFitting`][]; below 240 there are none.
    - `seed`: of the samples and of the fits.
    """

    pairs: int = 400
    samples: int = 300
    steps: int = 240
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Options:
    """Of the command line.

    **Arguments:**

    - `pairs`, `samples`, `steps`, `seed`: as [`Config`][].
    - `shard`: `i/n`, which of how many shares this process does.
    - `root`: the folder of all results.
    """

    pairs: int = 400
    samples: int = 300
    steps: int = 240
    seed: int = 0
    shard: str = "0/1"
    root: str = "results"


def counts(x: np.ndarray) -> np.ndarray:
    """Whole numbers, 0 to 4 nearly all of them."""
    return np.floor(2 * np.abs(x))


def quadrants(y: np.ndarray) -> np.ndarray:
    """A label for each pair of signs."""
    return (y > 0).astype(float)


LABELS = ex.data.bmi.Task("labels", ex.data.bmi.DensePair(2, 2, 0.5), (), (quadrants,))
LAWS = (
    ex.data.bmi.Task("gaussian", ex.data.bmi.DensePair(2, 2, 0.5)),
    ex.data.bmi.Task("student", ex.data.bmi.StudentPair(2, 2, 1)),
    ex.data.bmi.Task("counts", ex.data.bmi.DensePair(2, 2, 0.5), (counts,), (counts,)),
    LABELS,
)


def draw(pair: int, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """X of one draw of a pair's law and Y of another, so that neither tells of the other."""
    law = LAWS[pair % len(LAWS)]
    x_key, y_key, _ = _keys(pair, config)
    return law.sample(x_key, config.samples)[0], law.sample(y_key, config.samples)[1]


def measure(pair: int, config: Config) -> dict:
    """The row of a pair."""
    x, y = draw(pair, config)
    y_kind = "discrete" if LAWS[pair % len(LAWS)] is LABELS else "continuous"
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = ex.dependence.mutual_information(
            x, y, y_kind=y_kind, fitting=ex.dependence.CrossFitting(steps=config.steps), key=_keys(pair, config)[2]
        )
    return {
        "pair": pair,
        "law": LAWS[pair % len(LAWS)].name,
        "p_value": found.p_value,
        "value": found.value,
        "stderr": found.stderr,
        "interval": found.interval(),
        "gaussian": float(found.gaussian.value),
        "warnings": [str(warning.message) for warning in caught],
        "seconds": time.perf_counter() - start,
    }


def measured(pairs: range, config: Config) -> dict:
    """The rows of some pairs."""
    return {"pairs": [measure(pair, config) for pair in pairs]}


def summary(rows: list[dict]) -> dict[str, dict[str, Any]]:
    """Of each law and of all: how often independence is rejected, and how often the interval covers zero, with the
    binomial intervals of both shares."""
    metrics = {}
    for name in (*(law.name for law in LAWS), "all"):
        chosen = [row for row in rows if name in (row["law"], "all")]
        if not chosen:
            continue
        rejected = sum(row["p_value"] <= LEVEL for row in chosen)
        covered = sum(row["interval"][0] <= 0 <= row["interval"][1] for row in chosen)
        metrics[name] = {
            "pairs": len(chosen),
            "rejected": rejected,
            "rejected_interval": _interval(rejected, len(chosen)),
            "covered": covered,
            "covered_interval": _interval(covered, len(chosen)),
            "mean": float(np.mean([row["value"] for row in chosen])),
            "mean_stderr": float(np.mean([row["stderr"] for row in chosen])),
        }
    return metrics


def show(rows: list[dict]) -> None:
    """Prints a row for each law, and one for all."""
    table = rich.table.Table(
        "law", "pairs", f"p ≤ {LEVEL}", "95 % of that", "covers 0", "95 % of that", "mean estimate"
    )
    for name, found in summary(rows).items():
        table.add_row(
            name,
            str(found["pairs"]),
            *(
                cell
                for share in ("rejected", "covered")
                for cell in (
                    f"{found[share] / found['pairs']:.1%}",
                    "{:.1%} to {:.1%}".format(*found[f"{share}_interval"]),
                )
            ),
            f"{found['mean']:+.4f} nats",
        )
    rich.console.Console().print(table)


def run(options: Options) -> list[dict]:
    """Does what is missing, shows what there is, and closes the record where it is all."""
    config = Config(options.pairs, options.samples, options.steps, options.seed)
    record = Record("independence", config, options.root)
    pieces = {
        f"pairs-{first:05d}.json": functools.partial(measured, range(first, min(first + _CHUNK, config.pairs)), config)
        for first in range(0, config.pairs, _CHUNK)
    }
    fill(record, pieces, options.shard)
    rows = [row for piece in present(record, pieces) for row in piece["pairs"]]
    return close(record, rows, config.pairs, "pairs", show, summary)


def main(args: list[str] | None = None) -> list[dict]:
    """The command line."""
    return run(tyro.cli(Options, args=args, prog="python -m runs.independence", description=__doc__))


def _keys(pair: int, config: Config):
    return jr.split(jr.fold_in(jr.key(config.seed), pair), 3)


def _interval(successes: int, num: int) -> tuple[float, float]:
    low, high = binomtest(successes, num).proportion_ci()
    return float(low), float(high)


if __name__ == "__main__":
    main()
