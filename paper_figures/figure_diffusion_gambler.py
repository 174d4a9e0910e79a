"""The diffusion gambler: log wealth by bets on X given Y, on its components together, and on digits given their label.
`just figure diffusion-gambler`.

By who bets: the middle of the players and a band that holds 95 % of them; dashed is what is known to be the mean.
Digits come in many orders, so that bands narrow to the sum over all of them; dashed is the bound H(Y) for each.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._numbers import measured, Number
from paper_figures._style import BLUE, GREEN, ORANGE, preset, PURPLE, save, use_style
from runs import diffusion_gambler
from runs._record import execute


_PANELS = (
    (
        r"$X$ given $Y$, odds $1/p(x)$",
        {
            "p(x|y)": ("$p(x|y)$", BLUE),
            "model": ("the model", ORANGE),
            "fractional": ("half of $p(x|y)$", GREEN),
            "wrong": ("noise taken for half", PURPLE),
        },
    ),
    (r"components of $X$, odds $\prod_k 1/p(x_k)$", {"joint": ("$p(x)$", BLUE), "joint, model": ("the model", ORANGE)}),
    ("digits given their label", {"digits": ("the model", ORANGE)}),
)


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(diffusion_gambler.run, diffusion_gambler.PRESETS[chosen]).load()
    figure, axes = plt.subplots(1, 3, figsize=(10.2, 3.2), layout="constrained")
    for axis, (title, bettors) in zip(axes, _PANELS):
        for name, (label, colour) in bettors.items():
            low, middle, high = arrays[name]
            rounds = np.arange(1, len(middle) + 1)
            found = metrics[name]
            axis.plot(rounds, middle, color=colour, label=f"{label}: {found['value']:.2f} ± {found['stderr']:.2f}")
            axis.fill_between(rounds, low, high, color=colour, alpha=0.15, lw=0)
            known = found.get("exact") or found.get("bound")
            if known is not None:
                axis.plot(rounds, known * rounds, "--", color="k", lw=0.8)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("rounds")
        axis.set_ylim(top=1.3 * axis.get_ylim()[1])
        axis.legend(title="nats a round", title_fontsize=8, loc="upper left")
    axes[0].set_ylabel("log wealth  [nats]")
    save(figure, "figure_diffusion_gambler", chosen)


def numbers(chosen: str) -> list[Number]:
    """Growth rates."""
    metrics, _ = execute(diffusion_gambler.run, diffusion_gambler.PRESETS[chosen]).load()
    found = []
    for name, row in metrics.items():
        known = f"≤ H(Y) = {row['bound']:.3f}" if "bound" in row else row["exact"]
        found.append(measured(f"growth a round: {name}", row, known))
    return found


if __name__ == "__main__":
    main(preset(diffusion_gambler.PRESETS))
