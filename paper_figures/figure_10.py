"""Figure 10, determinism: entropy curves of a 25 + 15-dimensional joint Gaussian as σ_ε falls. `just figure 10`

I(X;Y) grows as Y determines X, S^X stays. Lines are exact, points the trained model, bands two standard errors.
"""

import dataclasses

import matplotlib.pyplot as plt

from paper_figures._entropy_curves import draw_column, label_rows
from paper_figures._style import preset, save, use_style
from runs import joint_gaussian
from runs._record import execute


def main(chosen: str) -> None:
    use_style()
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.4), sharex=True, sharey="row", layout="constrained")
    for column, noise_std in zip(axes.T, (1.0, 0.6, 0.25)):
        config = dataclasses.replace(joint_gaussian.PRESETS[chosen], noise_std=noise_std)
        draw_column(column, execute(joint_gaussian.run, config), rf"$\sigma_\varepsilon = {noise_std}$")
    label_rows(axes[:, 0])
    save(figure, "figure_10", chosen)


if __name__ == "__main__":
    main(preset())
