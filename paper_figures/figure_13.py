"""Figure 13: the two numbers that a variational and a diffusion autoencoder have of an image. `just figure 13`.

In the titles what they tell of the label, by the posterior form, with its standard error. `--preset cpu` for MNIST's.
"""

import matplotlib.pyplot as plt

from paper_figures._style import number, preset, save, use_style
from runs import autoencoders
from runs._record import execute


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(autoencoders.run, autoencoders.PRESETS[chosen]).load()
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    for axis, name in zip(axes, ("variational", "diffusion")):
        found = metrics[name]
        dots = axis.scatter(
            *arrays[f"latent_{name}"].T, c=arrays["labels"], cmap="tab10", vmin=-0.5, vmax=9.5, s=5, lw=0
        )
        axis.set_title(
            f"{name}: $I(Z;Y)$ = {number(found['I(Z;Y)']['posterior'])} nats, rate {number(found['rate'])}", fontsize=8
        )
        axis.set_xlabel("$z_1$")
        axis.set_ylabel("$z_2$")
        if axis is axes[1]:
            figure.colorbar(dots, ax=axis, ticks=range(10), label="label", pad=0.02)
    save(figure, "figure_13", chosen)


if __name__ == "__main__":
    main(preset(autoencoders.PRESETS))
