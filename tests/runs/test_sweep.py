"""A sweep measures each setting once, compiles what is static once, and survives being killed."""

import collections
import dataclasses
import os
import pathlib
import random
import subprocess
import sys
import time

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import entropax as ex
from runs import _sweep, _yardstick, sweep as program
from runs._launch import launch
from runs._problems import diffused, dissipation, mixture, Problem
from runs._rows import read
from runs._settings import Plan, Setting
from runs._sweep import Config, draw, Sweep
from runs._yardstick import strong_error, TIGHT, Yardstick
from tests.runs.test_rows import killed_until_done


ROOT = pathlib.Path(__file__).parents[2]
TINY = Config("tiny", samples=40)
PLAN = Plan.product(solver=["sde_dpm2"], evaluations=[6], churn=[0.5, 1.0], grid=["karras", "time"], seed=[0, 1])


def results(folder: pathlib.Path) -> bytes:
    return (folder / "results.jsonl").read_bytes()


@pytest.fixture
def one_tree(monkeypatch):
    """The classifier takes most of the time of a setting, and compiles nothing."""
    monkeypatch.setattr(_yardstick, "_TREES", 1)


@pytest.mark.slow
def test_numbers_do_not_compile_anew(tmp_path, one_tree):
    traces = []

    class Traced(ex.AbstractDenoiser):
        denoiser: ex.AbstractDenoiser

        @property
        def log_snr_range(self):
            return self.denoiser.log_snr_range

        def __call__(self, z, log_snr, y=None):
            traces.append(1)
            return self.denoiser(z, log_snr, y)

    def traced(num: int, seed: int, root) -> Problem:
        problem = mixture(num, seed, root)
        return dataclasses.replace(problem, denoiser=Traced(problem.denoiser))

    noisy = Plan.product(
        solver=["sde_dpm2"],
        evaluations=[6],
        churn=[0.2, 0.5, 1.0],
        weight=[0.0, 1.0, 3.0],
        interval=[(-3.0, 3.0), (-1.0, 5.0)],
        grid=["karras", "log_snr", "time"],
    )
    rest = {"evaluations": [6], "seed": [0, 1, 2], "log_snr_range": [(-9.0, 9.0), (-8.0, 7.0)]}
    quiet = Plan.product(grid_parameter=[1.0, 3.0, 7.0, 10.0], **rest)
    adaptive = Plan.product(
        solver=["tsit5"], evaluations=[None], tolerance=[1e-1, 3e-2, 1e-2, 3e-3], seed=[0, 1, 2], weight=[0.0, 2.0]
    )
    plan = noisy + quiet + adaptive
    assert len(plan) >= 100 and len({setting.static for setting in plan.settings}) == 3
    first = Plan.of(part.settings[0] for part in (noisy, quiet, adaptive))
    problems = {"mixture": traced}
    Sweep(TINY, first, tmp_path, problems).work()
    before = len(traces)
    sweep = Sweep(TINY, plan, tmp_path, problems)
    # The rest of the sweep in the same process: what is compiled for one serves all.
    sweep.work()
    assert len(traces) == before
    rows = sweep.rows()
    assert [row["hash"] for row in rows] == [setting.hash for setting in plan.settings]
    # And the numbers reach the compiled code: no two settings have the same samples.
    found = collections.Counter(row["measured"]["sliced_wasserstein"][0] for row in rows if row["setting"]["weight"])
    assert max(found.values()) == 1


def test_a_row_says_what_the_sampler_does(tmp_path):
    problem = mixture(64, 0, tmp_path)
    setting = Setting(evaluations=8, grid="log_snr")
    x, evaluations, dissipated = draw(setting, problem)
    latent = jax.random.normal(jax.random.split(jax.random.key(0))[0], (64, 2))
    sampler = ex.Sampler(steps=7, grid=ex.solve.UniformLogSNR(), log_snr_range=(-9.0, 9.0))
    expected = ex.decode(ex.VariancePreserving(beta_max=20.0), problem.denoiser, latent, problem.y, sampler=sampler)
    np.testing.assert_allclose(x, expected.x, atol=1e-5)
    assert expected.evaluations is not None
    assert evaluations == 8 == int(expected.evaluations[0])
    assert dissipated is not None and dissipated.shape == (64,)
    adaptive = Setting(solver="tsit5", evaluations=None, tolerance=1e-5)
    x, evaluations, _ = draw(adaptive, problem)
    controller = dfx.PIDController(rtol=1e-5, atol=1e-5)
    sampler = ex.Sampler(dfx.Tsit5(), grid=ex.solve.Karras(), controller=controller, log_snr_range=(-9.0, 9.0))
    expected = ex.decode(ex.VariancePreserving(beta_max=20.0), problem.denoiser, latent, problem.y, sampler=sampler)
    assert expected.evaluations is not None
    np.testing.assert_allclose(evaluations, float(jnp.mean(expected.evaluations)), rtol=0.05)
    # A tight solve ends where the reference does.
    assert strong_error(x, Yardstick(problem).reference(adaptive, TIGHT)) < 1e-3


def test_entropy_dissipated_along_exact_paths_is_that_of_the_law():
    law = ex.data.JointGaussian.random(jax.random.key(3), dim_x=3, dim_y=2, noise_std=0.5)
    x, y = law.sample(jax.random.key(0), 4_000)
    found = np.asarray(dissipation(law.denoiser(), *diffused(x, jax.random.key(1)), y), np.float64)
    exact = law.conditional_entropy_between(-9.0, 9.0)
    assert abs(found.mean() - exact) < 4 * found.std() / np.sqrt(len(found)) + 0.01 * exact


def test_half_precision_costs_accuracy(tmp_path):
    problem = mixture(64, 0, tmp_path)
    full, half = (draw(Setting(precision=precision), problem)[0] for precision in ("float32", "bfloat16"))
    assert half.dtype == jnp.float32
    assert 1e-4 < strong_error(half, full) < 0.2


@pytest.mark.slow
def test_interrupted_anywhere_a_sweep_ends_with_the_same_file(tmp_path, one_tree):
    sweep = Sweep(TINY, PLAN, tmp_path)
    sweep.work()
    content = results(sweep.folder)
    assert [row["hash"] for row in read(sweep.folder / "results.jsonl")] == [s.hash for s in PLAN.settings]
    moments = random.Random(0)
    for cut in sorted(moments.randrange(len(content)) for _ in range(4)):
        (sweep.folder / "results.jsonl").write_bytes(content[:cut])
        Sweep(TINY, PLAN, tmp_path).work()
        assert results(sweep.folder) == content
    before = (sweep.folder / "timings.jsonl").read_bytes()
    sweep.work()
    assert (sweep.folder / "timings.jsonl").read_bytes() == before, "nothing is measured twice"


def test_a_sweep_whose_file_goes_away_stops_and_goes_on_once_it_is_back(tmp_path, one_tree, monkeypatch):
    sweep, measured = Sweep(TINY, PLAN, tmp_path), []
    file, aside = sweep.folder / "results.jsonl", tmp_path / "kept.jsonl"

    def moving(setting, *rest):
        measured.append(setting.hash)
        if len(measured) == 2:
            file.rename(aside)
        return {"hash": setting.hash, "setting": setting.plain}

    monkeypatch.setattr(_sweep, "measure", moving)
    with pytest.raises(OSError, match="results.jsonl was moved, deleted or replaced"):
        sweep.work()
    assert len(measured) == 2
    aside.rename(file)
    sweep.work()
    # Nothing is measured twice.
    assert measured == [setting.hash for setting in PLAN.settings] and len(sweep.rows()) == len(PLAN)


def test_shares_are_put_together(tmp_path, one_tree):
    whole, parts = (Sweep(TINY, PLAN, tmp_path / name) for name in ("whole", "parts"))
    whole.work()
    for shard in (1, 0):
        parts.work(shard, 2)
    assert sorted(file.name for file in parts.folder.glob("results*")) == [
        "results.0-of-2.jsonl",
        "results.1-of-2.jsonl",
    ]
    assert parts.rows() == whole.rows() and len(whole.rows()) == len(PLAN)
    # Another partition of the same work finds it done.
    parts.work()
    assert results(parts.folder) == b""


def test_samples_that_become_infinite_are_a_result(tmp_path):
    wild = Plan.product(solver=["euler"], evaluations=[4], weight=[1e38])
    sweep = Sweep(TINY, wild, tmp_path)
    sweep.work()
    (row,) = sweep.rows()
    assert "became infinite" in row["failed"] and row["measured"] == {}


def test_the_program_prints_floors_and_the_best(tmp_path, capsys, monkeypatch, one_tree):
    monkeypatch.setattr(program, "PLANS", {"smoke": (lambda: PLAN, TINY)})
    sweep = program.main(["--grid", "smoke", "--root", str(tmp_path), "--by", "kl", "--shard", "0/1"])
    shown = capsys.readouterr().out
    assert "real samples" in shown and "least kl of 6 evaluations" in shown and f"{len(PLAN)} of {len(PLAN)}" in shown
    assert sweep.record.complete
    assert sweep.record.load()[0]["mixture"]["settings"] == len(PLAN)
    with pytest.raises(ValueError, match="`--shard` must be i/n"):
        program.main(["--grid", "smoke", "--root", str(tmp_path), "--shard", "0"])


def test_importing_the_program_computes_nothing():
    # Inside a job `jax.distributed` must come first.
    code = "import jax, runs.sweep; jax.config.update('jax_num_cpu_devices', 3); assert jax.device_count() == 3"
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    subprocess.run([sys.executable, "-c", code], env=environment | {"PYTHONPATH": str(ROOT)}, check=True)


@pytest.mark.slow
def test_a_sweep_killed_at_random_moments_ends_with_the_same_file(tmp_path):
    file = tmp_path / "sweep_twice.py"
    file.write_text(f"""
import sys
sys.path.insert(0, {str(ROOT / "tests" / "runs")!r})
from test_sweep import PLAN, TINY
from runs._sweep import Sweep
Sweep(TINY, PLAN, sys.argv[1]).work()
""")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}
    start = time.perf_counter()
    subprocess.run([sys.executable, file, tmp_path / "undisturbed"], env=environment, check=True)
    longest = time.perf_counter() - start
    cut = killed_until_done([str(file), str(tmp_path / "disturbed")], environment, random.Random(1), longest, 5)
    folders = [Sweep(TINY, PLAN, tmp_path / name).folder for name in ("undisturbed", "disturbed")]
    assert cut > 0 and results(folders[0]) == results(folders[1]) and len(results(folders[0])) > 1000


@pytest.mark.slow
def test_jobs_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    launch(TINY, PLAN, tmp_path / "jobs", "local", 2)
    launched, here = (Sweep(TINY, PLAN, tmp_path / name) for name in ("jobs", "here"))
    here.work()
    assert launched.rows() == here.rows() and len(here.rows()) == len(PLAN)
