"""Games whose growth rates are known: Kelly's theorem, its corollaries, and ruin."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

import entropax as ex


DIE = np.array([0.3, 0.25, 0.2, 0.15, 0.07, 0.03])


def die(error=0.2):
    return ex.data.Race.symmetric(DIE, 6.0, error)


def test_bets_in_proportion_gain_what_is_known_over_a_fair_die():
    game, h = die(), -np.sum(DIE * np.log(DIE))
    np.testing.assert_allclose(game.entropy, h, rtol=1e-12)
    np.testing.assert_allclose(game.growth_rate(game.prior), np.log(6) - h, rtol=1e-12)
    # I(X;Y) = H(Y) - H(Y|X), and the noise of the channel is of the same entropy whatever the outcome.
    noise = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2 / 5))
    signals = DIE * 0.8 + (1 - DIE) * 0.2 / 5
    information = -np.sum(signals * np.log(signals)) - noise
    np.testing.assert_allclose(game.mutual_information, information, rtol=1e-12)
    gain = game.growth_rate(game.posterior) - game.growth_rate(game.prior)
    np.testing.assert_allclose(gain, information, rtol=1e-12)


def test_a_perfect_channel_wins_every_round_and_a_deaf_one_tells_nothing():
    game = die(0.0)
    assert game.growth_rate(game.posterior) == pytest.approx(np.log(6), rel=1e-12)
    assert die(5 / 6).mutual_information == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 2**31), st.floats(0, 0.999) | st.just(1.0))
def test_no_bets_grow_faster_and_a_wrong_model_loses_its_divergence(seed, share):
    rng = np.random.default_rng(seed)
    joint = rng.dirichlet(np.full(12, 0.5)).reshape(4, 3) + 1e-6
    # Fair odds that are not the outcomes' own.
    game = ex.data.Race(joint / joint.sum(), 1 / rng.dirichlet(np.ones(4)))
    believed = rng.dirichlet(np.ones(4), size=3)
    best, wrong = game.growth_rate(game.posterior), game.growth_rate(believed)
    divergence = np.sum(game.joint.T * np.log(game.posterior / believed))
    np.testing.assert_allclose(best - wrong, divergence, rtol=1e-9, atol=1e-12)
    # Fair odds: to keep a share is to bet it in proportion to 1/o, which is one more wrong model.
    assert game.growth_rate(share * believed) <= best + 1e-12
    mixed = share * believed + (1 - share) / game.odds
    np.testing.assert_allclose(game.growth_rate(mixed), game.growth_rate(share * believed), rtol=1e-9, atol=1e-12)


def test_rounds_that_are_played_grow_as_they_should():
    game = die()
    x, y = game.sample(jr.key(0), 200, 500)
    counts = np.bincount(np.asarray(6 * x + y).reshape(-1), minlength=36).reshape(6, 6)
    expected = x.size * game.joint
    assert np.sum((counts - expected) ** 2 / expected) < 35 + 4 * np.sqrt(70)
    for bets in (game.prior, game.posterior, 0.5 * game.posterior):
        won = game.log_returns(bets, x, y)
        assert abs(jnp.mean(won) - game.growth_rate(bets)) < 4 * jnp.std(won) / np.sqrt(x.size)


def test_all_on_the_favourite_is_lost_in_the_first_round_that_another_wins():
    game = die()
    favourite = np.eye(6)[[0] * 6]
    assert game.growth_rate(favourite) == -np.inf
    x, y = game.sample(jr.key(1), 50)
    wealth = np.cumsum(game.log_returns(favourite, x, y))
    first = int(np.argmax(np.asarray(x) != 0))
    assert np.all(np.isneginf(wealth[first:]))
    np.testing.assert_allclose(wealth[:first], np.log(6) * np.arange(1, first + 1), rtol=1e-6)
    # What can never come costs nothing.
    sure = ex.data.Race(np.array([[1.0], [0.0]]), 2.0)
    assert sure.growth_rate(np.array([[1.0, 0.0]])) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("joint", "odds", "message"),
    [
        (np.ones((2, 2)), 2.0, "sum 4"),
        (np.array([[1.5, -0.5]]), 2.0, "least -0.5"),
        (np.ones(2) / 2, 2.0, r"\(outcomes, signals\); got \(2,\)"),
        (np.ones((2, 1)) / 2, np.array([2.0, 0.0]), "`odds` must be positive"),
    ],
)
def test_what_is_no_game_is_refused(joint, odds, message):
    with pytest.raises(ValueError, match=message):
        ex.data.Race(joint, odds)


@pytest.mark.parametrize(
    ("bets", "message"),
    [
        (np.full((6, 6), 0.2), "largest sum 1.2"),
        (-np.eye(6), "least -1"),
        (DIE, r"shape \(6, 6\), \(signals, outcomes\); got \(6,\)"),
    ],
)
def test_bets_beyond_the_wealth_are_refused(bets, message):
    with pytest.raises(ValueError, match=message):
        die().growth_rate(bets)


def test_an_error_that_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="`error` must be a number from 0 to 1; got 1.5"):
        die(1.5)
