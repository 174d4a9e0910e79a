"""What error a sampler is left with for what work: network evaluations, and seconds.

    just run work_precision
    just figure work-precision

Two problems of the sweep, each by the same solvers on one grid, the entropic one, and by one solver on every grid: a
Gaussian mixture in the plane with its exact score, and digits by a trained network. The error is the strong one, from
where the flow would have ended were it solved without error, and the distance from real samples. Noise has no flow:
of the SDE solver there is the distance alone.

Rows are those of a sweep, and resume as one does. Seconds are taken afterwards, of draws that are compiled already:
rounds over all settings alternate, and the least of a setting is kept, so that what else the machine does counts
little; between machines, and between runs on one, compare ratios.

About six minutes on two cores, after the digits' network. Expected of the mixture: with 10 evaluations UniPC of order
three has a strong error of 0.115 on the entropic grid and 3.3 in equal steps of time; with 50 it has 0.0002, where
DPM-Solver++ has 0.03, Heun 0.11 and Euler 0.10. At equal evaluations UniPC takes a tenth longer than Euler of exact
scores that are nearly free, and a twentieth of a small network.
"""

import dataclasses
import math
import time
from collections.abc import Iterable

import equinox as eqx
import jax
import jax.numpy as jnp
from tqdm import tqdm

import entropax as ex
from runs import _sweep
from runs._problems import grid_of, Problem, PROBLEMS
from runs._record import main, Record
from runs._settings import GridName, Plan, ProblemName, PROCESS, Setting, SolverName
from runs._yardstick import beginning


SOLVER_NAMES: tuple[SolverName, ...] = ("euler", "heun", "ab3", "dpm2", "unipc3", "sde_dpm2")
GRID_NAMES: tuple[GridName, ...] = ("entropic", "karras", "log_snr", "cosine", "time")
# The one that is shown on every grid.
SOLVER: SolverName = "unipc3"


@dataclasses.dataclass(frozen=True)
class Config:
    """`samples` are as many as the problem has, if that is fewer; `rounds` of timing."""

    samples: int = 2_000
    evaluations: tuple[int, ...] = (5, 7, 10, 14, 20, 30, 50)
    problems: tuple[ProblemName, ...] = ("mixture", "digits")
    rounds: int = 15


PRESETS = {
    "smoke": Config(samples=100, evaluations=(6, 10), problems=("mixture",), rounds=2),
    "default": Config(),
    "paper": Config(evaluations=(5, 6, 7, 8, 10, 12, 14, 17, 20, 25, 30, 40, 50, 70, 100), rounds=50),
}

# As many digits as no network has seen.
_MOST = {"digits": 360}


def run(config: Config, record: Record) -> dict:
    metrics = {}
    for problem in config.problems:
        samples = min(config.samples, _MOST.get(problem, config.samples))
        plan = plan_of(problem, config.evaluations)
        sweep = _sweep.Sweep(_sweep.Config("work_precision", samples=samples), plan, record.root)
        with record.stage(f"{problem}: errors"):
            sweep.work()
        with record.stage(f"{problem}: seconds"):
            seconds = timed(plan.settings, PROBLEMS[problem](samples, 0, record.root), config.rounds)
        metrics[problem] = {
            "samples": samples,
            "floor": sweep.floors()[problem],
            "rows": [row | {"seconds": taken} for row, taken in zip(sweep.rows(), seconds, strict=True)],
        }
    return metrics


def plan_of(problem: ProblemName, evaluations: Iterable[int]) -> Plan:
    """All solvers on the entropic grid, one on all grids."""
    axes = {"problem": [problem], "evaluations": tuple(evaluations)}
    noisy, still = ([name for name in SOLVER_NAMES if name.startswith("sde") == is_noisy] for is_noisy in (True, False))
    return (
        Plan.product(**axes, solver=still, grid=["entropic"])
        + Plan.product(**axes, solver=[SOLVER], grid=GRID_NAMES)
        + Plan.product(**axes, solver=noisy, grid=["entropic"], churn=[1.0])
    )


def timed(settings: Iterable[Setting], problem: Problem, rounds: int) -> list[float]:
    """The least time of a draw of each setting over all rounds, in seconds."""
    draws = []
    for setting in settings:
        latent, key = beginning(setting, problem)
        low, high = (jnp.asarray(end) for end in setting.log_snr_range)
        nodes = grid_of(setting, problem)(PROCESS, low, high, setting.steps)
        draws.append((setting.guide(problem.denoiser), latent, problem.y, key, setting.sampler(ex.solve.Nodes(nodes))))
        jax.block_until_ready(_draw(*draws[-1]))
    least = [math.inf] * len(draws)
    for _ in tqdm(range(rounds), desc="seconds", disable=None):
        for place, arguments in enumerate(draws):
            start = time.perf_counter()
            jax.block_until_ready(_draw(*arguments))
            least[place] = min(least[place], time.perf_counter() - start)
    return least


@eqx.filter_jit
def _draw(denoiser, latent, y, key, sampler):
    return ex.decode(PROCESS, denoiser, latent, y, key=key, sampler=sampler).x


if __name__ == "__main__":
    main(PRESETS, run)
