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


def main(chosen: str) -> None:
    use_style()
    config = latent_generation.PRESETS[chosen]
    metrics, arrays = execute(latent_generation.run, config).load()
    across = len(config.weights) + 1
    figure, axes = plt.subplots(2, across, figsize=(3.1 * across, 1.6 + 0.62 * config.grid), layout="constrained")
    roads = ("through the latent", "latent"), ("by the label alone", "direct")
    for row, (words, road) in zip(axes, roads):
        for axis, weight in zip(row[1:], config.weights):
            name = f"{road}, w = {weight:g}"
            show(axis, arrays[name], f"{words}, $w = {weight:g}$", metrics[name], config.grid)
    for axis, name, words in zip(axes[:, 0], ("real", "training images"), ("unseen images", "images of the training")):
        show(axis, arrays[name], words, metrics[name], config.grid)
    save(figure, "figure_latent_samples", chosen)


def show(axis, pictures, title: str, found: dict, rows: int) -> None:
    """A grid, and what was measured of its like."""
    axis.imshow(tiled(pictures, rows), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
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
