"""Digits: what a network stores, by the number of its training images. `just figure scaling`

After "Neural entropy", whose claim is that S_NN grows as log N. Points are the mean over seeds (of images and of
weights), bands two standard errors of it; images of the measurement are the same for all. Left, of the networks that
images held out have stopped: what they store, its share of pixels together, that of pixels one by one, and what it is
worth to them, with straight lines by the run. Middle, S_NN of these and of the networks at the end of their training,
which have learnt their images by heart and follow no line, on images new to them and on their own. Right, I(X;Y) beside
ln 10.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator

from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, PURPLE, save, use_style
from runs import scaling
from runs._record import execute


_SHARES = (
    ("neural_entropy", r"$S_\mathrm{NN}$", BLUE),
    ("total_correlation", "of pixels together", ORANGE),
    ("remainder", "of pixels one by one", GREEN),
    ("held_out", r"bound on $S_\mathrm{tot}$ by its loss", GREY),
)
_LEARNT = (
    ("stopped", "neural_entropy", "stopped, new images", BLUE),
    ("stopped", "neural_entropy_of_training", "stopped, its own images", GREEN),
    ("last", "neural_entropy", "last step, new images", PURPLE),
    ("last", "neural_entropy_of_training", "last step, its own images", ORANGE),
)


def draw(axis, metrics, arrays, stage: str, name: str, label: str, colour: str) -> None:
    """One quantity with its band, and the line that was fitted to it where training was stopped in time."""
    values = arrays["values"][:, scaling.STAGES.index(stage), scaling.QUANTITIES.index(name)]
    counts = np.unique(arrays["counts"])
    groups = [values[arrays["counts"] == count] for count in counts]
    mean = np.array([group.mean() for group in groups])
    error = np.array([group.std(ddof=1) / np.sqrt(len(group)) if len(group) > 1 else 0.0 for group in groups])
    axis.fill_between(counts, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.25, lw=0)
    if stage == "last":
        axis.plot(counts, mean, "o:", ms=4, lw=0.9, color=colour, label=label)
        return
    fit = metrics[stage][name]["slope"]
    axis.plot(counts, mean, "o", ms=4, color=colour, label=f"{label}: {fit['value']:.2f} ± {fit['stderr']:.2f}")
    logs = np.log(arrays["counts"])
    axis.plot(counts, values.mean() + fit["value"] * (np.log(counts) - logs.mean()), color=colour, lw=0.9)


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(scaling.run, scaling.PRESETS[chosen]).load()
    figure, (shares, learnt, information) = plt.subplots(1, 3, figsize=(10.2, 3.6), layout="constrained")
    for name, label, colour in _SHARES:
        draw(shares, metrics, arrays, "stopped", name, label, colour)
    for curve in _LEARNT:
        draw(learnt, metrics, arrays, *curve)
    for stage, colour in zip(scaling.STAGES, (BLUE, ORANGE)):
        draw(information, metrics, arrays, stage, "information", stage, colour)
    information.axhline(np.log(10), color=GREY, lw=1)
    information.annotate("ln 10", (arrays["counts"].min(), np.log(10)), (0, 3), textcoords="offset points", color=GREY)
    learnt.set_yscale("log")
    counts = np.unique(arrays["counts"])
    for axis, title in ((shares, "nats"), (learnt, r"$S_\mathrm{NN}$  [nats]"), (information, "$I(X;Y)$  [nats]")):
        axis.set_xscale("log")
        axis.set_xticks(counts, [str(count) for count in counts], fontsize=8)
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xlabel("training images $N$")
        axis.set_ylabel(title)
        axis.legend(title=r"slope in $\log N$", title_fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    save(figure, "figure_scaling", chosen)


if __name__ == "__main__":
    main(preset())
