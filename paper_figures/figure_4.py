"""Figure 4: what latents of either side of τ know of the labels. `just figure 4`, `--preset cpu` for MNIST's.

Left, t-SNE of z_sem and z_per at the least τ; right, I(Z;Y) of both against τ, by the posterior form, with the bound
H(Y).
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._numbers import Number
from paper_figures._style import BLUE, ORANGE, preset, save, use_style
from runs import latents


_SHOWN = {"semantic": (r"$z_\mathrm{sem}$", BLUE), "perceptual": (r"$z_\mathrm{per}$", ORANGE)}


def main(chosen: str) -> None:
    use_style()
    rows = latents.run(latents.PRESETS[chosen], "0/1", "results")
    first = min(rows, key=lambda row: (row["tau"], row["seed"]))
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), layout="constrained", width_ratios=(1, 1, 1.3))
    for axis, (name, (label, _)) in zip(axes, _SHOWN.items()):
        plane = np.array(first[name]["plane"])
        dots = axis.scatter(*plane.T, c=first["labels"], cmap="tab10", vmin=-0.5, vmax=9.5, s=5, lw=0)
        axis.set_title(rf"{label}, $\tau = {first['tau']:g}\,T$", fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
        if axis is axes[1]:
            figure.colorbar(dots, ax=axis, ticks=range(10), label="label", pad=0.02)
    for name, (label, colour) in _SHOWN.items():
        times, values, errors = latents.curve(rows, name, "posterior")
        axes[2].plot(times, values, "o-", ms=3, color=colour, label=label)
        axes[2].fill_between(times, values - 1.96 * errors, values + 1.96 * errors, color=colour, alpha=0.2, lw=0)
    axes[2].axhline(first["label_entropy"], color="k", lw=0.8)
    axes[2].annotate(
        "$H(Y)$", (0.9, first["label_entropy"]), (0, -3), textcoords="offset points", ha="right", va="top", fontsize=8
    )
    axes[2].set_xlabel(r"$\tau / T$")
    axes[2].set_ylabel("$I(Z;Y)$  [nats]")
    axes[2].set_ylim(bottom=min(0.0, axes[2].get_ylim()[0]))
    axes[2].legend()
    save(figure, "figure_4", chosen)


def numbers(chosen: str) -> list[Number]:
    """At the least and at the middle τ."""
    rows = latents.run(latents.PRESETS[chosen], "0/1", "results")
    bound = f"≤ H(Y) = {rows[0]['label_entropy']:.3f}"
    found = []
    for name, words in (("semantic", "z_sem"), ("perceptual", "z_per")):
        times, values, errors = latents.curve(rows, name, "posterior")
        found += [
            Number(f"I({words};Y) at τ = {times[place]:g} T", float(values[place]), float(errors[place]), bound)
            for place in (0, len(times) // 2)
        ]
    return found


if __name__ == "__main__":
    main(preset(latents.PRESETS))
