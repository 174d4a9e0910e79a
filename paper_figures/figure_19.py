"""Figure 19: a sample is resolved, bit by bit. `just figure 19`.

Black is x, blue points are x_s diffused from it (at equal quantiles of their law), red is the density of the denoised
means x̂(x_s), Eq. (40), over the density of the data in grey, for three times; right, how far x̂ spreads, and how far it
is from x, along time.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import BLUE, ORANGE, preset, save, use_style
from runs import denoised_means
from runs._record import execute


def main(chosen: str) -> None:
    use_style()
    config = denoised_means.PRESETS[chosen]
    _, arrays = execute(denoised_means.run, config).load()
    figure, axes = plt.subplots(1, 4, figsize=(10.2, 2.7), layout="constrained", width_ratios=(1, 1, 1, 1.2))
    grid, density = arrays["line_data"]
    quantiles = arrays["quantiles"]
    probabilities = np.cumsum(np.exp(-0.5 * quantiles**2))
    shown = np.interp((np.arange(24) + 0.5) / 24, probabilities / probabilities[-1], np.arange(len(quantiles))).astype(
        int
    )
    for axis, s, letter in zip(axes, config.times, "abc"):
        states, means, densities = arrays[f"means {s:g}"]
        axis.fill_between(grid, 0, density, color="0.85", lw=0)
        # Where the mean hardly moves its density has no bound: what is drawn ends at the frame.
        axis.plot(means, densities, color="#CC3311", lw=1.2, clip_on=True)
        axis.plot(states[shown], np.full(len(shown), -0.35), "o", ms=2.5, color=BLUE, mew=0, alpha=0.7)
        axis.plot(config.line, 0, "o", ms=6, color="k", zorder=5)
        axis.set_ylim(-0.7, 5.5)
        axis.set_xlim(-2.3, 2.3)
        axis.set_title(rf"({letter}) $s = {s:g}\,T$", fontsize=9)
        axis.set_xlabel("$x$")
    axes[0].set_ylabel("density")
    axes[0].plot([], [], color="#CC3311", label=r"$\hat x(x_s)$")
    axes[0].plot([], [], "o", ms=3, color=BLUE, label="$x_s$")
    axes[0].plot([], [], "o", ms=5, color="k", label="$x$")
    axes[0].legend(loc="upper left")
    times, (spread, distance) = arrays["spread_times"], arrays["spreads"]
    axes[3].plot(times, spread, color="#CC3311", label=r"spread of $\hat x$")
    axes[3].plot(times, distance, color=ORANGE, ls="--", label=r"$(\mathrm{E}\|\hat x - x\|^2)^{1/2}$")
    for s in config.times:
        axes[3].axvline(s, color="0.7", lw=0.6)
    axes[3].set_xlabel(r"$s/T$")
    axes[3].legend()
    save(figure, "figure_19", chosen)


if __name__ == "__main__":
    main(preset(denoised_means.PRESETS))
