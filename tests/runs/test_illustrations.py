"""What the runs that explain draw, where it is known: laws along the forward clock, landings, denoised means."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from runs import clocks, denoised_means, kelly_game, linear_gaussian
from runs._record import execute


def test_forward_paths_have_the_law_of_the_process():
    times = jnp.linspace(0.0, 0.3, 201)
    ends = clocks.forward_paths(jnp.full((4_000, 1), 2.0), times, key=jr.key(0))[-1]
    mean, std = 2 * clocks.PROCESS.mean_factor(times[-1]), clocks.PROCESS.std(times[-1])
    np.testing.assert_allclose(ends.mean(), mean, atol=4 * std / np.sqrt(4_000) + 0.01)
    np.testing.assert_allclose(ends.std(), std, rtol=0.05)


def test_the_density_begins_as_the_data_and_ends_as_noise():
    config = clocks.Config()
    x = np.linspace(-6, 6, 2_001)
    density = clocks.density(config, x, np.array([1e-5, 0.3, 1.0]))
    np.testing.assert_allclose(np.trapezoid(density, x, axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(density[:, 0], np.exp(clocks.mixture(config).log_prob(x[:, None])), atol=2e-3)
    np.testing.assert_allclose(density[:, 2], np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), atol=0.01)


def test_the_divergence_of_a_gaussian_from_noise():
    law = ex.data.GaussianMixture(np.ones(1), np.array([[0.5]]), np.array([[[0.3**2]]]))
    np.testing.assert_allclose(clocks.divergence(law), 0.5 * (0.3**2 + 0.5**2 - 1) - np.log(0.3), rtol=1e-6)


@pytest.mark.slow
def test_swarms_land_at_the_denoised_mean():
    law, s = denoised_means.planar(), 0.18
    starts = jnp.array([[-0.35, 1.1], [0.9, 0.5]])
    ends = denoised_means.landed(law, starts, s, num=500, steps=150, key=jr.key(0))[-1]
    tweedie = lambda state: ex.denoised_mean(denoised_means.PROCESS, law.denoiser(), state, jnp.asarray(s))
    errors = ends.std(1) / np.sqrt(500)
    assert np.all(np.abs(ends.mean(1) - jax.vmap(tweedie)(starts)) < 4 * errors + 0.01)


def test_denoised_means_have_a_density_and_narrow_to_the_point():
    config = denoised_means.Config()
    arrays = denoised_means.narrowing(config)
    for s in config.times:
        _, means, densities = arrays[f"means {s:g}"]
        np.testing.assert_allclose(np.trapezoid(densities, means), 1, rtol=2e-3)
    spread, distance = arrays["spreads"]
    # All the way from the mean of the data to the point.
    law = denoised_means.linear()
    away = abs(law.weights @ law.means[:, 0] - config.line)
    np.testing.assert_allclose(distance[-1], away, atol=0.02)
    assert distance[0] < 0.03 and spread[-1] < 0.05


def test_the_whole_of_the_games(tmp_path):
    metrics, arrays = execute(kelly_game.run, kelly_game.PRESETS["smoke"], tmp_path).load()
    for game in ("die", "horses"):
        own, other = (metrics[game]["bettors"][bettor] for bettor in ("p(x|y)", "p(x)"))
        np.testing.assert_allclose(own["exact"] - other["exact"], metrics[game]["I(X;Y)"], rtol=1e-9)
        for row in metrics[game]["bettors"].values():
            assert row["exact"] is None or abs(row["value"] - row["exact"]) < 4 * row["stderr"]
        assert metrics[game]["bettors"]["reckless"]["ruined"] == 1
        # A channel is wrong in 3 of 10 rounds: wealth is lost after 3.3 rounds in the mean.
        assert abs(metrics[game]["bettors"]["reckless"]["rounds_to_ruin"] - 1 / 0.3) < 4 * np.sqrt(0.7) / 0.3 / 10
    assert np.all(np.diff(arrays["known"][:, 1]) <= 1e-9)


@pytest.mark.slow
def test_the_whole_of_the_illustrations(tmp_path):
    found, _ = execute(linear_gaussian.run, linear_gaussian.PRESETS["smoke"], tmp_path).load()
    for row in found.values():
        assert abs(row["value"] - row["exact"]) < 4 * row["stderr"]
    metrics, _ = execute(denoised_means.run, denoised_means.PRESETS["smoke"], tmp_path).load()
    for row in metrics["nll"].values():
        assert abs(row["value"] - row["exact"]) < 4 * row["stderr"]
    config = dataclasses.replace(clocks.PRESETS["smoke"], samples=4_000)
    metrics, _ = execute(clocks.run, config, tmp_path).load()
    total = metrics["total_entropy"]
    assert abs(total["value"] - total["exact"]) < 4 * total["stderr"]
    for row in metrics["energy_distance"].values():
        assert abs(row["value"]) < 4 * row["stderr"]
