"""The processes of one job: how they find each other, and what is said where they do not."""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax


# Where the processes of a job that no cluster has started learn of each other.
_COORDINATOR, _PROCESSES, _PROCESS = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"

# How many tasks a cluster has started together with this one; an allocation as such starts none.
_STARTED_TOGETHER = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


class Job(NamedTuple):
    """Processes that work together.

    **Arguments:**

    - `coordinator`: host and port of the first.
    - `num_processes`: how many there are.
    - `process`: which of them this is, from 0.
    """

    coordinator: str
    num_processes: int
    process: int


def initialize(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process: int | None = None,
    *,
    timeout: float = 120.0,
) -> None:
    """Joins the processes of a job, before any other use of JAX. Of a single process it does nothing: one program
    serves a laptop and a cluster.

    Under `srun` and `mpirun` processes find each other. Elsewhere each is told, by arguments or by the environment:
    `JAX_COORDINATOR_ADDRESS`, `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`.

    **Arguments:**

    - `coordinator`: host and port of the first process, such as `"node1:12345"`.
    - `num_processes`: how many there are.
    - `process`: which of them this is, from 0.
    - `timeout`: for how many seconds processes wait for each other.

    **Raises:** `ValueError` where some of the three are given and others are not, or make no sense; `ConnectionError`
    where nobody answers at the coordinator's address.
    """
    seconds = max(1, round(timeout))
    job = told(coordinator, num_processes, process, os.environ)
    if job is None:
        if any(int(os.environ.get(name, 1)) > 1 for name in _STARTED_TOGETHER):
            with _notice(seconds, "the tasks that were started with this one"):
                jax.distributed.initialize(initialization_timeout=seconds)
        return
    if job.num_processes == 1:
        return
    if job.process > 0:
        _await(job.coordinator, timeout)
    with _notice(seconds, f"all {job.num_processes} processes at {job.coordinator}"):
        jax.distributed.initialize(*job, initialization_timeout=seconds)


def told(
    coordinator: str | None, num_processes: int | None, process: int | None, environment: Mapping[str, str]
) -> Job | None:
    """The job that arguments or the environment tell of; `None` where neither does.

    **Raises:** `ValueError` where it is told of in part, or makes no sense.
    """
    given = {"coordinator": coordinator, "num_processes": num_processes, "process": process}
    for name, variable in zip(given, (_COORDINATOR, _PROCESSES, _PROCESS)):
        if given[name] is None and variable in environment:
            given[name] = environment[variable]
    absent = [name for name, value in given.items() if value is None]
    if len(absent) == len(given):
        return None
    if absent:
        raise ValueError(
            f"`{absent[0]}` is missing: a job of several processes has `coordinator`, `num_processes` and `process` "
            f"({_COORDINATOR}, {_PROCESSES}, {_PROCESS}), or none of them."
        )
    address = str(given["coordinator"])
    numbers = []
    for name in ("num_processes", "process"):
        try:
            numbers.append(int(str(given[name])))
        except ValueError:
            raise ValueError(f"`{name}` must be a whole number; got {given[name]!r}.") from None
    count, index = numbers
    if not 0 <= index < count:
        raise ValueError(f"`process` must be at least 0 and less than `num_processes`, {count}; got {index}.")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"`coordinator` must be host:port, such as node1:12345; got {address!r}.")
    return Job(address, count, index)


def _await(address: str, timeout: float) -> None:
    """Asks at the address until somebody answers. JAX would end the process, without a word of whom it had asked."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=max(0.1, end - time.monotonic())).close()
            return
        except OSError as error:
            if time.monotonic() >= end:
                raise ConnectionError(
                    f"The coordinator at {address} did not answer within {timeout:g} seconds ({error}). It is process "
                    "0 of the job: has it started, does the others' network reach it, is the port open?"
                ) from None
        time.sleep(0.2)


@contextlib.contextmanager
def _notice(seconds: int, awaited: str) -> Iterator[None]:
    """Says what was waited for, just before JAX ends the process because it did not come."""
    message = f"Entropax: waited {seconds} seconds for {awaited}, and not all have come; JAX now ends this process."
    timer = threading.Timer(max(0.5, seconds - 0.5), lambda: print(message, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
