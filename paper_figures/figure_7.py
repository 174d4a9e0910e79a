"""Figure 7, guided samples of a 1-D joint Gaussian at w = 0, 2, 5. `just figure 7`

Points are drawn by the guided probability flow, ellipses are the exact law of (y, x) at two standard deviations:
guidance tightens the relation between X and Y, and alters it.
"""

import matplotlib.pyplot as plt

from paper_figures._guidance import COLORS, scatter
from paper_figures._style import preset, save, use_style


def main(chosen: str) -> None:
    use_style()
    figure, axes = plt.subplots(1, 3, figsize=(8.4, 2.9), sharex=True, sharey=True, layout="constrained")
    for ax, (weight, color) in zip(axes, COLORS.items()):
        information = scatter(ax, weight, color, 200 if chosen == "smoke" else 1_000)
        ax.set_title(rf"$w = {weight:g}$: $I_\mathrm{{CFG}} = {information:.3f}$ nats", fontsize=9)
    axes[0].set_ylabel("$x$")
    save(figure, "figure_7", chosen)


if __name__ == "__main__":
    main(preset())
