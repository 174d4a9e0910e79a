import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..integral import Estimate
from ..train import History
from ._measurement import Measurement


# Okabe and Ito's, told apart by every eye.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#666666"

_RATES = {"neural_entropy": ("S(X)", _BLUE), "conditional_entropy": ("S(X|Y)", _ORANGE)}


def picture(measurement: Measurement, suffix: str) -> bytes:
    """The rates of neural entropy along λ and the losses of the training, side by side.

    **Arguments:**

    - `measurement`: what to draw.
    - `suffix`: `png`, `pdf` or `svg`.
    """
    # Not by pyplot, which would choose a backend for the whole process.
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    rates, losses = figure.subplots(1, 2)
    _draw_rates(rates, measurement.quantities)
    _draw_losses(losses, measurement.history)
    for axes in (rates, losses):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    content = io.BytesIO()
    figure.savefig(content, format=suffix, dpi=160)
    return content.getvalue()


def _draw_rates(axes: Axes, quantities: dict[str, Estimate]) -> None:
    for name, (label, colour) in _RATES.items():
        profile = quantities[name].profile if name in quantities else None
        if profile is None:
            continue
        log_snr, rate, stderr = map(np.asarray, (profile.log_snr, profile.rate, profile.stderr))
        axes.plot(log_snr, rate, color=colour, label=label)
        axes.fill_between(log_snr, rate - 2 * stderr, rate + 2 * stderr, color=colour, alpha=0.25, linewidth=0)
    axes.axhline(0, color=_GREY, linewidth=0.8, zorder=0)
    axes.set(title="Entropy rate (± 2 standard errors)", xlabel="log-SNR λ", ylabel="rate / nats per unit λ")


def _draw_losses(axes: Axes, history: History) -> None:
    axes.plot(history.step, history.loss, color=_BLUE, label="training")
    axes.plot(history.step, history.held_out, color=_ORANGE, linestyle="--", label="held out (averaged weights)")
    axes.set(title="Training", xlabel="step", ylabel="loss / nats")
