"""Figure 9, flattening: entropy curves of a 25 + 15-dimensional joint Gaussian as λ_δ falls. `just figure 9`

S^X grows without bound as X loses its dimensions, I(X;Y) stays. Lines are exact, points the trained model, bands two
standard errors. The paper does not state its three λ_δ, nor k; here they are 1e-2, 1e-4, 1e-6, and 10.
"""

import dataclasses
import math

import matplotlib.pyplot as plt

from paper_figures._entropy_curves import draw_column, label_rows
from paper_figures._style import preset, save, use_style
from runs import flattening
from runs._record import execute


FLAT_VARIANCES = (1e-2, 1e-4, 1e-6)


def main(chosen: str) -> None:
    use_style()
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.4), sharex=True, sharey="row", layout="constrained")
    for column, flat_variance in zip(axes.T, FLAT_VARIANCES):
        config = dataclasses.replace(flattening.PRESETS[chosen], flat_variance=flat_variance)
        draw_column(
            column, execute(flattening.run, config), rf"$\lambda_\delta = 10^{{{round(math.log10(flat_variance))}}}$"
        )
    label_rows(axes[:, 0])
    save(figure, "figure_9", chosen)


if __name__ == "__main__":
    main(preset())
