"""The programs of the README and of the pages run as printed."""

import functools
import pathlib
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import entropax as ex


ROOT = pathlib.Path(__file__).parents[1]


def _programs(page):
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def _run(heading="Twelve lines", samples=None):
    """`samples`: how many the program measures, in place of its 10 000."""
    (program,) = _programs((ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0])
    names = {}
    exec(program.replace(", 10_000)", f", {samples})") if samples else program, names)
    return names


def test_the_program_of_the_readme_runs(monkeypatch):
    # With a short training and few samples: what it prints is rough, the right size, and beside the exact value.
    short = ex.Settings(steps=600, batch_size=512, learning_rate=5e-3, chunk=300)
    monkeypatch.setattr(ex, "fit", functools.partial(ex.fit, settings=short))
    names = _run(samples=2_000)
    assert len(names["x"]) == 2_000
    assert abs(float(names["information"].value) - 20.0439) < 2.0
    assert abs(float(names["entropy"].value) - 10.0249) < 2.0


def test_three_roads_to_the_likelihood_meet_as_printed():
    names = _run("Likelihood")
    entropy = names["data"].entropy
    for found in (names["by_noise"], names["by_paths"]):
        assert abs(float(found.value) - entropy) < 4 * float(found.stderr)
    exact = -names["data"].log_density(names["x"][:500])
    np.testing.assert_allclose(names["by_flow"], exact, atol=2e-3)


@pytest.mark.slow
def test_guided_samples_have_their_exact_covariance_as_printed():
    names = _run("Sampling and guidance")
    law = names["problem"].guided(names["process"], 1.0)
    assert int(names["fast"].evaluations[0]) == 21 and int(names["slow"].evaluations[0]) == 65
    for samples in (names["fast"], names["slow"]):
        total = np.trace(np.cov(np.asarray(samples.x, np.float64), rowvar=False))
        assert abs(total / np.trace(law.cov_x) - 1) < 0.1


@pytest.mark.slow
def test_mutual_information_of_samples_as_printed():
    names = _run("Mutual information of samples")
    found = names["found"]
    low, high = found.interval()
    assert low < names["task"].mutual_information < high
    assert found.p_value == 0.01 and abs(float(found.gaussian.value)) < 0.02


@pytest.mark.slow
def test_the_page_of_mutual_information_runs_as_printed():
    names = {}
    with pytest.warns(ex.dependence.ConvergenceWarning, match=r"Ω\(X\) still moves with the number of samples"):
        exec("\n".join(_programs((ROOT / "docs" / "mutual_information.md").read_text())), names)
    # X and Y are independent, and what Z has of both makes them dependent.
    for name in ("conditional", "total", "interaction"):
        assert names[name].value > 0.3, name
    assert abs(names["omega"].value + 0.430) < 3 * names["omega"].stderr


@pytest.mark.slow
def test_the_page_of_latents_runs_as_printed():
    names = {}
    exec("\n".join(_programs((ROOT / "docs" / "latents.md").read_text())), names)
    found = np.array([[float(estimate.value) for estimate in latent] for latent in names["told"]])
    np.testing.assert_allclose(found, names["best"].rates, rtol=0.1, atol=0.01)


@pytest.mark.slow
def test_the_page_of_clusters_runs_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec("\n".join(_programs((ROOT / "docs" / "scale_out.md").read_text())), names)
    assert names["mesh"].size == 2 and names["samples"].shape == (64, 3)
    leaves = lambda name: jax.tree.leaves(eqx.filter(names[name], eqx.is_array))
    # Read by one device, to the bit, and not trained again.
    for read, written in zip(leaves("again"), leaves("model"), strict=True):
        np.testing.assert_array_equal(read, written)
    assert [path.name for path in sorted(tmp_path.glob("checkpoints/0*"))] == ["000001-step-1", "000002-step-2"]
    # The network is spread; what it computes is not, up to rounding.
    assert any(not leaf.sharding.is_fully_replicated for leaf in leaves("wide"))
    assert abs(float(names["found"].value) - names["problem"].mutual_information) < 0.15


@pytest.mark.slow
def test_the_program_of_the_readme_is_right_as_printed():
    names = _run()
    assert abs(float(names["information"].value) / 20.0439 - 1) < 0.01
    assert abs(float(names["entropy"].value) / 10.0249 - 1) < 0.01


def test_what_a_user_adds_runs_as_printed():
    # The drift's push draws samples in; the step factor of 1 is DDIM, which ends in the data's law.
    names = {}
    exec("\n".join(_programs((ROOT / "docs" / "extending.md").read_text())), names)
    pushed, problem = names["solution"].ys[0], names["problem"]
    assert float(jnp.trace(jnp.cov(pushed.T))) < 0.9 * np.trace(problem.cov_x)
    np.testing.assert_allclose(jnp.trace(jnp.cov(names["samples"].T)), np.trace(problem.cov_x), rtol=0.15)
    assert bool(jnp.all(names["end"].total > 0))
