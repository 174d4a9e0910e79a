"""A Slurm of one node, with a munge of its own: all that it reads and writes lies in one folder, and its ports are free
ones, so that it neither needs nor disturbs what is installed on the machine."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator


# Debian's packages slurm-wlm and munge bring them; daemons are not in everybody's PATH.
_PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "scontrol", "scancel", "sinfo", "setpriv")
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

# Two CPUs, whatever there are, and two GPUs that are none. The node is called localhost because JAX asks at the first
# node's name. Credentials that expire soon let a job that was requeued start at once, and not after two minutes.
_CONFIGURATION = """
ClusterName=entropax
SlurmctldHost=localhost
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
KillWait=2
GresTypes=gpu
NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_GPUS = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


def wanting() -> str | None:
    """Why there can be no Slurm here; `None` where there can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "a Slurm of one's own wants root, for its daemons start tasks as any user"
    absent = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    return f"{', '.join(absent)} not found: apt-get install slurm-wlm munge" if absent else None


@contextlib.contextmanager
def one_node(folder: pathlib.Path) -> Iterator[dict[str, str]]:
    """Runs the daemons, and ends them.

    **Returns:** what the environment of Slurm's commands must hold.

    **Raises:** `RuntimeError` where the node does not come up, with what the daemons said.
    """
    folder.chmod(0o700)
    controller, daemon = _free_ports()
    values = {"folder": folder, "host": socket.gethostname().split(".")[0], "controller": controller, "daemon": daemon}
    (folder / "slurm.conf").write_text(_CONFIGURATION.format(**values))
    (folder / "gres.conf").write_text(_GPUS)
    key = folder / "key"
    key.touch(0o600)
    key.write_bytes(os.urandom(128))
    # Whatever belongs to a job around us, or says how to reach another Slurm, is not for this one.
    others = ("SLURM", "SBATCH", "SRUN", "PMI")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    environment |= {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": _PATH}
    run = lambda *command: subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    # By force, for it would rather have a socket that other users can come to.
    munge = ["munged", "--foreground", "--force", f"--socket={folder}/munge", f"--key-file={key}"]
    munge += [f"--pid-file={folder}/munge.pid", f"--seed-file={folder}/seed", f"--log-file={folder}/munge.log"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_daemon(munge, folder, environment))
        _until(lambda: (folder / "munge").exists(), folder)
        stack.enter_context(_daemon(["slurmctld", "-D", "-i"], folder, environment))
        stack.enter_context(_daemon(["slurmd", "-D"], folder, environment))
        _until(lambda: run("sinfo", "--noheader", "--format=%T").stdout.strip() == "idle", folder)
        # Tasks outlive the daemon that has started them.
        stack.callback(_until, lambda: not run("squeue", "--noheader").stdout.strip(), folder)
        stack.callback(run, "scancel", "--user=root")
        yield environment


@contextlib.contextmanager
def _daemon(command: list[str], folder: pathlib.Path, environment: dict[str, str]) -> Iterator[None]:
    """A daemon that ends here at the latest, and is ended by the system where this process is killed before."""
    name = command[0]
    with open(folder / f"{name}.out", "wb") as said:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command], env=environment, stdout=said, stderr=said
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _until(done, folder: pathlib.Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            said = "\n".join(f"{file.name}:\n{file.read_text()[-2000:]}" for file in sorted(folder.glob("*.out")))
            raise RuntimeError(f"Slurm is not where it should be after {seconds:g} seconds.\n{said}")
        time.sleep(0.2)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
