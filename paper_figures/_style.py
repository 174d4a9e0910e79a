"""How figures look, and how their runs are asked for."""

import argparse
import pathlib
from collections.abc import Iterable, Mapping

import matplotlib
import matplotlib.pyplot as plt


# Okabe and Ito's colours, which colour-blind readers tell apart.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"

FIGURES = pathlib.Path("results/figures")


def use_style() -> None:
    """Serif type as in the paper, thin frames, no frame where there is no axis."""
    matplotlib.use("agg")
    plt.rcParams.update(
        {
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "font.family": "serif",
            "font.size": 9,
            "grid.alpha": 0.25,
            "grid.linewidth": 0.5,
            "legend.fontsize": 8,
            "legend.frameon": False,
            "mathtext.fontset": "cm",
            "savefig.bbox": "tight",
            "savefig.dpi": 160,
        }
    )


def preset(names: Iterable[str] = ("smoke", "default", "paper")) -> str:
    """`--preset NAME` of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", choices=tuple(names), default="default")
    return parser.parse_args().preset


def stem(name: str, chosen: str) -> str:
    """The name of a figure's files; other presets than the default have names of their own."""
    return name if chosen == "default" else f"{name}_{chosen}"


def save(figure, name: str, chosen: str) -> None:
    """Writes `results/figures/<stem>.png` and `.pdf`, and lets go of the figure."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    file = FIGURES / stem(name, chosen)
    for suffix in ("png", "pdf"):
        figure.savefig(f"{file}.{suffix}")
    plt.close(figure)
    print(f"Drawn: {file}.png")


def number(estimate: Mapping[str, float]) -> str:
    """An estimate as a label."""
    return f"{estimate['value']:.2f} ± {estimate['stderr']:.2f}"
