"""CPU seconds of mutual information by samples, on one core. `just bench dependence`

- first: in a new process, with an empty compilation cache.
- again: the second call in that process, on other samples of the same shape.

The estimates are printed beside the exact values, so that a faster but worse estimator shows. Each process is bound to
one core: threads that share a core's arithmetic units take more CPU seconds for the same work. It takes six minutes.
"""

import functools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import jax.random as jr
import numpy as np
import rich.console
import rich.table
import tyro

import entropax as ex


def parabola(num: int, seed: int) -> tuple[Any, Any, float]:
    """y = x² + noise of variance one, whose information is by quadrature."""
    x, noise = np.random.default_rng(seed).normal(size=(2, num))
    return x, x**2 + noise, 0.430


def spiral(num: int, seed: int) -> tuple[Any, Any, float]:
    """Two Gaussian pairs, each variable of three columns turned by its distance: the task of Beyond Normal."""
    task = next(one for one in ex.data.bmi.tasks() if one.name == "spiral-multinormal-sparse-3-3-2-2.0")
    return *task.sample(jr.key(seed), num), task.mutual_information


def labels(num: int, seed: int) -> tuple[Any, Any, float]:
    """Three labels, equally likely, that move the mean of a Gaussian by one: information by quadrature."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, 3, num)
    grid = np.linspace(-8, 10, 20_001)
    density = np.mean([np.exp(-0.5 * (grid - mean) ** 2) for mean in range(3)], 0) / math.sqrt(2 * math.pi)
    entropy = -np.sum(density * np.log(density)) * (grid[1] - grid[0])
    return of + rng.normal(size=num), of, entropy - 0.5 * math.log(2 * math.pi * math.e)


def wide(num: int, seed: int) -> tuple[Any, Any, float]:
    """Gaussian pairs, five columns each: the dense one of Beyond Normal."""
    task = next(one for one in ex.data.bmi.tasks() if one.name == "multinormal-dense-5-5-0.5")
    return *task.sample(jr.key(seed), num), task.mutual_information


FIRST = "first answer, 5 + 5 columns, 10 000 samples"
WORK: dict[str, Callable[[int], tuple[Any, Any, float]]] = {
    FIRST: functools.partial(wide, 10_000),
    "1 + 1 columns, 1 000 samples": functools.partial(parabola, 1_000),
    "1 + 1 columns, 10 000 samples": functools.partial(parabola, 10_000),
    "3 + 3 columns, 10 000 samples": functools.partial(spiral, 10_000),
    "1 column and 3 labels, 2 000 samples": functools.partial(labels, 2_000),
}


def measure(name: str) -> list[dict[str, float]]:
    """Two calls in this process."""
    fitting = ex.dependence.NearestNeighbours() if name == FIRST else ex.dependence.CrossFitting()
    found = []
    for seed in range(2):
        x, y, exact = WORK[name](seed)
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y_kind = "discrete" if np.asarray(y).dtype.kind == "i" else "continuous"
            one = ex.dependence.mutual_information(x, y, y_kind=y_kind, fitting=fitting, key=jr.key(seed))
        seconds = time.process_time() - start
        found.append({"seconds": seconds, "value": one.value, "stderr": one.stderr, "exact": exact})
    return found


def _bind() -> None:
    """Binds this process to one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def main(only: str = "") -> None:
    """Measures each work in a process of its own.

    **Arguments:**

    - `only`: works whose names contain this.
    """
    table = rich.table.Table("work", "CPU s, first", "CPU s, again", "estimates", "exact")
    for name in (name for name in WORK if only in name):
        with tempfile.TemporaryDirectory() as folder:
            program = f"import json; from benchmarks.dependence import measure; print(json.dumps(measure({name!r})))"
            environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": folder}
            done = subprocess.run(
                [sys.executable, "-c", program], env=environment, preexec_fn=_bind, stdout=subprocess.PIPE, check=True
            )
        first, again = json.loads(done.stdout.splitlines()[-1])
        estimates = ", ".join(f"{one['value']:.3f} ± {one['stderr']:.3f}" for one in (first, again))
        seconds = (f"{one['seconds']:.1f}" for one in (first, again))
        table.add_row(name, *seconds, estimates, f"{first['exact']:.3f}")
    rich.console.Console().print(table)


if __name__ == "__main__":
    tyro.cli(main, prog="python -m benchmarks.dependence", description=__doc__)
