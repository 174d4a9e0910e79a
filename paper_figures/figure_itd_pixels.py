"""Which pixels of a digit carry its information, for one image of each class. `just figure itd-pixels`

After the pixel maps of "Interpretable diffusion via information decomposition", on digits. Numbers are sums over the
pixels, in nats.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import preset, save, use_style
from runs import itd_pixels
from runs._record import execute


_ROWS = (
    ("nll", r"$-\log p(x|y)$", "viridis"),
    ("orthogonal", r"$i^o(x;y)$", "magma"),
    ("log_ratio", r"$\log\frac{p(x|y)}{p(x)}$", "RdBu_r"),
    ("against_rival", r"$\log\frac{p(x|y)}{p(x|y')}$", "RdBu_r"),
)


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(itd_pixels.run, itd_pixels.PRESETS[chosen]).load()
    classes = itd_pixels.CLASSES
    figure, axes = plt.subplots(1 + len(_ROWS), classes, figsize=(10.2, 6.2), layout="constrained")
    for axis, image, label, rival in zip(axes[0], arrays["image"], range(classes), arrays["rival"]):
        axis.imshow(image.reshape(8, 8), cmap="gray_r")
        axis.set_title(f"{label}  (not {rival})", fontsize=9)
    axes[0, 0].set_ylabel("image")
    for row, (name, label, colours) in zip(axes[1:], _ROWS):
        values = arrays[name]
        top = np.quantile(np.abs(values), 0.995)
        low = {"viridis": np.quantile(values, 0.005), "magma": 0.0, "RdBu_r": -top}[colours]
        shown = [axis.imshow(value.reshape(8, 8), cmap=colours, vmin=low, vmax=top) for axis, value in zip(row, values)]
        for digit, axis in enumerate(row):
            total = metrics["nats_by_digit"][name][str(digit)]
            axis.set_xlabel(f"{total['value']:.1f} ± {total['stderr']:.1f}".replace("-", "−"), fontsize=8)
        row[0].set_ylabel(label)
        figure.colorbar(shown[-1], ax=row, pad=0.01, aspect=9).ax.tick_params(labelsize=7)
    for axis in axes.flat:
        axis.grid(False)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    save(figure, "figure_itd_pixels", chosen)


if __name__ == "__main__":
    main(preset())
