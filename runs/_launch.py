"""A sweep as jobs of a cluster, one for each share, through submitit."""

import os
from typing import Literal

from runs._settings import Plan
from runs._sweep import Config, Sweep


# One share may be done an hour before another: whoever is first waits for the others, or they would be ended.
_PATIENCE = 24 * 3600


def launch(
    config: Config,
    plan: Plan,
    root: str | os.PathLike[str],
    cluster: Literal["local", "slurm"],
    jobs: int,
    *,
    processes: int = 1,
    minutes: int = 240,
    partition: str | None = None,
) -> None:
    """Starts a job for each share of a plan, and waits until all have ended. A job that is killed has written what it
    had measured: launch again.

    **Arguments:**

    - `cluster`: `local` for processes on this machine, `slurm` for an array of jobs.
    - `jobs`: into how many shares the plan is cut.
    - `processes`: of each job, which share its share, joined by `jax.distributed` where the cluster is Slurm.
    - `minutes`: how long a job may take.
    - `partition`: of Slurm.

    **Raises:** `ValueError` where submitit is not installed; what a job that failed raised.
    """
    try:
        import submitit
    except ImportError:
        raise ValueError("Jobs of a cluster want submitit: pip install 'entropax[slurm]'.") from None
    folder = Sweep(config, plan, root).folder / "jobs"
    executor = submitit.AutoExecutor(folder, cluster=cluster)
    executor.update_parameters(timeout_min=minutes, tasks_per_node=processes, name=f"sweep-{config.name}")
    if partition is not None:
        executor.update_parameters(slurm_partition=partition)
    with executor.batch():
        submitted = [executor.submit(work, config, plan, os.path.abspath(root), job, jobs) for job in range(jobs)]
    for job in submitted:
        job.results()


def work(config: Config, plan: Plan, root: str, job: int, jobs: int) -> None:
    """What one process of a job does: its part of the share."""
    import submitit

    environment = submitit.JobEnvironment()
    processes, rank = environment.num_tasks, environment.global_rank
    if processes > 1 and environment.cluster == "slurm":
        import jax

        jax.distributed.initialize(shutdown_timeout_seconds=_PATIENCE)
    Sweep(config, plan, root).work(job * processes + rank, jobs * processes)
