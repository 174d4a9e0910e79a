"""Figure 8, mutual information of guided samples along the weight, D_X = 25 and D_Y = 5, 10, 15. `just figure 8`

The paper reads the levelling off of a network's estimate as saturation. The exact value does not saturate: it grows by
I(X;Y) and more with each unit of w, without bound. What levels off is what can be seen above a least noise level, for a
network and for exact scores alike.
"""

import matplotlib.pyplot as plt

from paper_figures._guidance import curves, DIMS, draw_curves
from paper_figures._numbers import Number
from paper_figures._style import preset, save, use_style


def main(chosen: str) -> None:
    use_style()
    dims = DIMS[:1] if chosen == "smoke" else DIMS
    figure, axes = plt.subplots(1, len(dims), figsize=(3.1 * len(dims), 3.6), squeeze=False, layout="constrained")
    for ax, dim_y in zip(axes[0], dims):
        draw_curves(ax, curves(chosen, dim_y))
        ax.set_title(rf"$D_Y = {dim_y}$", fontsize=9)
    axes[0, 0].set_ylabel("$I(X;Y)$ of guided samples  [nats]")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save(figure, "figure_8", chosen)


def numbers(chosen: str) -> list[Number]:
    """At w = 5 and the largest D_Y; the paper's is of its code."""
    # The smoke preset has another problem.
    known = None if chosen == "smoke" else 44.60
    found = {name: values[5] for name, values in curves(chosen, DIMS[-1]).items()}
    return [
        Number("I(X;Y) at w = 5, orthogonal", found["neural"], found["stderr"], found["exact"], known),
        Number("what exact scores have of it within the network's range", found["network"]),
    ]


if __name__ == "__main__":
    main(preset())
