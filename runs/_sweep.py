"""Goes through the settings of a plan, each once, and keeps what was found.

What lies in the folder of a sweep: `results.jsonl` (or `results.0-of-4.jsonl`, ...), a row for each setting in which
nothing depends on the machine's mood, so that a sweep which was killed and started again leaves the same bytes;
`timings.jsonl` beside it, for what does; `floor.mixture.json` and so on, one for each problem.
"""

import dataclasses
import json
import os
import pathlib
import platform
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import entropax as ex
from entropax.denoiser import noise, signal
from runs._problems import dissipation, grid_of, Problem, PROBLEMS
from runs._record import Record
from runs._rows import merged, opened
from runs._settings import Plan, PROCESS, Setting
from runs._yardstick import beginning, mean_of, Measured, strong_error, TIGHT, Yardstick


@dataclasses.dataclass(frozen=True)
class Config:
    """What all rows of a folder have in common; which settings they are of is not part of it, so that a plan may grow.

    **Arguments:**

    - `name`: of the plan.
    - `samples`: how many each setting draws, and how many real ones they are compared with.
    - `seed`: of real samples and conditions.
    """

    name: str = "smoke"
    samples: int = 1_000
    seed: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Sweep:
    """The work of one process.

    **Arguments:**

    - `config`: what all settings have in common.
    - `plan`: the settings.
    - `root`: the folder of all results.
    - `problems`: what makes each problem.
    """

    config: Config
    plan: Plan
    root: str | os.PathLike[str] = "results"
    problems: Mapping[str, Callable[..., Problem]] = dataclasses.field(default_factory=lambda: {**PROBLEMS})

    @property
    def record(self) -> Record:
        return Record("sweep", self.config, self.root)

    @property
    def folder(self) -> pathlib.Path:
        return self.record.directory

    def rows(self) -> list[dict[str, Any]]:
        """What there is so far, of all shards, in the order of the plan."""
        found = merged(self.folder, "results")
        return [found[setting.hash] for setting in self.plan.settings if setting.hash in found]

    def floors(self) -> dict[str, Measured]:
        """By problem, of those that were begun."""
        files = sorted(self.folder.glob("floor.*.json"))
        return {file.name.split(".")[1]: json.loads(file.read_text()) for file in files}

    def work(self, shard: int = 0, shards: int = 1) -> None:
        """Measures the settings of a share that no file of the folder has a row of yet."""
        part = "" if shards == 1 else f".{shard}-of-{shards}"
        share = self.plan.share(shard, shards)
        with (
            opened(self.folder / f"results{part}.jsonl") as results,
            opened(self.folder / f"timings{part}.jsonl") as timings,
        ):
            done = merged(self.folder, "results")
            missing = [setting for setting in share if setting.hash not in done]
            yardsticks: dict[str, Yardstick] = {}
            references: dict[tuple, jax.Array] = {}
            for setting in tqdm(missing, desc=f"sweep {self.config.name}{part}", disable=None):
                start = time.perf_counter()
                if setting.problem not in yardsticks:
                    make = self.problems[setting.problem]
                    yardsticks[setting.problem] = Yardstick(make(self.config.samples, self.config.seed, self.root))
                    floor = f"floor.{setting.problem}.json"
                    if not (self.folder / floor).exists():
                        self.record.write_json(floor, yardsticks[setting.problem].floor())
                row = measure(setting, yardsticks[setting.problem], references)
                results.append(row)
                seconds = round(time.perf_counter() - start, 4)
                timings.append({"hash": setting.hash, "seconds": seconds, "host": platform.node()})


def measure(setting: Setting, yardstick: Yardstick, references: dict[tuple, jax.Array]) -> dict[str, Any]:
    """The row of a setting. `references` holds the reference solutions that others have asked for."""
    problem = yardstick.problem
    row = {"hash": setting.hash, "setting": setting.plain}
    try:
        x, evaluations, dissipated = draw(setting, problem)
    except eqx.EquinoxRuntimeError as error:
        # That samples become infinite is a result too; the message comes with the stack about it.
        reason = re.search("A sample became infinite or NaN[^\n]*", str(error))
        if reason is None:
            raise
        return row | {"evaluations": None, "measured": {}, "failed": reason[0]}
    measured = yardstick.distances(x, problem.y)
    if dissipated is not None:
        measured["dissipated"] = mean_of(dissipated)
    if setting.churn == 0:
        question = (setting.problem, setting.weight, setting.interval, setting.log_snr_range, setting.seed)
        if question not in references:
            references[question] = yardstick.reference(setting, TIGHT)
        measured["strong_error"] = (strong_error(x, references[question]), None)
    return row | {"evaluations": evaluations, "measured": measured, "failed": None}


def draw(setting: Setting, problem: Problem) -> tuple[jax.Array, float, jax.Array | None]:
    """Samples, how often each asked the denoiser, and the entropy that went into each (known along fixed grids)."""
    denoiser = setting.guide(problem.denoiser)
    latent, key = beginning(setting, problem)
    low, high = (jnp.asarray(end) for end in setting.log_snr_range)
    sampler = setting.sampler(ex.solve.Nodes(_nodes(grid_of(setting, problem), low, high, setting.steps)))
    # The compiled code sees no numbers and can refuse none.
    sampler.nodes(PROCESS, denoiser)
    if setting.tolerance is None:
        path = _path(denoiser, latent, problem.y, key, sampler)
        x, dissipated = _ended(denoiser, path, problem.y)
        return x, setting.made(setting.steps), dissipated
    x, steps = _adaptive(denoiser, latent, problem.y, key, sampler)
    return x, setting.made(float(np.mean(np.asarray(steps, np.float64)))), None


@eqx.filter_jit
def _nodes(grid, low, high, steps):
    return grid(PROCESS, low, high, steps)


@eqx.filter_jit
def _path(denoiser, latent, y, key, sampler):
    return ex.trajectory(PROCESS, denoiser, latent, y, key=key, sampler=sampler)


@eqx.filter_jit
def _ended(denoiser, path, y):
    """The denoised mean of the last states, and what the paths dissipated. Apart, because all solvers that take as many
    steps share it."""
    log_snr = path.log_snr[-1]
    clean = lambda z, y: (z - noise(log_snr) * denoiser(z, log_snr, y)) / signal(log_snr)
    return jax.vmap(clean)(path.z[-1], y), dissipation(denoiser, path.log_snr, path.z, y)


@eqx.filter_jit
def _adaptive(denoiser, latent, y, key, sampler):
    found = ex.decode(PROCESS, denoiser, latent, y, key=key, sampler=sampler)
    return found.x, found.steps
