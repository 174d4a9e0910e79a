"""Training: it learns what is known in closed form, resumes to the bit, and takes the same steps on any devices."""

import atexit
import contextlib
import dataclasses
import functools as ft
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jaxtyping
import numpy as np
import pytest

import entropax as ex
from entropax.train._fit import make_network
from entropax.train._step import rows_of, run_chunk


PROBLEM = ex.data.JointGaussian.random(jr.key(0), dim_x=3, dim_y=2, noise_std=0.7)
SMALL = ex.Settings(steps=60, batch_size=64, chunk=20, learning_rate=2e-3)
NUM = 300


@ft.cache
def samples():
    """To train on, and to hold out."""
    x, y = PROBLEM.sample(jr.key(1), NUM + 50)
    return (x[50:], y[50:]), (x[:50], y[:50])


def small(shares=None, settings=SMALL, seed=4, net_seed=3, **arguments):
    """A training of a small network. Those of the same shapes and settings share what is compiled."""
    (x, y), held_out = samples() if shares is None else shares
    net = make_network(x.astype(jnp.float32), y, (-9.0, 9.0), width=16, depth=1, key=jr.key(net_seed))
    scheme = ex.entropy_matching()
    denoiser = ex.Neural(net, scheme.baseline, scheme.scale, ex.Standardising(jnp.zeros(3), jnp.ones(3)), (-9.0, 9.0))
    return ex.train(denoiser, x, y, held_out=held_out, key=jr.key(seed), settings=settings, **arguments)


@contextlib.contextmanager
def one_more_compiled():
    """One trace serves all chunks."""
    compiled = run_chunk._cached  # pyright: ignore[reportFunctionMemberAccess]
    before = compiled._cache_size()
    yield
    assert compiled._cache_size() - before == 1


@ft.cache
def plain():
    return small()


@ft.cache
def on_two_devices():
    assert jax.device_count() == 2
    return small(mesh=ex.parallel.make_mesh())


def test_a_fitted_network_gives_the_closed_forms(getkey):
    x, y = PROBLEM.sample(getkey(), 8000)
    model = ex.fit(x, y, key=getkey(), width=64, depth=2, settings=ex.Settings(steps=1500, batch_size=256))
    x, y = PROBLEM.sample(getkey(), 8000)
    information, alone = PROBLEM.mutual_information, ex.Unconditional(model)
    methods = ex.Orthogonal(), ex.EntropyDifference(), ex.LossGapForm()
    rates = [method.integrand(model, alone) for method in methods] + [ex.Gap(alone, ex.Equilibrium())]
    # All at once, to compile once.
    found = ex.integrate(rates, x, y, key=getkey())
    for estimate, exact in zip(found, [information] * len(methods) + [PROBLEM.total_entropy()], strict=True):
        assert abs(float(estimate.value) / exact - 1) < 0.08, str(estimate)


@pytest.mark.parametrize(
    "weighting",
    [
        ex.Likelihood(),
        ex.Sigmoid(1.0),
        ex.Epsilon(ex.VariancePreserving()),
        ex.Unit(ex.VariancePreserving()),
    ],
)
def test_the_objective_of_an_exact_denoiser_is_its_minimum_mean_square_error(getkey, weighting):
    # Of N(0, 1): E‖ε − ε̂‖² = sigmoid(λ).
    x = jr.normal(getkey(), (2000, 1))
    low, high = -5.0, 5.0
    log_snr = jnp.linspace(low, high, 20001)
    exact = 0.5 * np.trapezoid(jax.vmap(weighting)(log_snr) * jax.nn.sigmoid(log_snr), log_snr)
    loss = jax.jit(lambda key: ex.denoising_loss(_Trusted(low, high), x, None, key=key, weighting=weighting))
    draws = [float(loss(getkey())) for _ in range(30)]
    assert abs(np.mean(draws) - exact) < 4 * np.std(draws) / np.sqrt(30)
    # As few draws as if all errors were of one size: levels are drawn by their weight.
    assert np.std(draws) < 0.05 * exact


def test_the_sigmoid_weighting_is_the_likelihood_of_what_noise_above_its_bias_hides():
    # ∫ sigmoid(b − λ) dλ over all levels from a to infinity is softplus(b − a).
    log_snr = jnp.linspace(-4.0, 40.0, 20001)
    weights = jax.vmap(ex.Sigmoid(3.0))(log_snr)
    np.testing.assert_allclose(np.trapezoid(weights, log_snr), np.log1p(np.exp(7.0)), rtol=1e-5)


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
    settings = ex.Settings(steps=2000, chunk=50, batch_size=32, learning_rate=5e-3, averages=(0.9,), patience=4)
    training = ex.fit_with_history(x, key=getkey(), width=64, depth=2, held_out=0.5, settings=settings)
    history = training.history
    assert history.step[-1] < 2000
    assert len(history.held_out) - 1 - np.argmin(history.held_out) == 4


def test_a_training_that_was_stopped_early_is_only_read(tmp_path):
    # Without a rate the loss never falls: two chunks after the first are enough.
    settings = dataclasses.replace(SMALL, steps=200, learning_rate=0.0, patience=2)
    steps = []
    observe = lambda step, denoiser: steps.append(step)
    run = lambda: small(settings=settings, checkpoints=ex.Checkpoints(tmp_path, {}), observe=observe).history
    first, again = run(), run()
    assert steps == list(first.step) == list(again.step) and len(steps) < 10
    np.testing.assert_array_equal(again.held_out, first.held_out)


def test_what_is_not_trained_stays_as_it_is():
    """Weights decay towards zero; a baseline, what normalises and what whitens do not."""
    (x, y), held_out = samples()
    baseline = ex.Gaussian.fit(np.asarray(x))
    net = make_network(x, y, (-9.0, 9.0), width=16, depth=1, key=jr.key(3))
    scheme = ex.entropy_matching()
    denoiser = ex.Neural(net, baseline, scheme.scale, ex.Standardising(jnp.ones(3), 2 * jnp.ones(3)), (-9.0, 9.0))
    settings = dataclasses.replace(SMALL, weight_decay=1.0, averages=(0.9999,))
    found = ex.train(denoiser, x, y, held_out=held_out, key=jr.key(4), settings=settings).denoiser
    assert isinstance(found.net, ex.nn.MLP)
    fixed = lambda denoiser: (denoiser.baseline, denoiser.normalise, denoiser.net.condition.whiten)
    for new, old in zip(*(jax.tree.leaves(fixed(one)) for one in (found, denoiser)), strict=True):
        np.testing.assert_array_equal(new, old)
    weights = lambda net: jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(net) if eqx.is_inexact_array(leaf)])
    assert float(jnp.max(jnp.abs(weights(found.net) - weights(net)))) > 1e-3


def test_an_average_of_what_does_not_change_is_that():
    """However near to one its decay: float32 has no number 0.99999."""
    settings = dataclasses.replace(SMALL, learning_rate=0.0, averages=(0.99999,))
    (x, y), _ = samples()
    net = make_network(x.astype(jnp.float32), y, (-9.0, 9.0), width=16, depth=1, key=jr.key(3))
    found = jax.tree.leaves(eqx.filter(small(settings=settings).denoiser.net, eqx.is_inexact_array))
    for new, old in zip(found, jax.tree.leaves(eqx.filter(net, eqx.is_inexact_array)), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-5)


@pytest.mark.slow
def test_a_large_set_is_held_out_in_parts():
    """Of samples that repeat each part is the whole; only their noise is not."""
    (x, y), _ = samples()
    few = jax.tree.map(lambda leaf: leaf[:64], (x, y))
    many = jax.tree.map(lambda leaf: jnp.tile(leaf, (10, *[1] * (leaf.ndim - 1)))[:600], few)
    once, often = (small(((x, y), held_out)).history.held_out for held_out in (few, many))
    np.testing.assert_allclose(often, once, rtol=0.03)
    assert not np.any(often == once)


def test_two_devices_take_the_same_steps_as_one():
    one, two = plain(), on_two_devices()
    np.testing.assert_allclose(one.history.loss, two.history.loss, rtol=1e-5)
    np.testing.assert_allclose(one.history.held_out, two.history.held_out, rtol=1e-5)


def test_parameters_may_be_spread_over_devices(monkeypatch):
    # So that the larger of the network's matrices count as large.
    monkeypatch.setattr(ex.parallel, "_SMALL", 16 * 16)
    with one_more_compiled():
        spread = small(mesh=ex.parallel.make_mesh(), placement=ex.parallel.shard_parameters)
    np.testing.assert_allclose(spread.history.loss, on_two_devices().history.loss, rtol=1e-5)
    arrays = [leaf for leaf in jax.tree.leaves(spread.denoiser) if isinstance(leaf, jax.Array)]
    assert {leaf.sharding.is_fully_replicated for leaf in arrays} == {True, False}


def test_parts_of_a_batch_are_as_good_as_the_whole():
    whole, parts = plain().history, small(settings=dataclasses.replace(SMALL, accumulate=4)).history
    assert not np.any(whole.loss == parts.loss)
    np.testing.assert_allclose(whole.held_out, parts.held_out, rtol=0.05)


@ft.cache
def in_tenths():
    """Of samples in whole tenths: one training is given their size, the other a transform, and more averages."""
    (x, y), (held_out, held_out_y) = samples()
    levels, held_out_levels = (jnp.round(10 * values).astype(jnp.int32) for values in (x, held_out))
    scaled = small(((levels / 10, y), (held_out_levels / 10, held_out_y)))
    settings = dataclasses.replace(SMALL, averages=(0.0, *SMALL.averages, 0.9))
    transform = lambda key, x: x.astype(jnp.float32) / 10
    with one_more_compiled():
        found = small(((levels, y), (held_out_levels, held_out_y)), settings, transform=transform)
    return scaled.history, found.history


def test_a_transform_is_that_of_the_samples():
    scaled, found = in_tenths()
    np.testing.assert_allclose(found.loss, scaled.loss, rtol=1e-5)
    # Each average is what it would be without the others.
    np.testing.assert_allclose(found.by_average[:, 1], scaled.held_out, rtol=1e-5)


def test_the_best_of_several_averages_is_returned():
    _, found = in_tenths()
    assert found.by_average.shape == (3, 3) and len(np.unique(found.by_average[-1])) == 3
    np.testing.assert_array_equal(found.held_out, found.by_average.min(1))


def test_divergence_names_the_step_its_samples_and_what_is_safe(tmp_path):
    (x, y), held_out = samples()
    batches = np.asarray(jax.vmap(lambda index: rows_of(jr.key(4), index, NUM, SMALL))(jnp.arange(60)))
    # A sample that no batch of the first chunk has, and a later one does.
    bad = np.setdiff1d(batches[20:], batches[:20])[0]
    checkpoints = ex.Checkpoints(tmp_path / "c", {})
    with pytest.raises(ex.DivergenceError, match="The last good checkpoint is .*-step-[12]. A smaller") as caught:
        small(((x.at[bad].set(1e30), y), held_out), checkpoints=checkpoints)
    error = caught.value
    assert error.step == next(index for index, rows in enumerate(batches) if bad in rows) >= 20
    np.testing.assert_array_equal(error.rows, batches[error.step])
    assert f"at step {error.step}, whose batch has the 64 samples" in str(error)


def test_a_fit_names_samples_by_their_places_in_what_it_was_given():
    # What is held out is drawn by the key: not this one, as the held-out loss is not what is named.
    x, _ = PROBLEM.sample(jr.key(1), 60)
    x = x.at[7].set(1e10)
    fit = ft.partial(ex.fit, key=jr.key(2), width=8, depth=1, log_snr_range=(-9.0, 9.0), held_out=0.05)
    normalise = lambda z, log_snr: jnp.where(jnp.any(jnp.abs(z) > 1e6), jnp.nan, z)
    settings = ex.Settings(steps=40, chunk=20, batch_size=16)
    with pytest.raises(ex.DivergenceError) as caught:
        fit(x, normalise=normalise, settings=settings)
    assert 7 in caught.value.rows


def test_lines_of_a_log_are_those_of_a_training_that_was_never_stopped(tmp_path):
    class Stop(Exception):
        pass

    def stop(step, denoiser):
        if step == 40:
            raise Stop

    def run(name, **arguments):
        folder = tmp_path / name
        checkpoints = ex.Checkpoints(folder / "checkpoints", {})
        small(checkpoints=checkpoints, loggers=[ex.JSONLines(folder / "log.jsonl")], **arguments)

    def lines(name):
        read = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if not key.startswith(("s", "d"))} for line in read], [
            line["step"] for line in read
        ]

    run("whole")
    with pytest.raises(Stop):
        run("stopped", observe=stop)
    # What a process wrote after its last checkpoint, half a line of it.
    with open(tmp_path / "stopped" / "log.jsonl", "a") as log:
        log.write('{"step": 60, "los')
    run("stopped")
    assert lines("stopped") == lines("whole")
    assert lines("whole")[1] == [20, 40, 60]


_PROGRAM = """
    import pathlib, sys
    import entropax as ex, jax, jax.random as jr, numpy as np
    problem = ex.data.JointGaussian.random(jr.key(0), dim_x=3, dim_y=2, noise_std=0.7)
    x, y = problem.sample(jr.key(1), 300)
    folder, result = map(pathlib.Path, sys.argv[1:])
    settings = ex.Settings(steps=1_500, batch_size=64, chunk=15, learning_rate=2e-3)
    training = ex.fit_with_history(
        x, y, key=jr.key(2), width=16, depth=1, settings=settings, checkpoints=ex.Checkpoints(folder, {"run": 1}),
        observe=lambda step, denoiser: result.with_suffix(".begun").touch(),
    )
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(training.denoiser) if isinstance(leaf, jax.Array)]
    np.savez(result, *leaves, training.history.loss, training.history.held_out)
"""


@pytest.mark.slow
def test_killed_at_twenty_random_moments_a_training_ends_with_the_same_bits(tmp_path):
    # Each process would compile the same program; the later ones find it.
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3"}
    moments, cut = random.Random(0), 0

    def begin(name):
        program = [sys.executable, "-c", textwrap.dedent(_PROGRAM), str(tmp_path / name), str(tmp_path / f"{name}.npz")]
        return subprocess.Popen(program, env=os.environ | cache, stderr=subprocess.DEVNULL)

    assert begin("whole").wait(300) == 0
    begun = tmp_path / "killed.begun"
    for _ in range(20):
        begun.unlink(missing_ok=True)
        process = begin("killed")
        while process.poll() is None and not begun.exists():
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.3))
        process.kill()
        assert process.wait(300) in (0, -signal.SIGKILL)
        cut += process.returncode != 0
    assert cut >= 10
    assert begin("killed").wait(300) == 0
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "killed.npz") as killed:
        for name in whole:
            np.testing.assert_array_equal(whole[name], killed[name])


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    small(checkpoints=ex.Checkpoints(tmp_path, {"seed": 0}))
    with pytest.raises(ValueError, match="seed"):
        small(checkpoints=ex.Checkpoints(tmp_path, {"seed": 1}))


_ANOTHER = {
    "data.x": lambda x, y, held, key, settings: (((x + 1, y), held), key, settings),
    "data.y": lambda x, y, held, key, settings: (((x, y[::-1]), held), key, settings),
    "held_out.x": lambda x, y, held, key, settings: (((x, y), (held[0] + 1, held[1])), key, settings),
    "key": lambda x, y, held, key, settings: (((x, y), held), 5, settings),
    "settings.learning_rate": lambda x, y, held, key, settings: (
        ((x, y), held), key, dataclasses.replace(settings, learning_rate=1e-3)
    ),
    "settings.batch_size": lambda x, y, held, key, settings: (
        ((x, y), held), key, dataclasses.replace(settings, batch_size=32)
    ),
    "settings.weighting": lambda x, y, held, key, settings: (
        ((x, y), held), key, dataclasses.replace(settings, weighting=ex.Sigmoid(1.0))
    ),
}  # fmt: skip


@ft.cache
def checkpointed():
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    small(checkpoints=ex.Checkpoints(folder, {}))
    return folder


@pytest.mark.parametrize("part", _ANOTHER)
def test_a_training_does_not_go_on_from_another_one(part):
    """Whatever is in the identity that the caller gives."""
    folder = checkpointed()
    (x, y), held = samples()
    shares, key, settings = _ANOTHER[part](x, y, held, 4, SMALL)
    with pytest.raises(ValueError, match=f"belongs to another configuration: .*`training.{part}` is .* here, .* there"):
        small(shares, settings, seed=key, checkpoints=ex.Checkpoints(folder, {}))


def test_a_training_of_more_steps_or_from_other_weights_is_another_one():
    folder = checkpointed()
    with pytest.raises(ValueError, match="`training.settings.steps` is 80 here, 60 there"):
        small(settings=dataclasses.replace(SMALL, steps=80), checkpoints=ex.Checkpoints(folder, {}))
    with pytest.raises(ValueError, match="`training.network` is .* here, .* there"):
        small(net_seed=30, checkpoints=ex.Checkpoints(folder, {}))
    with pytest.raises(ValueError, match="`identity` must not have a field `training`"):
        small(checkpoints=ex.Checkpoints(folder, {"training": 1}))
    # Patience says when to end, and not what comes before.
    found = small(settings=dataclasses.replace(SMALL, patience=50), checkpoints=ex.Checkpoints(folder, {}))
    np.testing.assert_array_equal(found.history.loss, plain().history.loss)


# That what is not finite stops a training, samples that are too large have shown already.
@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_training(getkey):
    x, _ = PROBLEM.sample(getkey(), 200)
    settings = ex.Settings(steps=40, chunk=20, batch_size=16, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="not finite at step [12], .* A smaller `learning_rate`"):
        ex.fit(x, key=getkey(), width=8, depth=1, settings=settings)


def test_bad_samples_are_refused(getkey):
    x, y = PROBLEM.sample(getkey(), 20)
    with pytest.raises(ValueError, match="`x` must be finite"):
        ex.fit(x.at[3, 1].set(jnp.nan), key=getkey())
    with pytest.raises(ValueError, match="`y` must hold as many samples as `x`, 20"):
        ex.fit(x, y[:10], key=getkey())
    with pytest.raises(ValueError, match=r"`y` must be labels, .* or vectors, .*; got float32 of shape \(20,\)"):
        ex.fit(x, y[:, 0], key=getkey())
    with pytest.raises(ValueError, match="`held_out` must be a share between 0 and 1; got 2.0"):
        ex.fit(x, key=getkey(), held_out=2.0)
    with pytest.raises(ValueError, match="`steps` must be a whole number, at least 1; got 0"):
        ex.Settings(steps=0)
    with pytest.raises(ValueError, match="`accumulate` must divide `batch_size`, 10; got 3"):
        ex.Settings(batch_size=10, accumulate=3)
    with pytest.raises(ValueError, match=r"`averages` must be decays, .* got \(1.0,\)"):
        ex.Settings(averages=(1.0,))
    train = ft.partial(small, settings=ex.Settings(steps=2, chunk=1, batch_size=4))
    with pytest.raises(ValueError, match=r"`y` must hold as many samples as `x`, 20; got shape \(10, 2\)"):
        train(((x, y[:10]), (x, y)))
    with pytest.raises(ValueError, match=r"`held_out\[1\]` must hold as many samples as `held_out\[0\]`, 20"):
        train(((x, y), (x, y[:10])))
    net = ex.nn.MLP(3, ex.nn.LabelCondition(2, 8, key=getkey()), (-9.0, 9.0), key=getkey())
    labels = np.arange(20) % 3
    denoiser = ex.Neural(net, ex.Equilibrium(), ex.entropy_matching().scale, lambda z, _: z, (-9.0, 9.0))
    with pytest.raises(ValueError, match="`y` must hold the labels 0 to 1 .*; got labels from 0 to 2"):
        ex.train(denoiser, x, labels, held_out=(x, labels), key=getkey())
    settings = ex.Settings(batch_size=33)
    with pytest.raises(ValueError, match="`batch_size` / `accumulate`, 33, must divide by the 2 devices"):
        ex.fit(x, key=getkey(), settings=settings, mesh=ex.parallel.make_mesh())


@pytest.mark.slow
def test_samples_are_read_as_integrals_read_them():
    """Lists, integers and masks of nothing are arrays of floats."""
    (x, y), (held_x, held_y) = samples()
    x, held_x = jnp.round(10 * x), jnp.round(10 * held_x)
    settings = ex.Settings(steps=4, chunk=4, batch_size=16)
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        expected = small(((x, y), (held_x, held_y)), settings).history
        whole = lambda array: np.asarray(array).astype(int)
        masked = lambda array: np.ma.masked_greater(np.asarray(array), np.inf)
        kinds: tuple[Any, ...] = whole, masked, lambda array: np.asarray(array).tolist()
        for kind in kinds:
            # The network is made for arrays.
            denoiser = small(((x, y), (held_x, held_y)), dataclasses.replace(settings, learning_rate=0.0)).denoiser
            found = ex.train(
                denoiser,
                kind(x),
                np.asarray(y),
                held_out=(kind(held_x), np.asarray(held_y)),
                key=jr.key(4),
                settings=settings,
            )
            np.testing.assert_array_equal(found.history.loss, expected.loss)
            found, wanted = (ex.denoising_loss(denoiser, each, y, key=jr.key(0)) for each in (kind(x), x))
            assert found == wanted
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("num", [1, 2])
def test_a_condition_that_is_constant_tells_nothing(num):
    (x, _), _ = samples()
    settings = ex.Settings(steps=20, chunk=20, batch_size=16)
    y = jnp.full((len(x), num), 0.1)
    model = ex.fit(x, y, key=jr.key(0), width=8, depth=1, settings=settings)
    assert np.isfinite(ex.nll(model, x, y, key=jr.key(1)).value)
    # Beside one that varies it changes nothing of what is seen of that one.
    varying = x[:, :1]
    both = jnp.concatenate([varying, y], 1)
    of_both = ex.nn.VectorCondition(both, 8, key=jr.key(0))
    of_one = ex.nn.VectorCondition(varying, 8, key=jr.key(0))
    np.testing.assert_allclose(of_both.whiten[0, 0], of_one.whiten[0, 0], rtol=1e-6)
    np.testing.assert_allclose(of_both.whiten[1:, 1:], np.eye(num), atol=1e-6)
