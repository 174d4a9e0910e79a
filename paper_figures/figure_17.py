"""Figure 17: the forward and the reverse process, drawn from solves of both. `just figure 17`.

Grey is the exact density p(x, s). Blue paths solve the forward SDE from data, orange ones the reverse SDE with the
exact score from noise; to the left the density of the data, to the right that of noise. Below, the entropy produced up
to s, which the way back has to put in again.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._numbers import measured, Number
from paper_figures._style import BLUE, GREEN, ORANGE, preset, save, use_style
from runs import clocks
from runs._record import execute


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(clocks.run, clocks.PRESETS[chosen]).load()
    figure, axes = plt.subplots(
        2, 3, figsize=(8.4, 4.6), layout="constrained", width_ratios=(1, 6, 1), height_ratios=(3, 1.2), sharex="col"
    )
    x, s = arrays["grid_x"], arrays["grid_s"]
    middle = axes[0, 1]
    middle.pcolormesh(s, x, np.sqrt(arrays["density"]), cmap="Greys", vmax=1.3, rasterized=True)
    shown = 6
    middle.plot(arrays["times"], arrays["forward"][:, :shown], color=BLUE, lw=0.6, alpha=0.9)
    middle.plot(arrays["reverse_times"], arrays["reverse"][:, :shown], color=ORANGE, lw=0.6, alpha=0.9)
    middle.plot([], [], color=BLUE, label=r"forward: $\mathrm{d}X = b_+\mathrm{d}s + \sigma\,\mathrm{d}B_s$")
    middle.plot([], [], color=ORANGE, label=r"reverse, by the score")
    middle.legend(loc="upper right", frameon=True, framealpha=1, edgecolor="none")
    middle.set_xlim(0, 1)
    for axis, curve, title in (
        (axes[0, 0], arrays["data_density"], r"$p_\mathrm{d}$"),
        (axes[0, 2], arrays["density"][:, -1], r"$p_0$"),
    ):
        axis.fill_betweenx(x, 0, curve, color="0.6", lw=0)
        axis.set_title(title, fontsize=9)
        axis.set_xticks([])
    axes[0, 0].invert_xaxis()
    for axis in axes[0]:
        axis.set_ylim(x[0], x[-1])
        axis.grid(False)
    for axis in axes[0, 1:]:
        axis.set_yticklabels([])
    axes[0, 0].set_ylabel("$x$")
    for axis in (axes[1, 0], axes[1, 2]):
        axis.set_axis_off()
    below = axes[1, 1]
    below.plot(arrays["entropy_times"], arrays["produced"], color=GREEN)
    total = metrics["total_entropy"]
    below.annotate(
        rf"$S_\mathrm{{tot}}$ = {total['exact']:.3f}, measured {total['value']:.3f} ± {total['stderr']:.3f}",
        (1, total["value"]),
        (0, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
    )
    below.set_ylabel("$S(s)$  [nats]")
    below.set_xlabel(r"forward time $s$ $\longrightarrow$" + " " * 30 + r"$\longleftarrow$ reverse time $t = T - s$")
    below.set_ylim(bottom=0)
    save(figure, "figure_17", chosen)


def numbers(chosen: str) -> list[Number]:
    """The entropy."""
    found = execute(clocks.run, clocks.PRESETS[chosen]).load()[0]["total_entropy"]
    return [measured("S_tot", found, found["exact"])]


if __name__ == "__main__":
    main(preset(clocks.PRESETS))
