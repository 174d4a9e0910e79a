"""Log-densities of trained networks on the 2-D sets, by probability flow, beside the truth. `just figure itd-density`

After the density contours of "Information-theoretic diffusion", which has them without the truth. The exact density is
that of each cell of the grid, the model's that of its middle.
"""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import preset, save, use_style
from runs import planar
from runs._record import execute


# The lowest log-density that is told apart from none, in nats below the highest.
_DEPTH = 8.0


def main(chosen: str) -> None:
    use_style()
    figure, axes = plt.subplots(2, 5, figsize=(10.2, 4.4), layout="constrained", sharex=True, sharey=True)
    for column, name in zip(axes.T, planar.SETS):
        metrics, arrays = execute(planar.run, dataclasses.replace(planar.PRESETS[chosen], data=name)).load()
        top = arrays["exact_log_density"].max()
        for axis, key in zip(column, ("exact_log_density", "log_density")):
            levels = np.clip(arrays[key], top - _DEPTH, top)
            extent = (-planar.EXTENT, planar.EXTENT) * 2
            axis.imshow(levels, origin="lower", extent=extent, vmin=top - _DEPTH, vmax=top, cmap="viridis")
            axis.grid(False)
            axis.set_xticks([-2, 0, 2])
            axis.set_yticks([-2, 0, 2])
        column[0].set_title(rf"{name}: $h$ = {metrics['entropy']:.3f} nats", fontsize=9)
        excess = metrics["excess"]
        title = rf"model: $h$ + {excess['value']:.3f} ± {excess['stderr']:.3f}"
        column[1].set_title(title.replace("+ -", "− "), fontsize=8)
    axes[0, 0].set_ylabel("exact log-density")
    axes[1, 0].set_ylabel("trained, by flow")
    save(figure, "figure_itd_density", chosen)


if __name__ == "__main__":
    main(preset())
