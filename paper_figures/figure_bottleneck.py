"""The information bottleneck, and what lies in it. `just figure bottleneck`.

Left, a joint Gaussian, exact: the best curve, which representations of X that are to tell of Y share with those of Y
that are to tell of X; autoencoders of X, by the price of their rate; guided samples of Y. Right, latents of digits:
I(Z;Y) by the posterior form over their rate, from above bounded by both the rate and H(Y), with standard errors.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._numbers import Number
from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, PURPLE, save, use_style
from runs import autoencoders, bottleneck, latents, tower
from runs._record import execute


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(bottleneck.run, bottleneck.PRESETS[chosen]).load()
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.6), layout="constrained")
    left.plot(*arrays["curve"].T, color="k", label="the best: $I(Z;Y)$ over $I(X;Z)$")
    left.plot(*arrays["autoencoder"].T, color=GREEN, label="autoencoders of $X$")
    found = np.array([[one["I(Y;X_w)"], one["I(X;X_w)"]] for one in metrics["guided"].values()])
    left.plot(*found.T, "o", ms=4, color=ORANGE, label="guided samples: $I(X;X_w)$ over $I(Y;X_w)$")
    for weight, point in zip(metrics["guided"], found):
        left.annotate(f"$w = {weight}$", point, (3, -10), textcoords="offset points", fontsize=7)
    left.axhline(metrics["I(X;Y)"], color=GREY, lw=0.8, ls=":")
    left.annotate("$I(X;Y)$", (0, metrics["I(X;Y)"]), (2, 2), textcoords="offset points", fontsize=8)
    left.set_xlim(0, 1.25 * found[:, 0].max())
    left.set_xlabel("told of the source  [nats]")
    left.set_ylabel("relevant  [nats]")
    left.legend(loc="lower right")
    rows = latents.run(latents.PRESETS[chosen], "0/1", "results")
    for name, colour in (("semantic", BLUE), ("perceptual", ORANGE)):
        points(right, [row[name] for row in rows], f"split, {name}", colour, "o")
    bands = execute(tower.run, tower.PRESETS[chosen]).load()[0]["bands"]
    points(right, list(bands.values()), "tower", PURPLE, "s")
    both = execute(autoencoders.run, autoencoders.PRESETS[chosen]).load()[0]
    points(right, [both["variational"]], "variational, two numbers", GREY, "^")
    points(right, [both["diffusion"]], "diffusion, two numbers", GREEN, "v")
    entropy = rows[0]["label_entropy"]
    end = right.get_xlim()[1]
    right.plot([0, entropy, end], [0, entropy, entropy], color="k", lw=0.9)
    right.annotate("$H(Y)$", (end, entropy), (-2, 3), textcoords="offset points", ha="right", fontsize=8)
    right.set_xlim(0, end)
    # Room for the legend below what is told.
    right.set_ylim(bottom=-1.0)
    right.set_yticks(np.arange(0, 2.5, 0.5))
    right.set_xlabel(r"rate $\geq I(X;Z)$  [nats]")
    right.set_ylabel("$I(Z;Y)$  [nats]")
    right.legend(loc="lower right", fontsize=7)
    save(figure, "figure_bottleneck", chosen)


def points(axis, rows: list[dict], label: str, colour: str, marker: str) -> None:
    """Latents in the plane, with standard errors of what they know of the label."""
    rate = [row["rate"]["value"] for row in rows]
    told, errors = ([row["I(Z;Y)"]["posterior"][key] for row in rows] for key in ("value", "stderr"))
    axis.errorbar(rate, told, errors, fmt=marker, ms=4, lw=0.8, capsize=1.5, color=colour, label=label)


def numbers(chosen: str) -> list[Number]:
    """What guided samples tell, exact."""
    metrics, _ = execute(bottleneck.run, bottleneck.PRESETS[chosen]).load()
    return [
        Number(f"I({variable};X_w) at w = {weight}", found[f"I({variable};X_w)"], exact=bound)
        for weight, found in metrics["guided"].items()
        for variable, bound in (("Y", "no bound"), ("X", f"≤ I(X;Y) = {metrics['I(X;Y)']:.3f}"))
    ]


if __name__ == "__main__":
    main(preset(bottleneck.PRESETS))
