"""Figure 15: latents of either side of τ in a plane, by t-SNE. `just figure 15`, `--preset cpu` for MNIST's.

A row is a time τ, the least of the scan and its middle; colours are labels, which no autoencoder was told.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import number, preset, save, use_style
from runs import latents


def main(chosen: str) -> None:
    use_style()
    rows = [row for row in latents.run(latents.PRESETS[chosen], "0/1", "results") if row["seed"] == 0]
    rows.sort(key=lambda row: row["tau"])
    shown = rows[0], rows[len(rows) // 2]
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 6.6), layout="constrained")
    for row, line in zip(shown, axes):
        for axis, name, words in zip(line, latents.NAMES, (r"$z_\mathrm{sem}$", r"$z_\mathrm{per}$")):
            style = {"cmap": "tab10", "vmin": -0.5, "vmax": 9.5, "s": 5, "lw": 0}
            axis.scatter(*np.array(row[name]["plane"]).T, c=row["labels"], **style)
            told = number(row[name]["I(Z;Y)"]["posterior"])
            axis.set_title(rf"{words}, $\tau = {row['tau']:g}\,T$: $I(Z;Y)$ = {told} nats", fontsize=9)
            axis.set_xticks([])
            axis.set_yticks([])
    figure.colorbar(axes[0, 0].collections[0], ax=axes, ticks=range(10), label="label", pad=0.02, shrink=0.6)
    save(figure, "figure_15", chosen)


if __name__ == "__main__":
    main(preset(latents.PRESETS))
