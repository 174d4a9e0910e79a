"""Figure 3: two ways of having a large S^{X|Y}. `just figure 3`

Left, flattening (λ_δ = 1e-4): S^X is large, I(X;Y) is not. Right, determinism (σ_ε = 0.25): I(X;Y) is large,
S^X is not.
"""

import dataclasses

import matplotlib.pyplot as plt

from paper_figures._entropy_curves import draw_column, label_rows
from paper_figures._style import preset, save, use_style
from runs import flattening, joint_gaussian
from runs._record import execute


def main(chosen: str) -> None:
    use_style()
    figure, axes = plt.subplots(2, 2, figsize=(6.6, 5.4), sharex=True, layout="constrained")
    flat = dataclasses.replace(flattening.PRESETS[chosen], flat_variance=1e-4)
    draw_column(axes[:, 0], execute(flattening.run, flat), r"flattening, $\lambda_\delta = 10^{-4}$")
    near = dataclasses.replace(joint_gaussian.PRESETS[chosen], noise_std=0.25)
    draw_column(axes[:, 1], execute(joint_gaussian.run, near), r"determinism, $\sigma_\varepsilon = 0.25$")
    label_rows(axes[:, 0])
    save(figure, "figure_3", chosen)


if __name__ == "__main__":
    main(preset())
