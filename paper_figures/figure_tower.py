"""The tower: what a latent of each band of noise levels knows, and what images become with some of them. `just figure
tower`, `--preset cpu` for MNIST's.

Above, by band: I(Z;Y) by the posterior form and by a linear probe, with standard errors, and the rate, with that within
a class. Below, unseen images, and draws from the same noise that are told the latents of so many bands, from the most
noise on or from the least.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, save, use_style
from runs import tower
from runs._record import execute


_COLUMNS = 14


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(tower.run, tower.PRESETS[chosen]).load()
    # From the most noise to the least, as the latents are.
    names, bands = list(metrics["bands"]), list(metrics["bands"].values())
    tall = 0.31 * (len(bands) + 2)
    figure = plt.figure(figsize=(9.6, 3.0 + tall), layout="constrained")
    cells = figure.add_gridspec(2, 2, height_ratios=(3.0, tall))
    (label, rate), below = ([figure.add_subplot(cells[row, column]) for column in range(2)] for row in range(2))
    places = np.arange(len(bands))
    for method, words, colour, marker in (("posterior", "posterior", BLUE, "o"), ("probe", "linear probe", GREEN, "s")):
        draw(label, places, [band["I(Z;Y)"][method] for band in bands], words, colour, marker)
    label.axhline(metrics["H(Y)"], color="k", lw=0.8)
    label.annotate("$H(Y)$", (places[-1], metrics["H(Y)"]), (0, 3), textcoords="offset points", fontsize=8)
    label.set_ylabel("$I(Z;Y)$  [nats]")
    for name, words, colour, marker in (
        ("rate", r"$\mathrm{KL}(q\,\|\,\mathcal{N}(0, I))$", ORANGE, "o"),
        ("rate_within", r"within a class, $\log q(z|x)/p(z|y)$", GREY, "s"),
        ("gain", r"what the decoder gains", BLUE, "^"),
    ):
        draw(rate, places, [band[name] for band in bands], words, colour, marker)
    rate.set_ylabel("nats")
    for axis in (label, rate):
        axis.set_xticks(places, names, fontsize=8)
        axis.set_xlabel("times $s/T$ of the band")
        axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
    label.legend(loc="lower left")
    rate.legend(loc="upper right")
    rate.set_ylim(top=1.25 * rate.get_ylim()[1])
    for axis, road, words in zip(below, ("coarse", "fine"), ("most", "least")):
        rows = [arrays["real"], *(arrays[f"{road}_{number}"] for number in range(len(bands), -1, -1))]
        strips = [np.concatenate([np.pad(one[0], ((0, 1), (0, 1))) for one in row[:_COLUMNS]], 1) for row in rows]
        axis.imshow(np.concatenate(strips), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        height = strips[0].shape[0]
        captions = ["unseen", "all told", *(f"{number} told" for number in range(len(bands) - 1, 0, -1)), "none told"]
        axis.set_yticks([height * (place + 0.5) for place in range(len(rows))], captions, fontsize=8)
        axis.set_xticks([])
        axis.grid(False)
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
        axis.set_title(f"told the latents of the bands with the {words} noise", fontsize=9)
    save(figure, "figure_tower", chosen)


def draw(axis, places, estimates: list[dict], words: str, colour: str, marker: str) -> None:
    """Estimates with two standard errors."""
    values, errors = ([one[name] for one in estimates] for name in ("value", "stderr"))
    style = {"fmt": f"{marker}-", "ms": 4, "lw": 1.0, "capsize": 2, "color": colour, "label": words}
    axis.errorbar(places, values, 2 * np.array(errors), **style)


if __name__ == "__main__":
    main(preset(tower.PRESETS))
