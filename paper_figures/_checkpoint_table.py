"""The table of an imported checkpoint, beside what is printed of others on CIFAR-10."""

import pathlib

import matplotlib.pyplot as plt
import numpy as np

from paper_figures._style import BLUE, GREY, save, use_style
from runs import itd_checkpoint
from runs._itd_published import PUBLISHED, SOURCE, SPACING
from runs._record import main


# What is measured, what it is called, and where print has the same.
_ROWS = (
    ("bound", "variational bound, discrete decoder", "bound"),
    ("network", "I-MMSE, as it is", None),
    ("hard", "I-MMSE, rounded to the nearest level", None),
    ("soft", "I-MMSE, softly rounded", "soft"),
    ("best", "I-MMSE, best of all at each noise level", "soft"),
    ("dequantised", "I-MMSE, dequantised", "dequantised"),
    ("best_dequantised", "I-MMSE, dequantised, best of all", "dequantised"),
    ("levels", "I-MMSE, density of the levels (no bound)", "density"),
)
_MEMBERS, _ENSEMBLE = ("best", "best_dequantised"), "Ensemble"


def printed(name: str, field: str | None, row) -> str:
    """A number of print as a code length, where it is of the same quantity."""
    # Print has one number for the least error of all models, the Gaussian and rounding, and the others by themselves.
    if field is None or (name in _MEMBERS) != (row.model == _ENSEMBLE) and name != "levels":
        return ""
    value = getattr(row, field)
    if field == "density":
        return f"{value - np.log2(SPACING):.2f}" + ("" if row.checked else "*")
    return "" if value is None else f"{value:.2f}"


def draw(args: list[str]) -> None:
    """Measures what the options of `runs.itd_checkpoint` ask for, unless that has been done, and draws."""
    use_style()
    record = main(itd_checkpoint.PRESETS, itd_checkpoint.run, args)
    metrics, config = record.load()[0], record.config
    cells, found = [], metrics["bits_per_dim"]
    for name, _, field in _ROWS:
        own = f"{found[name]['value']:.3f} ± {found[name]['stderr']:.3f}"
        cells.append([own, *(printed(name, field, row) for row in PUBLISHED)])
    figure, axis = plt.subplots(figsize=(9.4, 2.9), layout="constrained")
    axis.axis("off")
    columns = [pathlib.Path(config.model).stem, *(row.model for row in PUBLISHED)]
    labels = [label for _, label, _ in _ROWS]
    table = axis.table(cells, rowLabels=labels, colLabels=columns, loc="center", cellLoc="center", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1, 1.35)
    for (row, column), cell in table.get_celld().items():
        cell.set_linewidth(0.4)
        cell.set_text_props(color=BLUE if column == 0 else GREY if column > 0 else "black")
    low, high = metrics["log_snr_range"]
    axis.set_title(
        f"Bits per dimension: {metrics['test_images']} test images of {pathlib.Path(config.data).name}, network asked "
        rf"at $\lambda$ from {low:.1f} to {high:.1f}, schedule {metrics['schedule']}."
        f"\nGrey: printed of 10 000 images of CIFAR-10 ({SOURCE})."
        "\nDensities have the bin width added. * not compared with print.",
        fontsize=8,
        loc="left",
    )
    save(figure, f"figure_itd_table_{record.directory.name}", "default")
