"""Figure 18: how -log p(x) is computed, on a mixture in two dimensions. `just figure 18`.

(a) forward paths from x (star) reach a cloud at time s; (b) swarms of reverse paths from three of its points (squares)
land at s = 0, in the mean (cross) at the denoised mean (circle); (c) each point of the cloud and its denoised mean.
Below, of three points: the integrand of Eq. (45), B(s) E‖x̂ - x‖² per unit of λ, and that of a Gaussian, between which
lies what -log p differs by.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._numbers import measured, Number
from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, PURPLE, save, use_style
from runs import denoised_means
from runs._record import execute


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(denoised_means.run, denoised_means.PRESETS[chosen]).load()
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.6), layout="constrained", height_ratios=(1.35, 1))
    x = np.array(metrics["nll"]["chosen"]["point"])
    colours = (BLUE, ORANGE, PURPLE)
    for axis in axes[0]:
        axis.plot(*arrays["samples"].T, ".", ms=1, color="0.75", rasterized=True)
        axis.set_xlim(-2.6, 2.6)
        axis.set_ylim(-2.4, 2.2)
        axis.set_aspect("equal")
        axis.grid(False)
    first, second, third = axes[0]
    for path in arrays["forward"].transpose(1, 2, 0):
        first.plot(*path, color=BLUE, lw=0.4, alpha=0.5)
    first.plot(*arrays["cloud"].T, "o", ms=2.5, color=BLUE, mew=0)
    first.set_title(r"(a) forward, from $x$ to $x_s$", fontsize=9)
    for place, colour in enumerate(colours):
        start, mean = arrays["cloud"][arrays["chosen"][place]], arrays["means"][arrays["chosen"][place]]
        swarm = arrays["swarms"][:, place]
        for path in swarm.transpose(1, 2, 0)[:25]:
            second.plot(*path, color=colour, lw=0.3, alpha=0.5)
        second.plot(*swarm[-1].T, "o", ms=1.8, color=colour, mew=0)
        second.plot(*start, "s", ms=5, color=colour, mec="k", mew=0.6)
        second.plot(*mean, "o", ms=8, mfc="none", mec="k", mew=1.2)
        second.plot(*swarm[-1].mean(0), "x", ms=6, color="k")
    second.set_title(r"(b) back, from three $x_s$, to $\hat x$ in the mean", fontsize=9)
    for start, mean in zip(arrays["cloud"], arrays["means"]):
        third.plot(*np.stack([start, mean]).T, color=GREY, lw=0.4)
    third.plot(*arrays["cloud"].T, "o", ms=2.5, color=BLUE, mew=0)
    third.plot(*arrays["means"].T, "o", ms=2.5, color=GREEN, mew=0)
    third.set_title(r"(c) each $x_s$ and its $\hat x(x_s)$", fontsize=9)
    for axis in axes[0]:
        axis.plot(*x, "*", ms=10, color="#CC3311", mec="k", mew=0.6)
        axis.set_xticks([-2, 0, 2])
        axis.set_yticks([-2, 0, 2])
    for axis, (name, found) in zip(axes[1], metrics["nll"].items()):
        for side, colour, label in (("gaussian", GREY, "a Gaussian"), ("data", GREEN, "the data")):
            log_snr, rate, stderr = arrays[f"{side} {name}"]
            axis.plot(log_snr, rate, color=colour, label=label)
            axis.fill_between(log_snr, rate - 1.96 * stderr, rate + 1.96 * stderr, color=colour, alpha=0.25, lw=0)
        axis.fill_between(log_snr, arrays[f"data {name}"][1], arrays[f"gaussian {name}"][1], color="0.9", lw=0)
        axis.set_xlabel(r"log-SNR $\lambda$")
        axis.set_title(
            f"{'star' if name == 'chosen' else name}: $-\\log p$ = {found['exact']:.3f},\n"
            f"measured {found['value']:.3f} ± {found['stderr']:.3f} nats",
            fontsize=8,
        )
    axes[1, 0].set_ylabel(r"$\frac{1}{2}\,$SNR$\;\mathrm{E}\|\hat x - x\|^2$  [nats / unit of $\lambda$]", fontsize=8)
    axes[1, 0].legend(loc="upper left")
    save(figure, "figure_18", chosen)


def numbers(chosen: str) -> list[Number]:
    """Of each point."""
    found = execute(denoised_means.run, denoised_means.PRESETS[chosen]).load()[0]["nll"]
    return [measured(f"-log p(x), {name}", one, one["exact"]) for name, one in found.items()]


if __name__ == "__main__":
    main(preset(denoised_means.PRESETS))
