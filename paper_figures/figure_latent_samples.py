"""Samples by label through the latent of a diffusion autoencoder, and straight from the label. `just figure
latent-samples`, `--preset cpu` for MNIST's.

A column is a class. Below each grid: the energy distance of a class from unseen images, the share that trees read as
the label that was asked for, and how far samples of a class are from each other, beside real ones.
"""

import matplotlib.pyplot as plt

from paper_figures._style import number, preset, save, use_style
from paper_figures.figure_samples import tiled
from runs import latent_generation
from runs._record import execute


# So many of each class can be seen at a column's width.
_ROWS = 4


def main(chosen: str) -> None:
    use_style()
    config = latent_generation.PRESETS[chosen]
    metrics, arrays = execute(latent_generation.run, config).load()
    down = len(config.weights) + 1
    shown = min(_ROWS, config.grid)
    figure, axes = plt.subplots(down, 2, figsize=(7.2, down * (0.75 + 0.36 * shown)), layout="constrained")
    roads = ("through the latent", "latent"), ("by the label alone", "direct")
    for column, (words, road) in zip(axes.T, roads):
        for axis, weight in zip(column[1:], config.weights):
            name = f"{road}, w = {weight:g}"
            show(axis, arrays[name], f"{words}, $w = {weight:g}$", metrics[name], config.grid, shown)
    for axis, name, words in zip(axes[0], ("real", "training images"), ("unseen images", "images of the training")):
        show(axis, arrays[name], words, metrics[name], config.grid, shown)
    save(figure, "figure_latent_samples", chosen)


def show(axis, pictures, title: str, found: dict, rows: int, shown: int) -> None:
    """So many of a grid's rows, and what was measured of its like."""
    grid = tiled(pictures, rows)
    axis.imshow(grid[: len(grid) * shown // rows], cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    axis.set_title(title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    axis.spines[:].set_visible(False)
    distance = "" if found["energy_distance"] is None else f"distance {number(found['energy_distance'])}\n"
    read = found["read_as_asked"]["value"]
    axis.set_xlabel(f"{distance}read as asked {read:.0%}, spread {found['spread']:.2f}", fontsize=8)


if __name__ == "__main__":
    main(preset(latent_generation.PRESETS))
