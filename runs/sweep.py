"""What sampling costs and what it is worth: solver, evaluations, grid, clock, noise, guidance, tolerance, precision.

    python -m runs.sweep --grid smoke
    python -m runs.sweep --grid toy --shard 0/4
    python -m runs.sweep --grid image --launch slurm --jobs 8

Every setting draws as many samples from the same initial noise, and is measured by every distance that its problem
allows, beside the floor: the same distance between two sets of real samples. Samples drawn with guidance are compared
with real ones too, of which they are to be more typical and less various; their strong error is from their own flow.

One row of results.jsonl is one setting. A sweep that was killed goes on where it was, rows of settings that a plan has
lost remain, and shards are put together when they are read. Setting JAX_COMPILATION_CACHE_DIR saves those that start
again, or share a machine, half of their time.

On two cores `smoke` takes a minute; `toy`, with 1 428 settings of which 284 are compiled, about half an hour, and
`image` as long after the digits' network is trained. Expected of `toy` on the mixture at 10 evaluations: UniPC of order
two has a strong error of 0.12 in equal steps of λ, 0.16 on the entropic grid, 0.19 on Karras's and 0.64 in equal steps
of time, and a Kullback-Leibler divergence of 0.12, 0.08, 1.8 and 13 nats beside a floor of 0.04.
"""

import dataclasses
from typing import Literal

import tyro

from runs._launch import launch
from runs._pieces import shard
from runs._plans import PlanName, PLANS
from runs._settings import Plan
from runs._standings import show, summary
from runs._sweep import Config, Sweep
from runs._yardstick import ErrorName


@dataclasses.dataclass(frozen=True)
class Options:
    """Of the command line.

    **Arguments:**

    - `grid`: the plan.
    - `samples`: of each setting; those of the plan where it is not given.
    - `shard`: `i/n`, which of how many shares this process does.
    - `launch`: here, or as jobs on this machine or a Slurm cluster, `jobs` of them with `processes` each, for at most
        `minutes`, on a `partition`.
    - `by`: the error by which settings are put in order.
    - `top`: how many of each problem are shown.
    - `root`: the folder of all results.
    """

    grid: PlanName = "smoke"
    samples: int | None = None
    shard: str = "0/1"
    launch: Literal["here", "local", "slurm"] = "here"
    jobs: int = 2
    processes: int = 1
    minutes: int = 240
    partition: str | None = None
    by: ErrorName = "sliced_wasserstein"
    top: int = 12
    root: str = "results"


def run(options: Options, plan: Plan, config: Config) -> Sweep:
    """Does what is missing, shows what there is, and closes the record where it is all."""
    sweep = Sweep(config, plan, options.root)
    for reason, count in plan.left_out.items():
        print(f"Left out, {count} combinations: {reason}")
    if options.launch == "here":
        sweep.work(*shard(options.shard))
    else:
        launch(
            config,
            plan,
            options.root,
            options.launch,
            options.jobs,
            processes=options.processes,
            minutes=options.minutes,
            partition=options.partition,
        )
    rows = sweep.rows()
    show(rows, sweep.floors(), options.by, options.top)
    if len(rows) == len(plan):
        sweep.record.finish(summary(rows, sweep.floors(), options.by))
    print(f"{len(rows)} of {len(plan)} settings: {sweep.folder}")
    return sweep


def main(args: list[str] | None = None) -> Sweep:
    """The command line."""
    options = tyro.cli(Options, args=args, prog="python -m runs.sweep", description=__doc__)
    make, config = PLANS[options.grid]
    if options.samples is not None:
        config = dataclasses.replace(config, samples=options.samples)
    return run(options, make(), config)


if __name__ == "__main__":
    main()
