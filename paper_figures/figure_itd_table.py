"""The variational bound beside the information-theoretic estimate, and fine-tuning. `just figure itd-table`

After Tables 1 and 2 of "Information-theoretic diffusion", with networks trained here on digits. Bars are two standard
errors, which the images dominate; both numbers of a row are of the same images.

`just figure itd-table --model FILE --data cifar10` is the table of a public checkpoint instead, beside what is printed;
it takes all options of `runs/itd_checkpoint.py`.
"""

import sys

import matplotlib.pyplot as plt

from paper_figures import _checkpoint_table
from paper_figures._style import BLUE, ORANGE, preset, PURPLE, save, use_style
from runs import itd_digits
from runs._record import execute


_TITLES = {"density": "dequantised: a bound on the code length", "discrete": "17 levels: the code length"}


def main(chosen: str) -> None:
    use_style()
    table = execute(itd_digits.run, itd_digits.PRESETS[chosen]).load()[0]["bits_per_dim"]
    rows = [(schedule, stage) for schedule in itd_digits.PROCESSES for stage in ("trained", "tuned")]
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 3.4), layout="constrained", sharey=True)
    for axis, data in zip(axes, itd_digits.DATA):
        for place, (schedule, stage) in enumerate(rows):
            found = table[f"{data}.{schedule}.{stage}"]
            ways = (
                ("bound", "variational bound of the network", ORANGE, -0.25),
                ("bound_of_best", "of the best denoiser at each noise level", PURPLE, 0.0),
                ("estimate", "information-theoretic, of the same", BLUE, 0.25),
            )
            for way, label, colour, offset in ways:
                value, error = found[way]["value"], found[way]["stderr"]
                bar = axis.barh(
                    place + offset, value, 0.23, xerr=2 * error, color=colour, alpha=0.75, error_kw={"lw": 1}
                )
                if place == 0:
                    bar.set_label(label)
                axis.annotate(
                    f"{value:.3f}", (0, place + offset), (4, 0), textcoords="offset points", va="center", fontsize=8
                )
        axis.set_title(_TITLES[data], fontsize=9)
        axis.set_xlabel("bits per pixel")
        axis.grid(False, axis="y")
    axes[0].set_yticks(range(len(rows)), [f"{schedule}, {stage}" for schedule, stage in rows])
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save(figure, "figure_itd_table", chosen)


if __name__ == "__main__":
    if any(arg.split("=")[0] == "--model" for arg in sys.argv[1:]):
        _checkpoint_table.draw(sys.argv[1:])
    else:
        main(preset())
