"""Figure 5: the linear Gaussian model with much and with little noise. `just figure 5`.

Contours hold 39 and 86 % of p(x, y), one and two standard deviations; red are samples; blue is p(x|y) at three values
of y, each drawn from its y up; orange is p(x).
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import BLUE, ORANGE, preset, save, use_style
from runs import linear_gaussian
from runs._record import execute


_SHOWN = ("1", "0.25")


def bell(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    """The density of a Gaussian."""
    return np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(linear_gaussian.run, linear_gaussian.PRESETS[chosen]).load()
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.6), sharex=True, sharey=True, layout="constrained")
    x = np.linspace(-3.3, 3.3, 600)
    turn = np.linspace(0, 2 * np.pi, 200)
    floor = -5.4
    for axis, name, letter in zip(axes, _SHOWN, "ab"):
        covariance = arrays[f"covariance {name}"]
        root = np.linalg.cholesky(covariance)
        for size in (1, 2):
            axis.plot(*(size * root @ np.stack([np.cos(turn), np.sin(turn)])), color="k", lw=0.7, alpha=0.6)
        axis.plot(*arrays[f"points {name}"], "o", ms=1.6, color="#CC3311", alpha=0.5, mew=0)
        # All densities on one scale.
        for y, mean, std in arrays[f"conditionals {name}"].T:
            axis.plot(x, y + bell(x, mean, std), color=BLUE, lw=1.2)
            axis.axhline(y, color=BLUE, lw=0.4, ls=":")
        axis.plot(x, floor + bell(x, 0, np.sqrt(covariance[0, 0])), color=ORANGE, lw=1.4)
        found = metrics[name]
        axis.set_title(
            rf"({letter}) $\sigma_\varepsilon = {name}$: $I(X;Y)$ = {found['exact']:.3f}, measured "
            rf"{found['value']:.3f} ± {found['stderr']:.3f} nats",
            fontsize=8,
        )
        axis.set_xlabel("$x$")
        axis.set_ylim(floor - 0.1, 4.6)
    axes[0].plot([], [], color=BLUE, label="$p(x|y)$")
    axes[0].plot([], [], color=ORANGE, label="$p(x)$")
    axes[0].legend(loc="upper left")
    axes[0].set_ylabel("$y$")
    save(figure, "figure_5", chosen)


if __name__ == "__main__":
    main(preset(linear_gaussian.PRESETS))
