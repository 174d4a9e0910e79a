"""Schedules in discrete time: where their closed forms and the processes of continuous time agree with them."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


def test_linear_betas_by_their_definition():
    # λ_0 is that of β_0 alone, and each step takes its share of what is left.
    log_snrs = ex.weights.linear_log_snrs(1000).astype(np.float64)
    np.testing.assert_allclose(log_snrs[0], np.log((1 - 1e-4) / 1e-4), rtol=1e-6)
    alphas = 1 / (1 + np.exp(-log_snrs))
    np.testing.assert_allclose(1 - alphas[1:] / alphas[:-1], np.linspace(1e-4, 0.02, 1000)[1:], rtol=3e-3, atol=1e-6)


def test_many_linear_steps_are_the_process_of_continuous_time():
    # β_j = β(s)/T at s = j/T, with β from 0.1 to 20: the linear schedule of 1 000 steps is its discretisation.
    steps = 100_000
    found = ex.weights.linear_log_snrs(steps, first=0.1 / steps, last=20 / steps)
    process = ex.VariancePreserving(beta_min=0.1, beta_max=20.0)
    places = np.array([1_000, 20_000, 50_000, 99_999])
    expected = [float(process.log_snr(jnp.asarray((place + 1) / steps, jnp.float32))) for place in places]
    np.testing.assert_allclose(found[places], expected, atol=5e-3)


def test_the_cosine_schedule_is_a_cosine_until_it_is_cut():
    steps = 4000
    angles = np.pi / 2 * (np.arange(1, steps + 1) / steps + 0.008) / 1.008
    start = np.cos(np.pi / 2 * 0.008 / 1.008) ** 2
    alphas = np.cos(angles) ** 2 / start
    found = ex.weights.cosine_log_snrs(steps)
    np.testing.assert_allclose(found[:3900], np.log(alphas / (1 - alphas))[:3900], rtol=1e-5)
    # The last step would leave nothing; a thousandth stays.
    left = 1 / (1 + np.exp(-found.astype(np.float64)))
    np.testing.assert_allclose(left[-1] / left[-2], 1e-3, rtol=1e-3)


@pytest.mark.parametrize("alphas", [[0.9, 0.95], [1.0, 0.5], [0.5, 0.0]])
def test_what_is_no_schedule(alphas):
    with pytest.raises(ValueError, match="`alphas` must decrease from step to step"):
        ex.weights.log_snrs_of(np.array(alphas))


def test_steps_are_found_again_and_fractions_lie_between(getkey):
    log_snrs = ex.weights.log_snrs_of(np.array([0.99, 0.9, 0.6, 0.1]))
    embedding = ex.nn.StepEmbedding(log_snrs, 8, waves=3, key=getkey())
    np.testing.assert_allclose([embedding.step(jnp.asarray(log_snr)) for log_snr in log_snrs], [0, 1, 2, 3], atol=1e-6)
    halfway = jnp.asarray((log_snrs[1] + log_snrs[2]) / 2)
    np.testing.assert_allclose(embedding.step(halfway), 1.5, atol=1e-6)


def test_waves_of_the_step(getkey):
    # With the identity for both layers, and inputs so small that silu is linear there, the waves come through.
    log_snrs = ex.weights.log_snrs_of(np.linspace(0.99, 0.01, 50))
    embedding = ex.nn.StepEmbedding(log_snrs, 6, waves=3, shift=1.0, scale=0.5, key=getkey())
    get = lambda embedding: (
        embedding.first.weight,
        embedding.first.bias,
        embedding.second.weight,
        embedding.second.bias,
    )
    embedding = eqx.tree_at(get, embedding, [1e-3 * jnp.eye(6), jnp.zeros(6), 2e3 * jnp.eye(6), jnp.zeros(6)])
    phases = 0.5 * 20 * 10000.0 ** (-np.arange(3) / 2)
    waves = np.concatenate([np.sin(phases), np.cos(phases)])
    np.testing.assert_allclose(embedding(jnp.asarray(log_snrs[20])), waves, atol=2e-3)


def test_steps_that_float32_cannot_tell_apart():
    with pytest.raises(ValueError, match="decrease from each step to the next, in float32; got 2, of which 1 are not"):
        ex.nn.StepEmbedding(np.array([1.0, 1.0], np.float32), 8, waves=2, key=jr.key(0))
