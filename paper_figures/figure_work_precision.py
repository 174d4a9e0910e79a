"""Error against evaluations, and against seconds, by solver and by grid. `just figure work-precision`

Not in the paper. Left and middle: the strong error of each solver on the entropic grid, which is from where its flow
would have ended; dashed, the best of them on the other grids. Right: how far samples are from real ones, above what two
sets of real samples are from each other (the grey line); that is where a lower strong error buys nothing more. Lines
that leave the frame at its top are of solvers that fail: Heun with so few steps.
"""

import matplotlib.pyplot as plt
from matplotlib.ticker import NullLocator

from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, PURPLE, save, use_style
from runs import work_precision
from runs._record import execute


# Their names and markers; a colour for each.
_SOLVERS = {
    "euler": ("DDIM (Euler)", GREY, "o"),
    "heun": ("EDM (Heun)", PURPLE, "s"),
    "ab3": ("DEIS (Adams–Bashforth 3)", "#E69F00", "D"),
    "dpm2": ("DPM-Solver++(2M)", GREEN, "^"),
    "unipc3": ("UniPC-3", BLUE, "v"),
    "sde_dpm2": ("SDE-DPM-Solver++(2M)", ORANGE, "P"),
}
_GRIDS = {"karras": "Karras", "log_snr": "equal steps of λ", "cosine": "cosine", "time": "equal steps of time"}
_DASHES = {"karras": (0, (4, 1)), "log_snr": (0, (2, 1)), "cosine": (0, (1, 1)), "time": (0, (1, 3))}
# What is measured, in words, and between which values it is shown.
_DISTANCES = {
    "mixture": ("kl", "KL from the exact density  [nats]", (0.01, 5.0)),
    "digits": ("sliced_wasserstein", "sliced Wasserstein distance", (0.04, 0.2)),
}
_TITLES = {"mixture": "mixture in the plane, exact score", "digits": "digits, trained network"}
# Where samples are as far from where they belong as data are from each other, a solver has failed.
_WORST = 3.0


def curve(rows, solver, grid, across, error):
    """Points of one solver on one grid, in order."""
    chosen = [row for row in rows if (row["setting"]["solver"], row["setting"]["grid"]) == (solver, grid)]
    points = [(row[across], row["measured"].get(error)) for row in chosen]
    return [list(values) for values in zip(*sorted((x, found[0]) for x, found in points if found is not None))]


def main(chosen: str) -> None:
    use_style()
    found = execute(work_precision.run, work_precision.PRESETS[chosen]).load()[0]
    figure, axes = plt.subplots(
        len(found), 3, figsize=(10, 0.9 + 2.7 * len(found)), layout="constrained", squeeze=False
    )
    for (problem, measured), (by_evaluations, by_seconds, real) in zip(found.items(), axes):
        rows = [row | {"milliseconds": 1e3 * row["seconds"]} for row in measured["rows"]]
        distance, words, limits = _DISTANCES[problem]
        for solver, (label, colour, marker) in _SOLVERS.items():
            style = {"color": colour, "marker": marker, "ms": 3.5, "lw": 1.2, "label": label}
            for axis, across, what in (
                (by_evaluations, "evaluations", "strong_error"),
                (by_seconds, "milliseconds", "strong_error"),
                (real, "evaluations", distance),
            ):
                line = curve(rows, solver, "entropic", across, what)
                if line:
                    axis.loglog(*line, **style)
        for grid, dashes in _DASHES.items():
            label = f"{_SOLVERS[work_precision.SOLVER][0]}, {_GRIDS[grid]}"
            line = curve(rows, work_precision.SOLVER, grid, "evaluations", "strong_error")
            by_evaluations.loglog(*line, color=BLUE, ls=dashes, lw=1, alpha=0.8, label=label)
        level = measured["floor"][distance][0]
        real.axhline(level, color=GREY, lw=1)
        # Clipped: where the level is beyond the frame its name would stretch the figure.
        place = (0, level), (2, -9), ("axes fraction", "data"), "offset points"
        real.annotate("real samples", *place, color=GREY, clip_on=True)
        real.set_ylim(limits)
        real.set_ylabel(words)
        for axis in (by_evaluations, by_seconds):
            axis.set_ylim(top=_WORST)
            axis.set_ylabel("strong error (RMS)")
        by_evaluations.set_title(_TITLES[problem], loc="left", fontsize=9)
        for axis in (by_evaluations, real):
            axis.set_xlabel("evaluations of the denoiser for a sample")
        by_seconds.set_xlabel(f"milliseconds for {measured['samples']} samples, on this machine")
        for axis in (by_evaluations, by_seconds, real):
            low, high = axis.get_xlim()
            ticks = [n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500) if low < n < high]
            axis.set_xticks(ticks, [str(n) for n in ticks])
            axis.xaxis.set_minor_locator(NullLocator())
    handles, labels = axes[0][0].get_legend_handles_labels()
    noisy = axes[0][2].get_legend_handles_labels()
    handles, labels = handles + noisy[0][-1:], labels + noisy[1][-1:]
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    save(figure, "figure_work_precision", chosen)


if __name__ == "__main__":
    main(preset())
