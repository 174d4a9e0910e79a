"""The schedule that entropy asks for, before and after its fit. `just figure schedule`.

β(s); the rate at which entropy is produced, and dotted the constant one, with the spread of one evaluation of S_NN at a
uniform time; the error of samplers with equal steps of s on the process's own clock, by network calls, in nats and as a
Wasserstein distance.
"""

import matplotlib.pyplot as plt

from paper_figures._numbers import Number
from paper_figures._style import BLUE, GREY, ORANGE, preset, save, use_style
from runs import schedule
from runs._record import execute


_SCHEDULES = {"linear": ("linear, the papers'", GREY), "fitted": ("fitted", BLUE)}


def main(chosen: str) -> None:
    use_style()
    metrics, arrays = execute(schedule.run, schedule.PRESETS[chosen]).load()
    figure, axes = plt.subplots(2, 2, figsize=(7.8, 5.4), layout="constrained")
    beta, rate, *errors = axes.flat
    s = arrays["s"]
    for name, (label, colour) in _SCHEDULES.items():
        found = metrics[name]
        beta.plot(s, arrays[f"beta, {name}"], color=colour, label=label)
        rate.plot(s, arrays[f"rate, {name}"], color=colour, label=rf"{found['over_the_least']:.2f} $S^2/T$")
        for axis, measure in zip(errors, ("KL", "W2")):
            for solver, line in (("Euler", "-"), ("Heun", "--")):
                values = arrays[f"{measure}, {solver}, {name}"]
                axis.plot(arrays["sampler_steps"], values, "o" + line, ms=3, color=colour, label=f"{solver}, {name}")
    rate.axhline(metrics["linear"]["entropy"], color=ORANGE, lw=0.9, ls=":")
    spreads = " to ".join(f"{metrics[name]['spread_of_one_evaluation']:.2f}" for name in _SCHEDULES)
    beta.set_ylabel(r"$\beta(s)$")
    beta.set_yscale("log")
    rate.set_ylabel(r"$\mathrm{d}S/\mathrm{d}s$  [nats / $T$]")
    rate.set_title(f"spread of an evaluation: {spreads} $S$", fontsize=8)
    rate.legend(title=r"$\int(\mathrm{d}S/\mathrm{d}s)^2\mathrm{d}s$", title_fontsize=8)
    for axis, label in zip(errors, ("KL(data ‖ samples)  [nats]", r"$W_2^2 / \mathrm{tr}\,\Sigma_X$")):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlabel("evaluations")
        axis.set_ylabel(label)
    for axis in (beta, rate):
        axis.set_xlabel("$s/T$")
    beta.legend()
    errors[0].legend(fontsize=7)
    save(figure, "figure_schedule", chosen)


def numbers(chosen: str) -> list[Number]:
    """Before and after."""
    metrics, _ = execute(schedule.run, schedule.PRESETS[chosen]).load()
    return [
        Number(f"{words}, {label}", metrics[name][key], exact=exact, unit=unit)
        for name, (label, _) in _SCHEDULES.items()
        for key, words, exact, unit in (
            ("over_the_least", "∫(dS/ds)² ds", "≥ 1", "S²/T"),
            ("spread_of_one_evaluation", "spread of an evaluation", None, "S"),
        )
    ]


if __name__ == "__main__":
    main(preset(schedule.PRESETS))
