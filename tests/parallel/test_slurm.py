"""Slurm: processes that `srun` has started find each other, and a job that is interrupted goes on."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from runs._launch import launch
from runs._record import execute, Record
from runs._settings import Plan
from runs._sweep import Config, Sweep
from tests.parallel import program, slurm
from tests.runs import a_run


ROOT = pathlib.Path(__file__).parents[2]

# Of each task: one device, and what the tests have too.
TASK = {
    "XLA_FLAGS": "--xla_backend_optimization_level=1",
    "JAX_PLATFORMS": "cpu",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "PYTHON": sys.executable,
    "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
}


@pytest.fixture
def cluster(tmp_path_factory):
    """The environment of commands of a Slurm with one node."""
    reason = slurm.wanting()
    if reason is not None:
        pytest.skip(reason)
    with slurm.one_node(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment | TASK


def run(environment, *command, cwd=ROOT) -> str:
    done = subprocess.run(
        list(map(str, command)), env=environment, cwd=cwd, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_tasks_find_each_other_and_give_the_numbers_of_one(cluster, tmp_path):
    command = [sys.executable, program.__file__]
    run(cluster, *command, tmp_path / "one.npz", "estimates")
    run(cluster, "srun", "-n", "2", *command, tmp_path / "two.npz", "estimates")
    found, wanted = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("two", "one"))
    assert set(found) == set(wanted) >= {"loss", "held_out", "information", "entropy"}
    for name in wanted:
        size = np.abs(wanted[name]).max()
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5 * size, err_msg=name)


def state(environment, job: str) -> dict[str, str]:
    """What Slurm knows of a job."""
    shown = run(environment, "scontrol", "show", "job", "--oneliner", job)
    return dict(field.split("=", 1) for field in shown.split() if "=" in field)


def wait(environment, job: str, done, log: pathlib.Path) -> None:
    end = time.monotonic() + 900
    while not done():
        assert state(environment, job)["JobState"] in ("PENDING", "RUNNING", "COMPLETING", "REQUEUED"), log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.5)


@pytest.mark.slow
def test_a_job_that_is_requeued_goes_on_from_its_checkpoint(cluster, tmp_path):
    config = a_run.Config(chunks=12, pause=0.5)
    command = f"-m tests.runs.a_run --chunks {config.chunks} --pause {config.pause}".split()
    # Two tasks on two GPUs, as `just nodes=1 gpus=2 slurm` has it, but on the CPUs that there are.
    tasks = ["--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=2", "--cpus-per-task=1"]
    batch = ["sbatch", "--parsable", *tasks, ROOT / "runs" / "slurm.sbatch", *command]
    submit = lambda: run(cluster, *batch, cwd=tmp_path).strip()
    record = Record("a_run", config, tmp_path / "results")
    job = submit()
    log = tmp_path / f"slurm-{job}.log"
    checkpoints = lambda: sorted(path.name for path in record.directory.glob("checkpoints/0*"))
    wait(cluster, job, lambda: len(checkpoints()) > 1, log)
    # What Slurm sends before the time is over; the script has itself requeued.
    run(cluster, "scancel", "--batch", "--signal=USR1", job)
    wait(cluster, job, lambda: state(cluster, job)["Restarts"] == "1", log)
    assert not record.complete
    wait(cluster, job, lambda: state(cluster, job)["JobState"] == "COMPLETED", log)

    # Both were started twice, and yet the twelfth checkpoint is that of the twelfth chunk: none was trained again.
    assert [file.read_text() for file in sorted(record.directory.parent.glob("calls.*"))] == ["xx", "xx"]
    assert checkpoints()[-1] == "000012-step-12"
    metrics, arrays = record.load()
    assert metrics == {"devices": 2} and arrays["process"] == 0
    _, wanted = execute(a_run.run, dataclasses.replace(config, pause=0.0), tmp_path / "alone").load()
    for name in ("loss", "held_out"):
        np.testing.assert_allclose(arrays[name], wanted[name], rtol=1e-5, err_msg=name)
    # The first process alone has spoken.
    assert log.read_text().count("Written: ") == 1 == log.read_text().count("devices")

    finished = (record.directory / "metrics.json").stat().st_mtime_ns
    again = submit()
    other = tmp_path / f"slurm-{again}.log"
    wait(cluster, again, lambda: state(cluster, again)["JobState"] == "COMPLETED", other)
    assert other.read_text().count("Complete already: ") == 1
    assert (record.directory / "metrics.json").stat().st_mtime_ns == finished


@pytest.mark.slow
def test_a_sweep_as_a_job_of_two_processes(cluster, tmp_path, monkeypatch):
    config = Config("tiny", samples=40)
    plan = Plan.product(solver=["sde_dpm2"], evaluations=[6], churn=[0.5, 1.0], grid=["karras", "time"])
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    launch(config, plan, tmp_path / "jobs", "slurm", 1, processes=2, minutes=30)
    launched, here = (Sweep(config, plan, tmp_path / name) for name in ("jobs", "here"))
    here.work()
    assert sorted(file.name for file in launched.folder.glob("results*")) == [
        "results.0-of-2.jsonl",
        "results.1-of-2.jsonl",
    ]
    assert launched.rows() == here.rows() and len(here.rows()) == len(plan)
    assert launched.floors() == here.floors() != {}


def test_the_recipe_of_a_job(tmp_path):
    # `sbatch` as a program that repeats what it was told.
    file = tmp_path / "sbatch"
    file.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    file.chmod(0o755)
    just = shutil.which("just") or pathlib.Path(sys.executable).parent / "just"
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    told = run(environment, just, "nodes=2", "gpus=4", "slurm", "joint_gaussian", "--preset", "paper").split()
    assert told[:3] == ["--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4"]
    assert told[3:] == ["runs/slurm.sbatch", "-m", "runs.joint_gaussian", "--preset", "paper"]
    assert (ROOT / told[3]).is_file()
