"""Figure 12: images, and what a variational and a diffusion autoencoder make of them. `just figure 12`.

The power at high frequencies, beside that of the images, says how sharp they are. `--preset cpu` for MNIST's.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import preset, save, use_style
from runs import autoencoders
from runs._record import execute


_COLUMNS = 20


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(autoencoders.run, autoencoders.PRESETS[chosen]).load()
    sharp = {name: f"power at high frequencies {found['sharpness']:.2f}" for name, found in metrics.items()}
    rows = (
        ("real", "unseen images"),
        ("decoded_variational", f"variational: {sharp['variational']}"),
        ("decoded_diffusion", f"diffusion: {sharp['diffusion']}"),
    )
    figure, axes = plt.subplots(len(rows), 1, figsize=(7.2, 2.0), layout="constrained")
    for axis, (name, title) in zip(axes, rows):
        pictures = arrays[name][:_COLUMNS]
        # Between pictures a line of the middle grey.
        pictures = np.pad(pictures, [(0, 0)] * 3 + [(0, 1)])
        axis.imshow(np.concatenate(list(pictures[:, 0]), 1), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        axis.set_title(title, fontsize=8)
        axis.set_axis_off()
    save(figure, "figure_12", chosen)


if __name__ == "__main__":
    main(preset(autoencoders.PRESETS))
