"""Training: it learns what is known in closed form, resumes to the bit, and takes the same steps on any devices."""

import os
import signal
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.train._fit import make_network


PROBLEM = ex.data.JointGaussian.random(jr.key(0), dim_x=3, dim_y=2, noise_std=0.7)
SMALL = ex.Settings(steps=60, batch_size=64, chunk=20, learning_rate=2e-3)


def _equal(first, second):
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        if isinstance(a, jax.Array):
            np.testing.assert_array_equal(a, b)


def test_a_fitted_network_gives_the_closed_forms(getkey):
    x, y = PROBLEM.sample(getkey(), 8000)
    model = ex.fit(x, y, key=getkey(), width=64, depth=2, settings=ex.Settings(steps=1500, batch_size=256))
    x, y = PROBLEM.sample(getkey(), 8000)
    information, entropy = PROBLEM.mutual_information, PROBLEM.total_entropy()
    for method in (ex.Orthogonal(), ex.EntropyDifference(), ex.LossGapForm()):
        found = ex.mutual_information(model, x, y, key=getkey(), method=method)
        assert abs(float(found.value) / information - 1) < 0.08, str(found)
    assert abs(float(ex.neural_entropy(model, x, key=getkey()).value) / entropy - 1) < 0.08


def test_the_objective_of_an_exact_denoiser_is_its_minimum_mean_square_error(getkey):
    # Of N(0, 1): E‖ε − ε̂‖² = sigmoid(λ), with integral softplus.
    x = jr.normal(getkey(), (2000, 1))
    low, high = -5.0, 5.0
    exact = 0.5 * (np.log1p(np.exp(high)) - np.log1p(np.exp(low)))
    draws = [float(ex.denoising_loss(_Trusted(low, high), x, None, key=getkey())) for _ in range(30)]
    assert abs(np.mean(draws) - exact) < 4 * np.std(draws) / np.sqrt(30)


class _Trusted(ex.AbstractDenoiser):
    low: float
    high: float

    @property
    def log_snr_range(self):
        return self.low, self.high

    def __call__(self, z, log_snr, y=None):
        return ex.Equilibrium()(z, log_snr)


def test_weightings_are_uniform_in_time_where_they_say_so():
    # ∫ w(λ) dλ = 2∫ ds = 2T for the error of the noise, and 2∫ ds/Σ for that of the score.
    process = ex.VariancePreserving()
    low, high = process.log_snr_range(1e-2)
    log_snr = jnp.linspace(low, high, 20001)
    epsilon = jax.vmap(ex.Epsilon(process))(log_snr)
    np.testing.assert_allclose(np.trapezoid(epsilon, log_snr), 2 * (1 - 1e-2), rtol=1e-3)
    unit = jax.vmap(ex.Unit(process))(log_snr)
    s = jnp.geomspace(1e-2, 1, 20001)
    exact = 2 * np.trapezoid(1 / np.asarray(jax.vmap(process.std)(s)) ** 2, s)
    np.testing.assert_allclose(np.trapezoid(unit, log_snr), exact, rtol=1e-3)
    # A matrix of likelihood weights is flat.
    assert float(ex.Likelihood()(jnp.asarray(3.0))) == 1.0


def test_the_average_is_debiased(getkey):
    # With a learning rate of zero the average must be the weights themselves, from the first chunk on.
    x, _ = PROBLEM.sample(getkey(), 100)
    settings = ex.Settings(steps=20, chunk=10, batch_size=16, learning_rate=0.0)
    seen = []
    key = getkey()
    training = ex.fit_with_history(
        x, key=key, width=8, depth=1, settings=settings, observe=lambda step, d: seen.append((step, d))
    )
    assert [step for step, _ in seen] == [10, 20]
    untrained = make_network(x, None, (-9.0, 9.0), width=8, depth=1, key=jr.split(key, 3)[1])
    for denoiser in (seen[0][1], seen[1][1], training.denoiser):
        for a, b in zip(jax.tree.leaves(denoiser.net), jax.tree.leaves(untrained), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_early_stopping_keeps_the_best(getkey):
    # Eight points and many steps: the network learns them by heart, and the held-out loss turns up.
    x, _ = PROBLEM.sample(getkey(), 40)
    settings = ex.Settings(steps=2000, chunk=50, batch_size=32, learning_rate=5e-3, average=0.9, patience=4)
    training = ex.fit_with_history(x, key=getkey(), width=64, depth=2, held_out=0.5, settings=settings)
    history = training.history
    assert history.step[-1] < 2000
    assert len(history.held_out) - 1 - np.argmin(history.held_out) == 4


def test_two_devices_take_the_same_steps_as_one(getkey):
    x, y = PROBLEM.sample(getkey(), 500)
    key = getkey()
    one = ex.fit_with_history(x, y, key=key, width=16, depth=1, settings=SMALL)
    two = ex.fit_with_history(x, y, key=key, width=16, depth=1, settings=SMALL, mesh=ex.parallel.make_mesh())
    assert jax.device_count() == 2
    np.testing.assert_allclose(one.history.loss, two.history.loss, rtol=1e-5)
    np.testing.assert_allclose(one.history.held_out, two.history.held_out, rtol=1e-5)


def test_one_trace_for_all_chunks(getkey):
    from entropax.train._train import _run_chunk

    x, y = PROBLEM.sample(getkey(), 200)
    compiled = _run_chunk._cached  # pyright: ignore[reportFunctionMemberAccess]
    before = compiled._cache_size()
    ex.fit(x, y, key=getkey(), width=12, depth=1, settings=SMALL)
    assert compiled._cache_size() - before == 1


_PROGRAM = """
    import os, signal, sys
    import entropax as ex, jax, jax.random as jr, numpy as np
    problem = ex.data.JointGaussian.random(jr.key(0), dim_x=3, dim_y=2, noise_std=0.7)
    x, y = problem.sample(jr.key(1), 300)
    folder, die_after, result = sys.argv[1:]
    settings = ex.Settings(steps=60, batch_size=64, chunk=20, learning_rate=2e-3)
    def observe(step, denoiser):
        if step == int(die_after):
            os.kill(os.getpid(), signal.SIGKILL)
    training = ex.fit_with_history(
        x, y, key=jr.key(2), width=16, depth=1, settings=settings, checkpoints=ex.Checkpoints(folder, {"run": 1}),
        observe=observe,
    )
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(training.denoiser) if isinstance(leaf, jax.Array)]
    np.savez(result, *leaves, training.history.loss, training.history.held_out)
"""


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_bit(tmp_path):
    # Each process would compile the same program; the later ones find it.
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3"}

    def run(folder, die_after, result):
        program = [sys.executable, "-c", textwrap.dedent(_PROGRAM), str(tmp_path / folder), str(die_after)]
        environment = os.environ | cache
        return subprocess.run([*program, str(tmp_path / result)], env=environment, capture_output=True, timeout=300)

    assert run("whole", -1, "whole.npz").returncode == 0
    assert run("killed", 40, "killed.npz").returncode == -signal.SIGKILL
    assert not (tmp_path / "killed.npz").exists()
    done = run("killed", -1, "killed.npz")
    assert done.returncode == 0, done.stderr.decode()
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "killed.npz") as killed:
        for name in whole:
            np.testing.assert_array_equal(whole[name], killed[name])


def test_a_checkpoint_of_another_training_is_refused(tmp_path, getkey):
    x, y = PROBLEM.sample(getkey(), 200)
    ex.fit(x, y, key=getkey(), width=16, depth=1, settings=SMALL, checkpoints=ex.Checkpoints(tmp_path, {"seed": 0}))
    with pytest.raises(ValueError, match="seed"):
        ex.fit(x, y, key=getkey(), width=16, depth=1, settings=SMALL, checkpoints=ex.Checkpoints(tmp_path, {"seed": 1}))


def test_a_loss_that_is_not_finite_stops_the_training(getkey):
    x, _ = PROBLEM.sample(getkey(), 200)
    settings = ex.Settings(steps=40, chunk=20, batch_size=16, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="no longer finite between steps 0 and 20; a smaller `learning_rate`"):
        ex.fit(x, key=getkey(), width=8, depth=1, settings=settings)


def test_bad_samples_are_refused(getkey):
    x, y = PROBLEM.sample(getkey(), 20)
    with pytest.raises(ValueError, match="`x` must be finite"):
        ex.fit(x.at[3, 1].set(jnp.nan), key=getkey())
    with pytest.raises(ValueError, match="`y` must hold as many samples as `x`, 20"):
        ex.fit(x, y[:10], key=getkey())
    with pytest.raises(ValueError, match=r"`y` must be labels, .* or vectors, .*; got float32 of shape \(20,\)"):
        ex.fit(x, y[:, 0], key=getkey())
    with pytest.raises(ValueError, match="`held_out` must be a share"):
        ex.fit(x, key=getkey(), held_out=2.0)
    with pytest.raises(ValueError, match="`steps` must be positive; got 0"):
        ex.Settings(steps=0)
