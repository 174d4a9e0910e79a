"""Figure 16: mutual information of latents and labels against τ, by every method. `just figure 16`.

Left z_sem, right z_per. What is below H(Y) by construction is drawn solid; the other forms of the diffusion model, and
nearest neighbours, may pass it.
"""

import matplotlib.pyplot as plt

from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, PURPLE, save, use_style
from runs import latents


_METHODS = {
    "posterior": ("posterior (default)", BLUE, "-"),
    "probe": ("linear probe", GREEN, "-"),
    "neighbours": ("nearest neighbours", PURPLE, ":"),
    "loss_gap": ("loss gap", GREY, "--"),
    "orthogonal": ("orthogonal (MINDE)", ORANGE, "--"),
}


def main(chosen: str) -> None:
    use_style()
    rows = latents.run(latents.PRESETS[chosen], "0/1", "results")
    figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.2), sharey=True, layout="constrained")
    for axis, name, title in zip(axes, latents.NAMES, (r"$s \geq \tau$: semantic", r"$s < \tau$: perceptual")):
        for method, (label, colour, line) in _METHODS.items():
            times, values, errors = latents.curve(rows, name, method)
            axis.plot(times, values, line, marker="o", ms=3, color=colour, label=label)
            axis.fill_between(times, values - 1.96 * errors, values + 1.96 * errors, color=colour, alpha=0.15, lw=0)
        axis.axhline(rows[0]["label_entropy"], color="k", lw=0.8)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(r"$\tau / T$")
    axes[0].set_ylabel("$I(Z;Y)$  [nats]")
    axes[1].annotate("$H(Y)$", (0.1, rows[0]["label_entropy"]), (0, 3), textcoords="offset points", fontsize=8)
    axes[0].legend(fontsize=8, loc="upper right")
    save(figure, "figure_16", chosen)


if __name__ == "__main__":
    main(preset(latents.PRESETS))
