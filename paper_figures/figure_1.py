"""Figure 1, right: I(X;Y) as a share of the neural entropy, as the effective size of p(x) shrinks. `just figure 1`

The paper does not define R_eff²; here it is the geometric mean of the variances, det(Σ_X)^{1/D}, the squared radius in
each direction of a ball with the volume of the typical set. The scan is that of Figure 11.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._flattening_scan import scan, values
from paper_figures._style import BLUE, ORANGE, preset, save, use_style


def main(chosen: str) -> None:
    use_style()
    results = scan(chosen)
    radius = [metrics["effective_radius_squared"] for _, metrics in results]
    information, information_found, information_error = map(np.asarray, values(results, "loss_gap"))
    entropy, entropy_found, entropy_error = map(np.asarray, values(results, "neural_entropy"))

    figure, axis = plt.subplots(figsize=(3.8, 3.2), layout="constrained")
    axis.plot(radius, information / entropy, color=BLUE, label=r"$I/S_\mathrm{tot}$, exact")
    ratio = information_found / entropy_found
    error = ratio * np.hypot(information_error / information_found, entropy_error / entropy_found)
    axis.errorbar(radius, ratio, error, fmt="o", ms=4, color=ORANGE, label=r"$I/S_\mathrm{NN}$, model")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.invert_xaxis()
    axis.set_xlabel(r"$R_\mathrm{eff}^2 = \det(\Sigma_X)^{1/D}$")
    axis.set_ylabel(r"$I(X;Y)\,/\,S^X$")
    axis.legend()
    save(figure, "figure_1", chosen)


if __name__ == "__main__":
    main(preset())
