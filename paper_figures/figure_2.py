"""Figure 2, guidance binds X to Y. `just figure 2`

Left: samples of a 1-D joint Gaussian without guidance and with w = 2, with the ellipses of their exact laws. Right: the
exact mutual information of guided samples for D_X = 25 and D_Y = 5, 10, 15 (lines), what exact scores show of it down
to s = 1e-3 (dashes), and what a network that is trained on guided samples shows (points): the paper's figure has the
points, whose levelling off is that of the view, not of the information.
"""

import matplotlib.pyplot as plt

from paper_figures._guidance import COLORS, curves, DIMS, scatter, WEIGHTS
from paper_figures._style import BLUE, GREEN, ORANGE, preset, save, use_style


def main(chosen: str) -> None:
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.2), layout="constrained")
    for weight in (0.0, 2.0):
        information = scatter(left, weight, COLORS[weight], 200 if chosen == "smoke" else 1_000)
        left.scatter([], [], s=12, color=COLORS[weight], label=rf"$w = {weight:g}$, $I = {information:.2f}$")
    left.set_ylabel("$x$")
    left.legend(loc="upper left")
    dims = DIMS[:1] if chosen == "smoke" else DIMS
    for dim_y, color in zip(dims, (BLUE, GREEN, ORANGE)):
        found = curves(chosen, dim_y)
        right.plot(WEIGHTS, found["exact"], color=color, label=rf"$D_Y = {dim_y}$")
        right.plot(WEIGHTS, found["0.001"], color=color, linestyle="--", linewidth=0.8)
        right.errorbar(WEIGHTS, found["neural"], 2 * found["stderr"], color=color, fmt="o", markersize=3.5)
        right.axhline(found["unguided"][0], color=color, linewidth=0.7, linestyle=":")
    right.plot([], [], color="black", label="exact")
    right.plot([], [], color="black", linestyle="--", linewidth=0.8, label="exact scores, $s > 10^{-3}$")
    right.errorbar([], [], [], color="black", fmt="o", markersize=3.5, label="network")
    right.plot([], [], color="black", linestyle=":", linewidth=0.7, label="unguided")
    right.set_xlabel("guidance weight $w$")
    right.set_ylabel("$I(X;Y)$  [nats]")
    right.legend(loc="upper left")
    save(figure, "figure_2", chosen)


if __name__ == "__main__":
    main(preset())
