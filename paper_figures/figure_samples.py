"""Samples of the U-Net of `just run images`, beside real images. `just figure samples`, `--preset cpu` for MNIST's.

A column is a class, but for the unconditional ones. All three grids start from the same noise.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import preset, save, use_style
from runs import _image_models as models, images
from runs._record import execute


_GRIDS = (
    ("real", "unseen images"),
    ("samples_unconditional", "samples without a label"),
    ("samples_conditional", "samples by label"),
    ("samples_guided", "guided, $w = {weight:g}$"),
)


def main(chosen: str) -> None:
    use_style()
    config = images.PRESETS[chosen]
    _, arrays = execute(images.run, config).load()
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 0.6 + 0.72 * config.grid), layout="constrained")
    for axis, (name, title) in zip(axes.flat, _GRIDS):
        axis.imshow(tiled(arrays[name], config.grid), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        axis.set_title(title.format(weight=config.weight), fontsize=9)
        axis.set_axis_off()
    save(figure, "figure_samples", chosen)


def tiled(pictures: np.ndarray, rows: int) -> np.ndarray:
    """A column for each class, in which pictures follow each other; channels last."""
    grid = pictures[: rows * models.CLASSES].reshape(models.CLASSES, rows, *pictures.shape[1:])
    # Between pictures a line of the middle grey.
    grid = np.pad(grid, [(0, 0)] * 3 + [(0, 1), (0, 1)])
    channels, height, width = grid.shape[2:]
    tiled = grid.transpose(1, 3, 0, 4, 2).reshape(rows * height, models.CLASSES * width, channels)
    return np.clip(0.5 * (tiled + 1), 0, 1) if channels == 3 else tiled[..., 0]


if __name__ == "__main__":
    main(preset(images.PRESETS))
