"""Kelly's games: wealth at a loaded die and at the races, and what a noisy channel is worth. `just figure kelly-game`.

Left and middle, by who bets: the middle of the players' wealth, a band that holds 95 % of them, and the exact mean;
crosses are where those who bet all on what the channel says lost it. Right, the gain of the channel in the doubling
rate, measured with 95 % bars, on I(X;Y) (Eq. (1)).
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._numbers import measured, Number
from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, PURPLE, save, use_style
from runs import kelly_game
from runs._record import execute


_BETTORS = {
    "p(x|y)": ("$p(x|y)$", BLUE),
    "fractional": ("half of it", GREEN),
    "p(x)": ("$p(x)$", ORANGE),
    "wrong": ("channel over-trusted", PURPLE),
}

_GAMES = {"die": "A loaded die at 6 for 1", "horses": "Horses at the crowd's odds"}


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(kelly_game.run, kelly_game.PRESETS[chosen]).load()
    figure, axes = plt.subplots(1, 3, figsize=(10.2, 3.2), layout="constrained")
    rounds = arrays["rounds"]
    for axis, (game, title) in zip(axes, _GAMES.items()):
        for bettor, (label, colour) in _BETTORS.items():
            low, middle, high = arrays[f"{game}, {bettor}"] / np.log(2)
            rate = metrics[game]["bettors"][bettor]["exact"] / np.log(2)
            axis.plot(rounds, middle, color=colour, label=f"{label}: {rate:+.2f}")
            axis.fill_between(rounds, low, high, color=colour, alpha=0.15, lw=0)
            axis.plot(rounds, rate * rounds, "--", color="k", lw=0.8)
        for path in arrays[f"{game}, reckless"] / np.log(2):
            alive = np.isfinite(path)
            axis.plot(rounds[alive], path[alive], color=GREY, lw=0.8)
            last = int(alive.sum())
            axis.plot(rounds[last], path[last - 1] if last else 0, "x", color=GREY, ms=4)
        ruin = metrics[game]["bettors"]["reckless"]["rounds_to_ruin"]
        axis.plot([], [], "x-", color=GREY, lw=0.8, ms=4, label=f"all on the signal: lost after {ruin:.1f}")
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("rounds")
        axis.legend(title="bets, bits a round", title_fontsize=8, loc="upper left")
        axis.set_ylim(top=1.35 * axis.get_ylim()[1])
    axes[0].set_ylabel(r"$\log_2$ wealth")
    known, (error, gain, stderr) = arrays["known"].T, arrays["gains"].T
    axes[2].plot(known[0], known[1] / np.log(2), color="k", lw=0.8, label="$I(X;Y)$")
    axes[2].errorbar(
        error,
        gain / np.log(2),
        1.96 * stderr / np.log(2),
        fmt="o",
        ms=3,
        capsize=2,
        color=BLUE,
        label="gain of the channel",
    )
    axes[2].axhline(metrics["die"]["H(X)"] / np.log(2), color=GREY, lw=0.8, ls=":")
    axes[2].annotate(
        "$H(X)$",
        (error[-1], metrics["die"]["H(X)"] / np.log(2)),
        (0, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
    )
    axes[2].set_title("The die: what the channel is worth", fontsize=9)
    axes[2].set_xlabel("how often the channel is wrong")
    axes[2].set_ylabel("bits a round")
    axes[2].legend()
    save(figure, "figure_kelly_game", chosen)


def numbers(chosen: str) -> list[Number]:
    """Growth rates, but of those who lose everything."""
    metrics, _ = execute(kelly_game.run, kelly_game.PRESETS[chosen]).load()
    rows = {(game, name): metrics[game]["bettors"][name] for game in _GAMES for name in _BETTORS}
    return [measured(f"growth a round, {game}: {name}", row, row["exact"]) for (game, name), row in rows.items()]


if __name__ == "__main__":
    main(preset(kelly_game.PRESETS))
