"""The forty tasks of Beyond Normal by estimators that pip installs, on the very samples of `runs.bmi`.

    pip install "entropax[peers]"
    python -m runs.bmi_peers --samples 10000
    python -m runs.bmi_peers --samples 1000 --seed 1 --shard 0/2
    python -m runs.bmi_peers --samples 10000 --only spiral

Nearest neighbours after Kraskov, Stögbauer and Grassberger by infomeasure, by hoi (which is JAX) and, of two numbers,
by scikit-learn; second moments of the samples, which are what canonical correlations know; and second moments of their
normal scores, the Gaussian copula. All in nats, with the seconds each takes, compilation among them.

Each task that is done has a file of its own, and a run that was killed goes on with the next; shards may run at the
same time. A package that is not installed is named and left out; once it is there, the same command adds it to every
task.

On two cores a task of 10 000 samples takes 20 seconds, with 100 coordinates 75; of 1 000, one. Expected: see
`docs/mutual_information.md`.
"""

import dataclasses
import importlib
import importlib.metadata
import math
import re
import time
from collections.abc import Callable, Iterable

import jax.random as jr
import numpy as np
import rich.table
import tyro
from sklearn.feature_selection import mutual_info_regression
from tqdm import tqdm

import entropax as ex
from runs._pieces import present, shard, wide_console
from runs._record import provenance, Record
from runs.bmi import Config, Options


_NEIGHBOURS = 10


@dataclasses.dataclass(frozen=True)
class Peer:
    """An estimator to compare with.

    **Arguments:**

    - `estimate`: nats, of `x` and `y`, shapes `(num, dim_x)` and `(num, dim_y)`, and a seed for what is random.
    - `package`: which has it.
    - `widest`: how many coordinates X and Y may have together.
    """

    estimate: Callable[[np.ndarray, np.ndarray, int], float]
    package: str = "entropax"
    widest: float = math.inf

    @property
    def version(self) -> str | None:
        """Of the package, or `None` where it is not installed."""
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None


def infomeasure_ksg(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Ten neighbours in the maximum norm; without noise, as samples have no ties."""
    del seed
    # By its name: with an import the type checker would miss the package where it is not installed.
    estimate = importlib.import_module("infomeasure").mutual_information
    return float(estimate(x, y, approach="ksg", k=_NEIGHBOURS, noise_level=0))


def hoi_knn(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Three neighbours, hoi's default, in the larger of two Euclidean distances. It answers in bits."""
    del seed
    return math.log(2) * float(importlib.import_module("hoi.core").get_mi(method="knn")(x.T, y.T))


def second_moments(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Of the samples as they are: what canonical correlations know, without bias where samples are Gaussian."""
    del seed
    return float(ex.dependence.gaussian_information(x, y).value)


def gaussian_copula(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Second moments of normal scores."""
    x_key, y_key = jr.split(jr.key(seed))
    return second_moments(ex.data.rank_gaussianise(x, x_key), ex.data.rank_gaussianise(y, y_key), seed)


def scikit_learn(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Three neighbours, its default."""
    return float(mutual_info_regression(x, y[:, 0], random_state=seed)[0])


# By the names they have in results, in the order they are shown.
PEERS = {
    "infomeasure": Peer(infomeasure_ksg, "infomeasure"),
    "hoi": Peer(hoi_knn, "hoi"),
    "second_moments": Peer(second_moments),
    "copula": Peer(gaussian_copula),
    "scikit_learn": Peer(scikit_learn, "scikit-learn", widest=2),
}


def wanted(task: ex.data.bmi.Task) -> list[str]:
    """The peers that a task is one for."""
    # Not by its law: a map may add coordinates.
    width = sum(values.shape[1] for values in task.sample(jr.key(0), 1))
    return [name for name, peer in PEERS.items() if width <= peer.widest]


def measure(task: ex.data.bmi.Task, config: Config, names: Iterable[str]) -> dict[str, dict]:
    """What peers find, by their names."""
    x, y, _ = task.sample_with_pointwise(jr.key(config.seed), config.samples)
    found = {}
    for name in names:
        start = time.perf_counter()
        value = PEERS[name].estimate(x, y, config.seed)
        found[name] = {"value": value, "seconds": time.perf_counter() - start, "version": PEERS[name].version}
    return found


def errors(rows: list[dict], name: str) -> np.ndarray:
    """A peer's, on the tasks that it has a value of."""
    return np.array([row["peers"][name]["value"] - row["exact"] for row in rows if name in row["peers"]])


def summary(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Of each peer the mean absolute error, over the tasks that it has a value of."""
    return {
        name: {
            "tasks": len(found),
            "mean_absolute_error": float(np.abs(found).mean()),
            "mean_error": float(found.mean()),
            "seconds_per_task": float(np.mean([row["peers"][name]["seconds"] for row in rows if name in row["peers"]])),
        }
        for name in PEERS
        if len(found := errors(rows, name))
    }


def show(rows: list[dict]) -> None:
    """Prints the errors of each task, and the summary."""
    table = rich.table.Table("task", "exact", *PEERS)
    for row in rows:
        found = [row["peers"].get(name) for name in PEERS]
        table.add_row(
            row["task"],
            f"{row['exact']:.3f}",
            *("" if one is None else f"{one['value'] - row['exact']:+.3f}" for one in found),
        )
    console = wide_console()
    console.print(table)
    for name, found in summary(rows).items():
        console.print(name, ", ".join(f"{key}: {value:.4g}" for key, value in found.items()))


def run(options: Options) -> list[dict]:
    """Does what is missing, shows what there is, and closes the record where it is all."""
    config = Config(options.samples, options.seed)
    record = Record("bmi_peers", config, options.root)
    tasks = {f"{task.name}.json": task for task in ex.data.bmi.tasks()}
    there = [name for name, peer in PEERS.items() if peer.version is not None]
    for package in sorted({peer.package for name, peer in PEERS.items() if name not in there}):
        print(f"{package} is not installed and left out: pip install 'entropax[peers]'")
    chosen = [file for file, task in tasks.items() if re.search(options.only, task.name)]
    index, count = shard(options.shard)
    for file in tqdm(chosen[index::count], desc=f"bmi peers {config.samples}", disable=None):
        task, known = tasks[file], _known(record, file)
        missing = [name for name in wanted(task) if name in there and name not in known]
        if missing:
            row = {"task": task.name, "exact": task.mutual_information}
            row["peers"] = known | measure(task, config, missing)
            record.write_json(file, row | {"provenance": provenance()})
    rows = present(record, tasks)
    if rows:
        show(rows)
    if len(rows) == len(tasks) and all(set(wanted(task)) <= set(_known(record, file)) for file, task in tasks.items()):
        record.finish(summary(rows))
    print(f"{len(rows)} of {len(tasks)} tasks: {record.directory}")
    return rows


def _known(record: Record, file: str) -> dict[str, dict]:
    return record.read_json(file)["peers"] if record.has(file) else {}


def main(args: list[str] | None = None) -> list[dict]:
    """The command line."""
    return run(tyro.cli(Options, args=args, prog="python -m runs.bmi_peers", description=__doc__))


if __name__ == "__main__":
    main()
