"""Figure 11: neural entropy and mutual information as X is flattened, 50 + 8 dimensions, k = 10, σ_ε = 1.
`just figure 11`

Lines are exact ((55), (56)), points the trained models with two standard errors.
"""

import matplotlib.pyplot as plt

from paper_figures._flattening_scan import scan, values
from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, save, use_style


def main(chosen: str) -> None:
    use_style()
    results = scan(chosen)
    flat_variances = [value for value, _ in results]
    figure, (entropy, information) = plt.subplots(1, 2, figsize=(7.4, 3.2), layout="constrained")

    exact, found, error = values(results, "neural_entropy")
    entropy.plot(flat_variances, exact, color=BLUE, label=r"$S_\mathrm{tot}$, exact")
    entropy.errorbar(flat_variances, found, error, fmt="o", ms=4, color=ORANGE, label=r"$S_\mathrm{NN}$, model")
    _, found, error = values(results, "total_entropy")
    entropy.errorbar(flat_variances, found, error, fmt="s", ms=3, color=GREY, label="lower bound by its loss")
    entropy.set_ylabel(r"entropy of $X$  [nats]")

    exact, found, error = values(results, "orthogonal")
    information.plot(flat_variances, exact, color=BLUE, label=r"$I(X;Y)$, exact")
    information.errorbar(flat_variances, found, error, fmt="o", ms=4, color=ORANGE, label="orthogonal (MINDE)")
    _, found, error = values(results, "loss_gap")
    information.errorbar(flat_variances, found, error, fmt="s", ms=3, color=GREEN, label="loss gap")
    information.set_ylabel(r"$I(X;Y)$  [nats]")
    information.set_ylim(0, 1.7 * max(exact))

    for axis in (entropy, information):
        axis.set_xscale("log")
        axis.invert_xaxis()
        axis.set_xlabel(r"variance of the flattened directions  $\lambda_\delta$")
        axis.legend()
    save(figure, "figure_11", chosen)


if __name__ == "__main__":
    main(preset())
