"""Figure 14: what a diffusion model of images stores, and how little of it the label is. `just figure 14`

Entropy rates along the forward process, with the total correlation beside them; what is left of the entropies where the
integral stops at s; I(X;Y) by several methods where it stops at s, and what is legible of the label in an image with
that much noise, I(x_s;Y); and the same methods along the training. The bound H(Y) is drawn: the paper's 4.1 nats for
MNIST and 7.54 for CIFAR-10 are above ln 10 = 2.303. `--preset cpu` is MNIST's 5 000, `--preset paper` all of MNIST.
"""

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._numbers import measured, Number
from paper_figures._style import BLUE, GREEN, GREY, number, ORANGE, preset, PURPLE, save, use_style
from runs import images
from runs._gaussian import in_time
from runs._record import execute


_ENTROPIES = (
    ("conditional_entropy", ORANGE, r"$S^{X|Y}$", "-"),
    ("neural_entropy", BLUE, r"$S^{X}$", "--"),
    ("total_correlation", PURPLE, r"TC$(X)$", ":"),
)
_METHODS = (
    ("posterior", BLUE, "posterior (default)"),
    ("orthogonal", ORANGE, "orthogonal (MINDE)"),
    ("entropy_difference", PURPLE, "entropy difference"),
    ("loss_gap", GREEN, "loss gap"),
)


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(images.run, images.PRESETS[chosen]).load()
    figure, axes = plt.subplots(2, 2, figsize=(7.8, 5.8), layout="constrained")
    rates, left, information, training = axes.flat
    _entropies(rates, left, metrics["estimates"], arrays)
    _information(information, metrics, arrays)
    _along_training(training, metrics, arrays["trace"])
    for axis in (rates, left, information):
        axis.set_xscale("log")
        axis.set_xlabel("forward time $s$")
    save(figure, "figure_14", chosen)


def _entropies(rates, left, estimates, arrays) -> None:
    for name, colour, label, style in _ENTROPIES:
        s, rate, stderr = _profile(arrays, name)
        rates.fill_between(s, s * (rate - 2 * stderr), s * (rate + 2 * stderr), color=colour, alpha=0.25, lw=0)
        rates.plot(s, s * rate, style, color=colour, lw=1.3)
        _left(left, s, rate, stderr, style, color=colour, lw=1.3, label=f"{label} {number(estimates[name])}")
    rates.set_ylabel(r"rate  $s\,\mathrm{d}S/\mathrm{d}s$  [nats]")
    left.set_ylabel(r"from $s_\mathrm{min} = s$ on  [nats]")
    left.legend(fontsize=7)


def _information(axis, metrics, arrays) -> None:
    for name, colour, label in (("orthogonal", ORANGE, "orthogonal"), ("loss_gap", GREEN, "loss gap")):
        s, rate, stderr = _profile(arrays, name)
        _left(axis, s, rate, stderr, "-", color=colour, lw=1.2, label=f"$s_{{\\mathrm{{min}}}} = s$, {label}")
    _bound(axis, metrics, s[0], -9)
    # A time for each noise level, whatever the rate.
    levels = arrays["legible_log_snr"]
    s, _ = in_time(levels, np.ones_like(levels))
    value, error = arrays["legible"][-len(s) :][::-1].T
    axis.errorbar(s, value, 2 * error, fmt="o-", ms=3, lw=1, color=BLUE, label="$I(x_s;Y)$, posterior")
    half, _ = in_time(np.array([metrics["half_point_log_snr"]]), np.ones(1))
    if half.size:
        axis.axvline(half[0], color=BLUE, lw=0.8, ls=":")
        axis.annotate(
            "half", (half[0], 1), (3, -8), xycoords=axis.get_xaxis_transform(), textcoords="offset points",
            color=BLUE, fontsize=7,
        )  # fmt: skip
    axis.set_ylabel(r"$I$  [nats]")
    axis.legend(fontsize=7)


def _along_training(axis, metrics, trace) -> None:
    for index, (name, colour, label) in enumerate(_METHODS):
        value, error = trace[:, 1 + 2 * index], trace[:, 2 + 2 * index]
        axis.errorbar(
            trace[:, 0], value, 2 * error, fmt="o-", ms=3, lw=1, color=colour,
            label=f"{label} {number(metrics['estimates'][name])}",
        )  # fmt: skip
    _bound(axis, metrics, trace[0, 0])
    axis.set_ylim(0, 1.5 * max(trace[:, 1::2].max(), metrics["ln_10"]))
    axis.set_xlabel("training steps")
    axis.set_ylabel(r"$I(X;Y)$  [nats]")
    axis.legend(loc="upper left", fontsize=7)


def _bound(axis, metrics, at, points: float = 3) -> None:
    """H(Y), with its name so many points above the line."""
    axis.axhline(metrics["label_entropy"], color=GREY, lw=1)
    place = (at, metrics["label_entropy"])
    axis.annotate("$H(Y)$", place, (0, points), textcoords="offset points", color=GREY, fontsize=7)


def _profile(arrays, name: str):
    """Times, and the rate at each with its standard error."""
    s, rate = in_time(arrays["log_snr"], arrays[name])
    _, stderr = in_time(arrays["log_snr"], arrays[f"{name}_stderr"])
    return s, rate, stderr


def _left(axis, s, rate, stderr, style, *, color, **line) -> None:
    """The integral from each time to the last, with two standard errors, of cells that have noise of their own."""
    found = _from(s, rate)
    widths = np.gradient(np.log(s))
    error = np.sqrt(np.cumsum(((widths * s * stderr) ** 2)[::-1])[::-1])
    axis.fill_between(s, found - 2 * error, found + 2 * error, color=color, alpha=0.2, lw=0)
    axis.plot(s, found, style, color=color, **line)


def _from(s, rate):
    """The integral from each time to the last."""
    steps = 0.5 * np.diff(np.log(s)) * (s[1:] * rate[1:] + s[:-1] * rate[:-1])
    return np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]])


def numbers(chosen: str) -> list[Number]:
    """The paper's are of MNIST."""
    metrics, _ = execute(images.run, images.PRESETS[chosen]).load()
    found, bound = metrics["estimates"], f"≤ H(Y) = {metrics['label_entropy']:.3f}"
    mnist = images.PRESETS[chosen].data.startswith("mnist")
    return [
        measured("I(X;Y), posterior (default)", found["posterior"], bound),
        measured("I(X;Y), orthogonal (MINDE)", found["orthogonal"], bound, 4.1 if mnist else None),
        measured("S_NN of X", found["neural_entropy"], None, 2017.9 if mnist else None),
    ]


if __name__ == "__main__":
    main(preset(images.PRESETS))
