"""A sweep as jobs of a cluster, one for each share, through submitit."""

import os
from typing import Literal

from runs._settings import Plan
from runs._sweep import Config, Sweep


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
    - `processes`: of each job, which share its share; on a node with GPUs each has its own.
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

        # Not joined: what one measures is nothing to the others, and none should end because another did. Left to
        # itself each would take memory of all GPUs of its node.
        jax.config.update("jax_cuda_visible_devices", str(environment.local_rank))
    Sweep(config, plan, root).work(job * processes + rank, jobs * processes)
