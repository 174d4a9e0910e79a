"""Digits: the entropy rate, and I(X;Y) by four methods as the network over-trains, beside ln 10. `just figure digits`

Not in the paper; it shows how an estimate of 4.1 nats for ten classes (its Fig. 14) comes about.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import BLUE, GREEN, GREY, number, ORANGE, preset, PURPLE, save, use_style
from runs import digits
from runs._record import execute


_METHODS = (
    ("posterior (default)", BLUE, "o-"),
    ("orthogonal (MINDE)", ORANGE, "s--"),
    ("entropy difference", PURPLE, "^--"),
    ("loss gap", GREEN, "v--"),
)


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(digits.run, digits.PRESETS[chosen]).load()
    figure, (rate, information, loss) = plt.subplots(1, 3, figsize=(10.2, 3.1), layout="constrained")

    log_snr, values, stderr = arrays["log_snr"], arrays["neural_entropy_rate"], arrays["neural_entropy_stderr"]
    rate.fill_between(log_snr, values - 2 * stderr, values + 2 * stderr, color=BLUE, alpha=0.25, lw=0)
    estimate = number(metrics["estimates"]["neural_entropy"])
    rate.plot(log_snr, values, color=BLUE)
    rate.set_title(rf"$S_\mathrm{{NN}}^X$ = {estimate} nats", fontsize=9)
    rate.set_xlabel(r"log-SNR $\lambda$")
    rate.set_ylabel(r"entropy rate  [nats per unit of $\lambda$]")

    trace = arrays["trace"]
    for index, (label, colour, style) in enumerate(_METHODS):
        value, error = trace[:, 1 + 2 * index], trace[:, 2 + 2 * index]
        information.errorbar(trace[:, 0], value, 2 * error, fmt=style, ms=3, lw=1, color=colour, label=label)
    information.axhline(np.log(10), color=GREY, lw=1)
    information.annotate("ln 10", (trace[0, 0], np.log(10)), (0, 3), textcoords="offset points", color=GREY)
    # Room above for the legend.
    information.set_ylim(0, 1.6 * trace[:, 1::2].max())
    information.set_xlabel("training steps")
    information.set_ylabel(r"$I(X;Y)$  [nats]")
    information.legend(loc="upper left")

    loss.plot(arrays["steps"], arrays["loss"], color=GREY, label="training")
    loss.plot(arrays["steps"], arrays["held_out"], color=BLUE, label="held out")
    loss.set_xlabel("training steps")
    loss.set_ylabel("denoising loss  [nats]")
    loss.legend()
    save(figure, "figure_digits", chosen)


if __name__ == "__main__":
    main(preset())
