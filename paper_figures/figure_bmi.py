"""Mutual information of the forty tasks of Beyond Normal, and what others make of them. `just figure bmi`

Left: estimate less exact value by task, with the 95 % interval; open where it does not cover. Small marks are of
estimators that pip installs, on the same samples; the axis is linear within a tenth of a nat, logarithmic beyond.
Right: the mean of the absolute errors, with the range over all seeds that were run, beside what others print for the
same tasks and numbers of samples, and what is left where the exact log p(x, y)/p(x)p(y) of the samples is averaged. A
line that leaves the frame at its top is of an estimator that fails there.
"""

import dataclasses
import re

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator

import entropax as ex
from paper_figures._style import BLUE, GREEN, GREY, ORANGE, preset, PURPLE, save, use_style
from runs import bmi, bmi_peers, bmi_rows
from runs._bmi_published import PUBLISHED, SIZES, SOURCE
from runs._record import find


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is made where it is missing; of seeds beyond, all that there are."""

    sizes: tuple[int, ...] = SIZES
    seeds: int = 1
    only: str = ""


_WANTED = {
    "smoke": Wanted(sizes=(300,), only="^1v1-(normal|additive)-0.75$"),
    "default": Wanted(),
    "paper": Wanted(seeds=3),
}

_YELLOW = "#E69F00"
# Their names, colours and markers.
_PEERS = {
    "infomeasure": ("KSG, infomeasure", ORANGE, "^"),
    "hoi": ("KSG, hoi", _YELLOW, "v"),
    "scikit_learn": ("KSG, scikit-learn (of two numbers)", GREY, "d"),
    "second_moments": ("second moments (CCA)", PURPLE, "x"),
    "copula": ("Gaussian copula", GREEN, "+"),
}
_OURS = "Entropax"
_PRINTED = {"ls": (0, (4, 1.5)), "lw": 1.0, "color": GREY, "alpha": 0.8}

# Families, by what the names of their tasks begin with, in the order they are shown.
_FAMILIES = {
    "two numbers": "1v1|(normal_cdf|wiggly|half_cube)-1v1|swissroll",
    "Gaussian, dense": "multinormal-dense",
    "Gaussian, two pairs": "multinormal-sparse",
    "… with uniform margins": "normal_cdf-multinormal",
    "… with long tails (half-cube)": "half_cube-multinormal",
    "… turned into spirals": "spiral-multinormal",
    "… uniform, into spirals": "spiral-normal_cdf",
    "Student t, ν degrees of freedom": "student",
    "… its arsinh": "asinh",
}
_NUMBERS = {
    "1v1-normal": "Gaussian",
    "normal_cdf": "uniform margins",
    "1v1-additive-0.1": "uniform plus noise, 0.1",
    "1v1-additive-0.75": "uniform plus noise, 0.75",
    "1v1-bimodal": "two bumps",
    "wiggly": "wiggly",
    "half_cube": "half-cube",
    "swissroll": "Swiss roll in the plane",
}
_FLOOR = "mean of exact log-ratios"
# Mean absolute errors that are shown.
_LIMITS = (0.004, 1.5)
# Inches from one line of text to the next.
_LINE = 0.16


def rows_of(program, name: str, config: bmi.Config, only: str) -> list[dict]:
    """The rows of a run, or those that are kept of it, which is made first where there are neither."""
    if (record := find(name, config)) is not None:
        return [record.read_json(f"{task.name}.json") for task in ex.data.bmi.tasks()]
    if (rows := _kept(name).get((config.samples, config.seed))) is not None:
        return rows
    return program.run(bmi.Options(config.samples, config.seed, only))


def _kept(name: str) -> dict[tuple[int, int], list[dict]]:
    part = {"bmi": "rows", "bmi_peers": "peers"}[name]
    return {key: cell[part] for key, cell in bmi_rows.kept().items() if part in cell}


def rows_by_seed(program, name: str, samples: int, wanted: Wanted) -> list[list[dict]]:
    """Of all seeds that are wanted or there."""
    configs = [bmi.Config(samples, seed) for seed in range(bmi_rows.MOST_SEEDS)]
    there = lambda config: find(name, config) is not None or (samples, config.seed) in _kept(name)
    chosen = [config for config in configs if config.seed < wanted.seeds or there(config)]
    return [rows_of(program, name, config, wanted.only) for config in chosen]


def label_of(task: ex.data.bmi.Task) -> str:
    """Of a task within its family."""
    for start, words in _NUMBERS.items():
        if task.law.dim_x == 1 and task.name.startswith(start):
            return words
    dims = f"{task.law.dim_x} × {task.law.dim_y}"
    return f"{dims}, ν = {task.law.dof}" if isinstance(task.law, ex.data.bmi.StudentPair) else dims


def places_of(names: set[str]) -> tuple[dict[str, float], list[tuple[float, str, bool]]]:
    """Where each task stands, and all lines of text beside the axis: place, text, whether it is a family's."""
    places, lines, place = {}, [], 0.0
    for family, start in _FAMILIES.items():
        tasks = [task for task in ex.data.bmi.tasks() if task.name in names and re.match(start, task.name)]
        if tasks:
            lines.append((place, family, True))
            for task in tasks:
                place += 1
                places[task.name] = place
                lines.append((place, label_of(task), False))
            place += 1.4
    return places, lines


def draw_errors(axis, ours: list[dict], peers: list[dict]) -> None:
    """The left panel."""
    places, lines = places_of({row["task"] for row in ours})
    axis.plot([], [], "o-", ms=4.5, lw=2.2, color=BLUE, label=f"{_OURS}, 95 % interval")
    axis.plot([], [], **_PRINTED, label=f"as printed in {SOURCE}")
    for name, (label, colour, marker) in _PEERS.items():
        there = [row for row in peers if name in row["peers"] and row["task"] in places]
        errors = [row["peers"][name]["value"] - row["exact"] for row in there]
        if errors:
            style = {"color": colour, "marker": marker, "s": 16, "lw": 0.9, "alpha": 0.75, "zorder": 3}
            axis.scatter(errors, [places[row["task"]] for row in there], label=label, **style)
    for row in ours:
        low, high = (end - row["exact"] for end in row["interval"])
        place, error = places[row["task"]], row["value"] - row["exact"]
        axis.plot((low, high), (place, place), color=BLUE, lw=2.2, alpha=0.45, solid_capstyle="butt", zorder=4)
        face = BLUE if low <= 0 <= high else "white"
        axis.plot(error, place, "o", ms=4.5, color=BLUE, mfc=face, mew=1.2, zorder=5)
    axis.axvline(0, color="black", lw=0.8, zorder=2)
    axis.set_xscale("symlog", linthresh=0.1, linscale=1.4)
    axis.set_xlim(-1.6, 1.0)
    ticks = (-1, -0.3, -0.1, -0.05, 0, 0.05, 0.1, 0.3, 1)
    axis.set_xticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks], fontsize=8)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_yticks([place for place, _, _ in lines], [text for _, text, _ in lines])
    for (_, _, is_family), text, mark in zip(lines, axis.get_yticklabels(), axis.yaxis.get_major_ticks()):
        text.set_fontsize(8)
        mark.tick1line.set_visible(False)
        if is_family:
            text.set_fontweight("bold")
            mark.gridline.set_visible(False)
    axis.set_ylim(lines[-1][0] + 0.8, -0.8)


def thousands(count: int) -> str:
    """A whole number as it is read."""
    return f"{count:,}".replace(",", " ")


def means(rows_by_seed: list[list[dict]], error_of) -> np.ndarray:
    """The mean absolute error of each seed."""
    return np.array([np.mean([abs(error_of(row)) for row in rows]) for rows in rows_by_seed])


def spread_out(values, gap: float) -> np.ndarray:
    """Places near the values, in their order, no two closer than the gap."""
    order = np.argsort(values)
    places = np.array(values, float)[order]
    for _ in range(500):
        short = np.maximum(gap - np.diff(places), 0) / 2
        places[:-1] -= short
        places[1:] += short
    placed = np.empty(len(places))
    placed[order] = places
    return placed


def draw_means(axis, wanted: Wanted, ours: dict[int, list], peers: dict[int, list]) -> None:
    """The right panel: each line with its name at its end."""
    ends = []
    for row in PUBLISHED:
        axis.plot(SIZES, row.errors, **_PRINTED)
        ends.append((row.errors[-1], row.name, {"color": GREY, "fontstyle": "italic"}))
    for name, (label, colour, marker) in _PEERS.items():
        # Those of all tasks alone: a mean over some is of other problems.
        if all(name in row["peers"] for seeds in peers.values() for rows in seeds for row in rows):
            curve = [
                means(seeds, lambda row: row["peers"][name]["value"] - row["exact"]).mean() for seeds in peers.values()
            ]
            axis.plot(wanted.sizes, curve, color=colour, marker=marker, ms=4.5, lw=1.0)
            ends.append((curve[-1], label, {"color": colour}))
    floors = [means(seeds, lambda row: row["exact_on_samples"] - row["exact"]).mean() for seeds in ours.values()]
    axis.plot(wanted.sizes, floors, color="black", ls=":", lw=1.0)
    ends.append((floors[-1], _FLOOR, {"color": "black"}))
    every = [means(seeds, lambda row: row["value"] - row["exact"]) for seeds in ours.values()]
    centre = [errors.mean() for errors in every]
    lows, highs = [errors.min() for errors in every], [errors.max() for errors in every]
    axis.fill_between(wanted.sizes, lows, highs, color=BLUE, alpha=0.2, lw=0)
    axis.plot(wanted.sizes, centre, "o-", ms=5, lw=2.2, color=BLUE)
    ends.append((centre[-1], _OURS, {"color": BLUE, "fontweight": "bold"}))
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(_LIMITS)
    last = max(*SIZES, *wanted.sizes)
    shown = [end for end in ends if _LIMITS[0] < end[0] < _LIMITS[1]]
    gap = _LINE / axis.figure.get_figheight() * np.log10(_LIMITS[1] / _LIMITS[0])
    places = 10 ** spread_out(np.log10([value for value, _, _ in shown]), gap)
    for (value, label, style), place in zip(shown, places):
        line = {"color": style["color"], "lw": 0.5, "alpha": 0.6}
        arrow = {"arrowstyle": "-", "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 3, **line}
        axis.annotate(
            label,
            (last, value),
            (1.06, place),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            arrowprops=arrow,
            annotation_clip=False,
            **style,
        )
    sizes = sorted({*SIZES, *wanted.sizes})
    axis.set_xticks(sizes, map(thousands, sizes), fontsize=8)
    axis.xaxis.set_minor_locator(NullLocator())
    ticks = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1)
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.yaxis.set_minor_locator(NullLocator())


def main(chosen: str) -> None:
    use_style()
    wanted = _WANTED[chosen]
    ours = {size: rows_by_seed(bmi, "bmi", size, wanted) for size in wanted.sizes}
    peers = {size: rows_by_seed(bmi_peers, "bmi_peers", size, wanted) for size in wanted.sizes}
    largest, tasks = wanted.sizes[-1], len(ours[wanted.sizes[-1]][0])
    figure, (errors, averages) = plt.subplots(
        1, 2, figsize=(10, max(5.0, 2.6 + _LINE * tasks)), layout="constrained", width_ratios=(1.75, 1)
    )
    draw_errors(errors, ours[largest][0], peers[largest][0])
    errors.set_xlabel("estimate − exact $I(X;Y)$  [nats]")
    errors.set_title(f"{thousands(largest)} samples", loc="left", fontsize=9)
    draw_means(averages, wanted, ours, peers)
    averages.set_xlabel("samples")
    averages.set_title(f"mean absolute error over {tasks} tasks  [nats]", loc="left", fontsize=9)
    figure.legend(*errors.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save(figure, "figure_bmi", chosen)


if __name__ == "__main__":
    main(preset())
