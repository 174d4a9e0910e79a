"""A run of two processes is one run: both compute, the first writes and speaks."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from runs._record import execute, Record
from tests.runs import a_run


ROOT = pathlib.Path(__file__).parents[2]


def start(root: pathlib.Path, address: str, process: int) -> subprocess.Popen:
    told = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": str(process)}
    environment = os.environ | told | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "tests.runs.a_run"]
    return subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def started(*roots: pathlib.Path) -> list[tuple[int, str, str]]:
    """How each of two processes ended, and what it said."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(start(root, address, i)) for i, root in enumerate(roots)]
        for process in processes:
            stack.callback(process.kill)
        ended = [(process.communicate(timeout=300), process.returncode) for process in processes]
    # What connects CPUs says so, in each process.
    own = lambda text: "".join(line for line in text.splitlines(True) if not line.startswith("[Gloo]"))
    return [(code, own(said), error) for (said, error), code in ended]


@pytest.mark.slow
def test_the_first_of_two_processes_writes_and_speaks(tmp_path):
    for said in ("Written", "Complete already"):
        (code, first, error), (other_code, other, other_error) = started(tmp_path, tmp_path)
        assert code == other_code == 0, error + other_error
        assert first.count(f"{said}: ") == 1 and "devices" in first and other == ""
    record = Record("a_run", a_run.Config(), tmp_path / "results")
    metrics, arrays = record.load()
    assert metrics == {"devices": 4} and arrays["process"] == 0
    _, wanted = execute(a_run.run, a_run.Config(), tmp_path / "alone").load()
    for name in ("loss", "held_out"):
        np.testing.assert_allclose(arrays[name], wanted[name], rtol=1e-5, err_msg=name)
    # The second has computed too, once.
    assert [file.read_text() for file in sorted(record.directory.parent.glob("calls.*"))] == ["x", "x"]


@pytest.mark.slow
def test_processes_that_do_not_share_a_folder_are_told(tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    Record("a_run", a_run.Config(), tmp_path / "here" / "results").finish({"devices": 4})
    for code, _, error in started(tmp_path / "here", tmp_path / "there"):
        assert code != 0 and "the processes of this job do not see the same in results/a_run/" in error
