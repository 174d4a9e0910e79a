"""Figure 6: without noise the pair (X, Y) lies on a line, and I(X;Y) has no bound. `just figure 6`.

Samples as the noise falls; and I(X;Y), exact and measured with 95 % bars, which are smaller than the dots.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._numbers import measured, Number
from paper_figures._style import BLUE, preset, save, use_style
from runs import linear_gaussian
from runs._record import execute


_SHOWN = ("1", "0.25", "0.01")


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(linear_gaussian.run, linear_gaussian.PRESETS[chosen]).load()
    figure, axes = plt.subplots(1, 4, figsize=(10.2, 2.6), layout="constrained", width_ratios=(1, 1, 1, 1.5))
    for axis, name in zip(axes, _SHOWN):
        axis.plot(*arrays[f"points {name}"], "o", ms=2, color="#CC3311", alpha=0.6, mew=0)
        axis.set_xlim(-3.4, 3.4)
        axis.set_ylim(-4.4, 4.4)
        axis.set_title(rf"$\sigma_\varepsilon = {name}$: {metrics[name]['exact']:.2f} nats", fontsize=9)
        axis.set_xlabel("$x$")
    axes[0].set_ylabel("$y$")
    stds = np.array([float(name) for name in metrics])
    exact, value, stderr = (np.array([one[key] for one in metrics.values()]) for key in ("exact", "value", "stderr"))
    axes[3].plot(stds, exact, color="k", lw=0.9, label=r"$\frac{1}{2}\log(1 + \sigma_X^2/\sigma_\varepsilon^2)$")
    axes[3].errorbar(stds, value, 1.96 * stderr, fmt="o", ms=4, capsize=2, color=BLUE, label="measured")
    axes[3].set_xscale("log")
    axes[3].invert_xaxis()
    axes[3].set_xlabel(r"$\sigma_\varepsilon$, to no noise")
    axes[3].set_ylabel("$I(X;Y)$  [nats]")
    axes[3].legend()
    save(figure, "figure_6", chosen)


def numbers(chosen: str) -> list[Number]:
    """Of each level of noise."""
    metrics, _ = execute(linear_gaussian.run, linear_gaussian.PRESETS[chosen]).load()
    return [measured(f"I(X;Y) at σ_ε = {name}", found, found["exact"]) for name, found in metrics.items()]


if __name__ == "__main__":
    main(preset(linear_gaussian.PRESETS))
