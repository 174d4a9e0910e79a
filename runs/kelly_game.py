"""Kelly's games: a loaded die that the dealer takes for fair, and a horse race, with a noisy channel to the gambler.

    just run kelly_game

Wealth over many rounds of those who bet in proportion to p(x), to p(x|y), to a law that is not the true one, and with
half of their wealth; and of one who bets all on what the channel says, until it is wrong ("Diffusion models are Kelly
gamblers", Sec. 2). In the mean log wealth grows by E log o(X) - H(X) nats a round without the channel, by I(X;Y) more
with it (Eq. (1)), and by KL less with a wrong model, each of which is known exactly.

Seconds. Expected: every rate as it should be, and of the players' own 95 % intervals 95 in a hundred hold it.
"""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from runs._record import main, pair, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """Who plays what.

    **Arguments:**

    - `die`: the probabilities of its faces.
    - `horses`, `crowd`: the probabilities that horses win, and those that the odds are made of.
    - `error`: how often the channel is wrong.
    - `believed`: how often the wrong model takes it to be wrong.
    - `fraction`: of the wealth that the cautious one bets.
    - `errors`: of the channel, for which the gain is measured.
    - `players`, `rounds`: how many there are.
    """

    seed: int = 0
    die: tuple[float, ...] = (0.3, 0.25, 0.2, 0.15, 0.07, 0.03)
    horses: tuple[float, ...] = (0.35, 0.2, 0.15, 0.1, 0.08, 0.06, 0.04, 0.02)
    crowd: tuple[float, ...] = (0.2, 0.25, 0.2, 0.12, 0.09, 0.07, 0.04, 0.03)
    error: float = 0.3
    believed: float = 0.02
    fraction: float = 0.5
    errors: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    players: int = 1_000
    rounds: int = 120


PRESETS = {"smoke": Config(players=100, rounds=60), "default": Config(), "paper": Config(players=10_000, rounds=1_000)}

# Of the players: the one in the middle, and those between whom 95 % are.
LEVELS = (0.025, 0.5, 0.975)


def games(config: Config, error: float) -> dict[str, ex.data.Race]:
    """The die, at six to one, and horses at the odds of the crowd."""
    return {
        "die": ex.data.Race.symmetric(np.array(config.die), float(len(config.die)), error),
        "horses": ex.data.Race.symmetric(np.array(config.horses), 1 / np.array(config.crowd), error),
    }


def bettors(game: ex.data.Race, wrong: ex.data.Race, fraction: float) -> dict[str, np.ndarray]:
    """Bets by who places them."""
    return {
        "p(x|y)": game.posterior,
        "p(x)": game.prior,
        "wrong": wrong.posterior,
        "fractional": fraction * game.posterior,
        "reckless": np.eye(len(game.odds)),
    }


def played(game: ex.data.Race, bets: np.ndarray, x, y) -> tuple[dict[str, Any], np.ndarray]:
    """What is known of the growth and what is seen of it, by all players, and by each: `covered` is the share of them
    whose own 95 % interval holds what is known; and log wealth, shape `(players, rounds)`."""
    returns = game.log_returns(bets, x, y)
    wealth = np.cumsum(np.asarray(returns, np.float64), 1)
    lost = np.isneginf(wealth)
    found = {"exact": game.growth_rate(bets), "ruined": float(lost[:, -1].mean())}
    if math.isinf(found["exact"]):
        # Of no use as a number, and no JSON either.
        return found | {"exact": None, "rounds_to_ruin": float((~lost).sum(1).mean() + 1)}, wealth
    rate = ex.integral.mean_of(returns.reshape(-1))
    own = np.asarray(returns, np.float64)
    errors = own.std(1, ddof=1) / np.sqrt(own.shape[1])
    covered = np.abs(own.mean(1) - found["exact"]) < 1.96 * errors
    return found | pair(rate) | {"covered": float(covered.mean())}, wealth


def run(config: Config, record: Record) -> dict[str, Any]:
    shape = config.players, config.rounds
    metrics, arrays = {}, {"rounds": np.arange(1, config.rounds + 1)}
    wrong = games(config, config.believed)
    for place, (name, game) in enumerate(games(config, config.error).items()):
        x, y = game.sample(jr.key(config.seed + place), *shape)
        rows = {}
        for bettor, bets in bettors(game, wrong[name], config.fraction).items():
            rows[bettor], wealth = played(game, bets, x, y)
            # Those that were lost have none, and no quantiles: they are shown as paths.
            if rows[bettor]["exact"] is None:
                arrays[f"{name}, {bettor}"] = np.where(np.isneginf(wealth[:20]), np.nan, wealth[:20])
            else:
                arrays[f"{name}, {bettor}"] = np.quantile(wealth, LEVELS, axis=0)
        metrics[name] = {"H(X)": game.entropy, "I(X;Y)": game.mutual_information, "bettors": rows}
    gains = []
    for place, error in enumerate(config.errors):
        game = games(config, error)["die"]
        x, y = game.sample(jr.fold_in(jr.key(config.seed), place), *shape)
        own, other = (game.log_returns(bets, x, y) for bets in (game.posterior, game.prior))
        gain = ex.integral.mean_of(jnp.ravel(own - other))
        gains.append([error, float(gain.value), float(gain.stderr)])
    # How good a channel is, from one that is never wrong to one that tells nothing.
    every = np.linspace(0, 1 - 1 / len(config.die), 100)
    known = [[error, games(config, error)["die"].mutual_information] for error in every]
    record.save(gains=np.array(gains), known=np.array(known), **arrays)
    return metrics


if __name__ == "__main__":
    main(PRESETS, run)
