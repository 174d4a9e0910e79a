"""Squared errors of the noise along λ on digits, beside the Gaussian's. `just figure itd-mse`

After Figs. 1 and 2 of "Information-theoretic diffusion". Above, dequantised images: the area between the Gaussian's
curve and the network's is what the network knows that the covariance does not. Below, the 17 levels themselves: the
area under the least of the curves is the code length.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, PURPLE, save, use_style
from runs import itd_digits
from runs._record import execute


_STAGES = (("trained", "as DDPM trains it"), ("tuned", "fine-tuned"))
_MEMBERS = (
    ("gaussian", "Gaussian", GREY, "--"),
    ("network", "network", BLUE, "-"),
    ("rounded", "network, rounded", ORANGE, "-"),
    ("soft", "network, softly rounded", PURPLE, ":"),
    ("pixels", "pixels by themselves", GREEN, ":"),
)


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(itd_digits.run, itd_digits.PRESETS[chosen]).load()
    figure, axes = plt.subplots(2, 2, figsize=(8.2, 5.4), layout="constrained", sharex=True, sharey=True)
    for row, data in zip(axes, itd_digits.DATA):
        for axis, (stage, title) in zip(row, _STAGES):
            name = f"{data}.linear.{stage}"
            curves = {member: arrays[f"{name}.{member}"] for member, *_ in _MEMBERS if f"{name}.{member}" in arrays}
            for member, label, colour, style in _MEMBERS:
                if member in curves:
                    axis.plot(*curves[member], style, color=colour, lw=1.2, label=label)
            log_snr = curves["network"][0]
            least = np.min([curve[1] for curve in curves.values()], 0)
            if data == "density":
                axis.fill_between(log_snr, least, curves["gaussian"][1], color=GREEN, alpha=0.2, lw=0)
            else:
                axis.fill_between(log_snr, least, 0, color=GREEN, alpha=0.2, lw=0)
            found = metrics["bits_per_dim"][name]["estimate"]
            axis.set_title(f"{title}: {found['value']:.3f} ± {found['stderr']:.3f} bits/dim", fontsize=9)
            axis.axhline(itd_digits.DIM, color="k", lw=0.5, alpha=0.5)
        kind = "dequantised" if data == "density" else "17 levels"
        row[0].set_ylabel(kind + "\n" + r"$\mathbb{E}\|\varepsilon - \hat\varepsilon\|^2$")
    axes[0, 0].set_ylim(0, 1.35 * itd_digits.DIM)
    axes[0, 0].annotate(r"$d = 64$", (-9.5, itd_digits.DIM), (0, 3), textcoords="offset points", fontsize=8)
    axes[1, 0].legend(loc="upper left", fontsize=8)
    for axis in axes[1]:
        axis.set_xlabel(r"log-SNR $\lambda$")
    save(figure, "figure_itd_mse", chosen)


if __name__ == "__main__":
    main(preset())
