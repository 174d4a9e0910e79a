"""Slurm: processes that `srun` has started find each other, and a job that is interrupted goes on."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from runs._launch import launch
from runs._settings import Plan
from runs._sweep import Config, Sweep
from tests.parallel import program, slurm


ROOT = pathlib.Path(__file__).parents[2]

# Of each task: one device, and what the tests have too.
TASK = {
    "XLA_FLAGS": "--xla_backend_optimization_level=1",
    "JAX_PLATFORMS": "cpu",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "PYTHON": sys.executable,
    "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
}


@pytest.fixture(scope="module")
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
    # Six chunks of 500 steps, each with a checkpoint.
    program = "-m runs.joint_gaussian --preset smoke --dim-x 2 --dim-y 1 --steps 3000".split()
    # Two tasks on two GPUs, as `just nodes=1 gpus=2 slurm` has it, but on the CPUs that there are.
    tasks = ["--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=2", "--cpus-per-task=1"]
    submit = lambda: run(
        cluster, "sbatch", "--parsable", *tasks, ROOT / "runs" / "slurm.sbatch", *program, cwd=tmp_path
    ).strip()
    job = submit()
    log = tmp_path / f"slurm-{job}.log"
    checkpoints = lambda: sorted(path.name for path in tmp_path.glob("results/joint_gaussian/*/checkpoints/0*"))
    wait(cluster, job, lambda: len(checkpoints()) > 1, log)
    # What Slurm sends before the time is over; the script has itself requeued.
    run(cluster, "scancel", "--batch", "--signal=USR1", job)
    wait(cluster, job, lambda: state(cluster, job)["Restarts"] == "1", log)
    assert not list(tmp_path.glob("results/joint_gaussian/*/metrics.json"))
    wait(cluster, job, lambda: state(cluster, job)["JobState"] == "COMPLETED", log)

    # The sixth that was written is that of the sixth chunk: none was trained twice.
    assert checkpoints()[-1] == "000006-step-6"
    (folder,) = tmp_path.glob("results/joint_gaussian/*")
    metrics, provenance = (json.loads((folder / f"{name}.json").read_text()) for name in ("metrics", "provenance"))
    assert provenance["device"]["count"] == 2
    assert abs(metrics["relative_error"]["loss_gap"]) < 0.1
    # The first process alone has spoken.
    assert log.read_text().count("Written: ") == 1 == log.read_text().count("relative_error.loss_gap")

    before = (folder / "metrics.json").stat().st_mtime_ns
    again = submit()
    other = tmp_path / f"slurm-{again}.log"
    wait(cluster, again, lambda: state(cluster, again)["JobState"] == "COMPLETED", other)
    assert other.read_text().count("Complete already: ") == 1
    assert (folder / "metrics.json").stat().st_mtime_ns == before


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
