"""The runs of the diffusion gambler, of the bottleneck and of the schedule, beside closed forms."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from runs import bottleneck, diffusion_gambler as gambler, schedule
from runs._record import execute
from tests.runs.test_latents import untrained


PROBLEM = ex.data.JointGaussian.random(jr.key(2), dim_x=4, dim_y=3, noise_std=0.6)


def test_bets_on_a_gaussian_grow_by_the_information_and_by_less_where_the_law_is_wrong():
    x, y = PROBLEM.sample(jr.key(0), 20_000)
    wrong = gambler.believed_in(PROBLEM, 0.5)
    for believed, loss in ((PROBLEM, 0.0), (wrong, gambler.divergence(PROBLEM, wrong))):
        returns = gambler.log_ratio(PROBLEM, believed, x, y)
        exact = PROBLEM.mutual_information - loss
        assert abs(returns.mean() - exact) < 4 * returns.std() / np.sqrt(len(returns))
    assert (
        gambler.divergence(PROBLEM, PROBLEM) == pytest.approx(0, abs=1e-12) and gambler.divergence(PROBLEM, wrong) > 0.1
    )


def test_guided_samples_tell_of_the_data_no_more_than_their_condition_does():
    law = PROBLEM.guided(bottleneck.PROCESS, 1.0)
    told, relevant = bottleneck.guided(PROBLEM, 1.0)
    np.testing.assert_allclose(told, law.mutual_information, rtol=1e-6)
    # From the covariance of (x, x_w), as it is.
    cross = PROBLEM.cov_x @ PROBLEM.matrix_a.T @ law.gain.T
    joint = np.block([[PROBLEM.cov_x, cross], [cross.T, law.cov_x]])
    logs = [np.linalg.slogdet(cov)[1] for cov in (PROBLEM.cov_x, law.cov_x, joint)]
    np.testing.assert_allclose(relevant, 0.5 * (logs[0] + logs[1] - logs[2]), rtol=1e-5)
    assert relevant < PROBLEM.mutual_information < told


def test_an_autoencoder_of_x_is_not_the_best_for_y():
    for weight in (0.9, 0.3, 0.01):
        rate, relevance = bottleneck.autoencoder(PROBLEM, (-9.0, 14.0), weight)
        assert 0 <= relevance <= min(rate, PROBLEM.mutual_information) + 1e-9
        # The point of the best curve at this rate.
        curve = np.array([ex.data.gaussian_bottleneck(PROBLEM, g) for g in np.geomspace(1e-9, 1, 4_000)])[::-1]
        assert relevance <= np.interp(rate, *curve.T) + 1e-3


@pytest.mark.slow
def test_the_integral_along_paths_is_that_of_the_rate_that_is_known():
    config = schedule.Config()
    times = schedule.clock(config, 100)
    process = ex.ScheduledVariancePreserving(log_rates=jnp.log(jnp.array([0.3, 1.0, 6.0])), total=6.0)
    fine = np.asarray(schedule.clock(config, 4_000), np.float64)
    exact = np.trapezoid(schedule.rate(PROBLEM, process, fine) ** 2, fine)
    x, _ = PROBLEM.sample(jr.key(1), 8_000)
    denoiser = ex.Unconditional(PROBLEM.denoiser())
    one = jax.jit(lambda x, key: schedule.squared_production(process, denoiser, x, times, key=key))
    found = jnp.stack([one(part, key) for part, key in zip(x.reshape(8, 1_000, 4), jr.split(jr.key(2), 8))])
    assert abs(found.mean() - exact) < 4 * found.std() / np.sqrt(8) + 0.01 * exact


def test_errors_of_samplers_are_those_of_gaussians():
    variances = np.array([0.5, 2.0])
    drawn = np.diag([1.0, 1.5])
    found = schedule.errors(np.diag(variances), drawn)
    ratios = variances / [1, 2.25]
    np.testing.assert_allclose(found["KL"], 0.5 * np.sum(ratios - 1 - np.log(ratios)))
    np.testing.assert_allclose(found["W2"], np.sum((np.sqrt(variances) - [1, 1.5]) ** 2) / variances.sum())
    # With many steps a sampler draws the law itself.
    close = schedule.sampled(PROBLEM, schedule.PROCESS, dfx.Heun(), 200)
    assert schedule.errors(PROBLEM.cov_x, close)["KL"] < 1e-2


@pytest.mark.slow
def test_the_whole_of_them(tmp_path):
    metrics, _ = execute(schedule.run, schedule.PRESETS["smoke"], tmp_path).load()
    assert metrics["fitted"]["over_the_least"] < metrics["linear"]["over_the_least"]
    metrics, arrays = execute(bottleneck.run, bottleneck.PRESETS["smoke"], tmp_path).load()
    assert np.all(np.diff(arrays["curve"][:, 0]) <= 0)
    with untrained():
        metrics, arrays = execute(gambler.run, gambler.PRESETS["smoke"], tmp_path).load()
    for name in ("p(x|y)", "wrong", "joint"):
        row = metrics[name]
        assert abs(row["value"] - row["exact"]) < 4 * row["stderr"]
    assert metrics["digits"]["value"] <= metrics["digits"]["bound"]
