"""Entropy rates and cumulative entropies along the forward process, exact and estimated: one column a problem."""

import numpy as np

from paper_figures._style import BLUE, GREEN, number, ORANGE
from runs._gaussian import in_time
from runs._record import Record


_CURVES = (
    # key of the estimate, key of the exact rate, colour, label
    ("conditional_entropy", "conditional_entropy", ORANGE, r"$S^{X|Y}$"),
    ("neural_entropy", "neural_entropy", BLUE, r"$S^{X}$"),
    ("orthogonal", "mutual_information", GREEN, r"$I(X;Y)$"),
)


def draw_column(axes, record: Record, title: str) -> None:
    """Draws the rates per decade of s into `axes[0]`, the entropy produced up to s into `axes[1]`."""
    metrics, arrays = record.load()
    rates, totals = axes
    for key, truth, colour, label in _CURVES:
        s, exact = in_time(arrays["exact_log_snr"], arrays[f"exact_{truth}_rate"])
        rates.plot(s, s * exact, color=colour, lw=1.2)
        totals.plot(s, _cumulative(s, exact), color=colour, lw=1.2, label=f"{label}: exact {metrics['exact'][key]:.2f}")

        s, rate = in_time(arrays["log_snr"], arrays[f"{key}_rate"])
        _, stderr = in_time(arrays["log_snr"], arrays[f"{key}_stderr"])
        rates.fill_between(s, s * (rate - 2 * stderr), s * (rate + 2 * stderr), color=colour, alpha=0.2, lw=0)
        rates.plot(s, s * rate, "o", color=colour, ms=2.2)
        estimate = number(metrics["estimates"][key])
        totals.plot(s, _cumulative(s, rate), "o", color=colour, ms=2.2, label=f"    model {estimate}")
    loss_gap = number(metrics["estimates"]["loss_gap"])
    totals.plot([], [], " ", label=rf"    $I$ by loss gap {loss_gap}")

    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlim(1e-6, 1)
    rates.set_title(title, fontsize=9)
    totals.set_xlabel("forward time $s$")
    totals.legend(loc="upper left", fontsize=6.5, handlelength=1.2, labelspacing=0.25)


def label_rows(axes) -> None:
    """Labels of the left column."""
    axes[0].set_ylabel(r"entropy rate  $s\,\mathrm{d}S/\mathrm{d}s$  [nats]")
    axes[1].set_ylabel(r"produced up to $s$  [nats]")


def _cumulative(s, rate):
    # On a logarithmic axis ∫ ds = ∫ s d(log s); before the first node the rate per unit of log s has died away.
    steps = 0.5 * np.diff(np.log(s)) * (s[1:] * rate[1:] + s[:-1] * rate[:-1])
    return np.concatenate([[0.0], np.cumsum(steps)])
