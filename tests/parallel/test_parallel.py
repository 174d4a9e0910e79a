"""Several devices, and several processes, give the numbers of one, and do not wait for each other meanwhile."""

import os
import pathlib
import re
import socket
import subprocess
import sys

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax._processes import Job, told
from entropax.integral._integrate import _distinct, _evaluate_chunk, _slice
from entropax.solve._log_density import _solve
from entropax.solve._sample import _begin, _drawn
from tests.parallel import program


GAUSSIAN = ex.Gaussian(np.array([0.5, -1.0]), np.array([[1.0, 0.4], [0.4, 0.6]]))
PROCESS = ex.VariancePreserving()


def start(devices: int, *args: object) -> subprocess.Popen:
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=1"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_NUMPY_DTYPE_PROMOTION": "strict"}
    command = [sys.executable, program.__file__, *map(str, args)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(*processes: subprocess.Popen) -> None:
    try:
        for process in processes:
            said, _ = process.communicate(timeout=300)
            assert process.returncode == 0, said
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    for name in wanted:
        size = np.abs(wanted[name]).max()
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5 * size, err_msg=name)


def of_two_processes(result: pathlib.Path, what: str) -> dict[str, np.ndarray]:
    address = f"127.0.0.1:{free_port()}"
    finish(*(start(2, result, what, "", address, 2, process) for process in range(2)))
    return dict(np.load(result))


def test_two_processes_train_to_the_numbers_of_one(tmp_path):
    *_, wanted = program.training(ex.parallel.make_mesh())
    assert_same(of_two_processes(tmp_path / "two.npz", "training"), wanted)


@pytest.mark.slow
def test_four_devices_and_two_processes_give_the_numbers_of_one(tmp_path):
    for devices in (1, 4):
        finish(start(4, tmp_path / f"{devices}.npz", "all", devices))
    wanted = dict(np.load(tmp_path / "1.npz"))
    assert_same(dict(np.load(tmp_path / "4.npz")), wanted)
    assert_same(of_two_processes(tmp_path / "two.npz", "all"), wanted)


_COLLECTIVE = re.compile(r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(-start)?\(")


def collectives(compiled) -> tuple[int, int]:
    """How many there are in a compiled program, and how many of them in its loops. Those that come with an error do not
    count: then the message is asked of one device."""
    bodies = re.split(r"\n(?=(?:ENTRY )?%?[\w.\-]+ \()", compiled.as_text())
    named = {found[1]: body for body in bodies if (found := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(", body))}
    named = {name: body for name, body in named.items() if "error_if_impl)/cond/branch_1_fun/" not in body}

    def called(body):
        return {name for name in re.findall(r"%([\w.\-]+)", body) if name in named}

    loops = set(re.findall(r"(?:body|condition)=%?([\w.\-]+)", compiled.as_text())) & named.keys()
    while not loops >= (more := {inner for name in loops for inner in called(named[name])}):
        loops |= more
    found = {name: len(_COLLECTIVE.findall(body)) for name, body in named.items()}
    return sum(found.values()), sum(found[name] for name in loops)


def test_collectives_are_found():
    mesh = ex.parallel.make_mesh()
    x = ex.parallel.shard(jnp.ones((4, 3)), mesh)
    once = jax.jit(jnp.sum).lower(x).compile()
    assert collectives(once) == (1, 0)
    often = jax.jit(lambda x: jax.lax.while_loop(lambda s: s[0] < jnp.max(x * s[0]), lambda s: (s[0] + 1,), (0.0,)))
    total, inside = collectives(often.lower(x).compile())
    assert total == inside > 0


@pytest.mark.parametrize(
    "sampler",
    [
        ex.Sampler(steps=4),
        ex.Sampler(dfx.Euler(), steps=4, churn=1.0),
        ex.Sampler(dfx.Tsit5(), controller=dfx.PIDController(rtol=1e-3, atol=1e-3)),
    ],
    ids=["flow", "sde", "adaptive"],
)
def test_devices_sample_without_waiting_for_each_other(sampler):
    mesh = ex.parallel.make_mesh()
    terms, denoiser, ts, latent, y = _begin(
        PROCESS, GAUSSIAN, jnp.ones((4, 2)), None, jr.key(0), ex.Sampler(**(vars(sampler) | {"mesh": mesh}))
    )
    how = sampler.solver, sampler.controller, sampler.max_steps, mesh, sampler.time, sampler.finish
    compiled = _drawn.lower(terms, denoiser, how, ts, latent, y).compile().compiled  # pyright: ignore[reportFunctionMemberAccess]
    total, inside = collectives(compiled)
    # At the end, whether all have succeeded.
    assert inside == 0 and total <= 2


def test_devices_solve_for_densities_without_waiting_for_each_other():
    mesh = ex.parallel.make_mesh()
    x, keys = ex.parallel.shard((jnp.ones((4, 2)), jr.split(jr.key(0), 4)), mesh)
    how = ex.solve.ExactDivergence(), dfx.Tsit5(), dfx.PIDController(rtol=1e-4, atol=1e-4), 64, mesh
    ends = jnp.asarray(-9.0), jnp.asarray(9.0)
    lowered = _solve.lower(ex.parallel.replicate(GAUSSIAN, mesh), (x, None, keys), *ends, *how)  # pyright: ignore[reportFunctionMemberAccess]
    assert collectives(lowered.compile().compiled) == (0, 0)


def test_devices_integrate_without_waiting_for_each_other():
    mesh = ex.parallel.make_mesh()
    rates = (ex.Gap(GAUSSIAN, ex.Equilibrium()),)
    denoisers, uses = _distinct(rates)
    samples = _slice(jnp.ones((16, 2)), None, 0, 16, mesh)
    ends = jnp.asarray(-9.0), jnp.asarray(9.0)
    fixed = ex.parallel.replicate((rates, denoisers), mesh)
    lowered = _evaluate_chunk.lower(*fixed, uses, samples, jr.key(0), *ends, ex.Integrator(mesh=mesh), True)  # pyright: ignore[reportFunctionMemberAccess]
    total, inside = collectives(lowered.compile().compiled)
    assert inside == 0 and total > 0


def test_large_parameters_are_spread_and_small_ones_copied():
    mesh = ex.parallel.make_mesh()
    tree = {"large": jnp.ones((6, 128, 64)), "odd": jnp.ones((129, 131)), "small": jnp.ones((4, 4)), "name": "net"}
    placed = ex.parallel.shard_parameters(tree, mesh)
    assert {shard.data.shape for shard in placed["large"].addressable_shards} == {(6, 64, 64)}
    assert placed["odd"].sharding.is_fully_replicated and placed["small"].sharding.is_fully_replicated
    for name in ("large", "odd", "small"):
        np.testing.assert_array_equal(ex.parallel.gather(placed)[name], tree[name])
    assert ex.parallel.shard_parameters(tree, None) is tree


def test_a_job_is_told_of_by_arguments_or_the_environment():
    environment = {"JAX_COORDINATOR_ADDRESS": "node1:99", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"}
    assert told(None, None, None, {}) is None
    assert told(None, None, None, environment) == Job("node1:99", 4, 3)
    assert told("other:1", None, 0, environment) == Job("other:1", 4, 0)
    with pytest.raises(ValueError, match="`num_processes` is missing"):
        told("node1:99", None, 0, {})
    with pytest.raises(ValueError, match="`process` must be at least 0 and less than `num_processes`, 4; got 4"):
        told("node1:99", 4, 4, {})
    with pytest.raises(ValueError, match="`coordinator` must be host:port, such as node1:12345; got 'node1'"):
        told("node1", 4, 0, {})
    with pytest.raises(ValueError, match="`num_processes` must be a whole number; got 'two'"):
        told(None, None, None, environment | {"JAX_NUM_PROCESSES": "two"})


def test_a_coordinator_that_does_not_answer_is_named():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ConnectionError, match=f"coordinator at {address} did not answer within 0.5 seconds"):
        ex.parallel.initialize(address, 2, 1, timeout=0.5)
