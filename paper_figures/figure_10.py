"""Figure 10, determinism: entropy curves of a 25 + 15-dimensional joint Gaussian as σ_ε falls. `just figure 10`

I(X;Y) grows as Y determines X, S^X stays. Lines are exact, points the trained model, bands two standard errors.
"""

import dataclasses

import matplotlib.pyplot as plt

from paper_figures._entropy_curves import draw_column, label_rows
from paper_figures._numbers import measured, Number
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


def numbers(chosen: str) -> list[Number]:
    """Of σ_ε = 1; the paper's are of its code (seed 10)."""
    metrics, _ = execute(joint_gaussian.run, joint_gaussian.PRESETS[chosen]).load()
    # The smoke preset has another problem.
    printed = {} if chosen == "smoke" else {"orthogonal": 19.35, "entropy_difference": 18.68}
    named = {
        "loss_gap": "I(X;Y), loss gap (default)",
        "orthogonal": "I(X;Y), orthogonal (MINDE)",
        "entropy_difference": "I(X;Y), difference of entropies",
        "neural_entropy": "S_NN of X",
    }
    return [
        measured(words, metrics["estimates"][name], metrics["exact"][name], printed.get(name))
        for name, words in named.items()
    ]


if __name__ == "__main__":
    main(preset())
