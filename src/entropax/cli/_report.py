import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ..integral import Estimate
from ._doctor import versions
from ._measurement import Measurement
from ._refusal import Refusal, refusing
from ._samples import Transform


_TITLES = {
    "neural_entropy": "neural entropy S(X)",
    "conditional_entropy": "neural entropy S(X|Y)",
    "total_correlation": "total correlation TC(X)",
    "orthogonal": "  orthogonal",
    "entropy_difference": "  entropy difference",
    "loss_gap": "  loss gap",
    "posterior": "  posterior",
}

_NOTES = {
    "neural_entropy": "relative to N(0, I)",
    "conditional_entropy": "relative to N(0, I)",
    "total_correlation": "marginals: mixtures",
    "orthogonal": "never negative",
    "entropy_difference": "S(X|Y) - S(X)",
    "loss_gap": "I-MMSE",
    "posterior": "lower bound",
}

_CAPTIONS = {
    "none": None,
    "standardise": "Entropies are those of the standardised data; TC and I do not depend on it.",
    "rank": "Entropies are those of the data made Gaussian by rank; TC and I do not depend on it.",
}


def print_report(measurement: Measurement, transform: Transform, bits: bool, messages: Sequence[str]) -> None:
    """Prints the estimates, what they took, and what the guard rails say.

    **Arguments:**

    - `measurement`: what was measured, in nats.
    - `transform`: of the samples.
    - `bits`: whether to convert.
    - `messages`: the warnings.
    """
    console = Console(highlight=False, markup=False)
    table = Table(caption=_CAPTIONS[transform], caption_justify="left")
    for column in ("quantity", "estimate", "unit"):
        table.add_column(column, no_wrap=True)
    table.add_column("note")

    def add(name, estimate, note, style=None):
        estimate = estimate.bits if bits else estimate
        table.add_row(
            _TITLES[name], str(estimate).removesuffix(estimate.unit).strip(), estimate.unit, note, style=style
        )

    for name, estimate in measurement.quantities.items():
        add(name, estimate, _NOTES[name])
    if measurement.mutual_information:
        table.add_section()
        table.add_row("mutual information I(X;Y)", "", "", _bound(measurement, bits))
    for name, estimate in measurement.mutual_information.items():
        chosen = name == measurement.default
        add(name, estimate, f"{_NOTES[name]}{' (default)' if chosen else ''}", "bold" if chosen else None)
    console.print(table)

    budget = Table("budget", "samples", "steps", "network evaluations", "seconds")
    for name, spent in measurement.budget.items():
        numbers = [f"{spent[key]:,}" if key in spent else "" for key in ("samples", "steps", "network_evaluations")]
        budget.add_row(name, *numbers, f"{spent['seconds']:.1f}")
    console.print(budget)
    for message in messages:
        console.print(f"Warning: {message}", style="yellow")


def as_json(measurement: Measurement, settings: Mapping[str, Any], bits: bool, messages: Sequence[str]) -> bytes:
    """The results, for `--json`.

    **Arguments:**

    - `measurement`, `bits`, `messages`: as [`print_report`][].
    - `settings`: what a repetition must agree on beside the budget.
    """
    content = {name: _entry(estimate, bits) for name, estimate in measurement.quantities.items()}
    if measurement.mutual_information:
        by_method = {name: _entry(estimate, bits) for name, estimate in measurement.mutual_information.items()}
        content["mutual_information"] = by_method | {"default": measurement.default}
    content |= {
        "budget": measurement.budget,
        "warnings": list(messages),
        "settings": dict(settings),
        "versions": versions(),
    }
    return json.dumps(content, indent=2, allow_nan=False).encode()


def check_output(file: pathlib.Path) -> None:
    """Refuses a file that could not be written, while nothing is lost by it."""
    if file.is_dir():
        raise Refusal(f"{str(file)!r} is a folder; name a file in it.")
    if not file.absolute().parent.is_dir():
        raise Refusal(f"there is no folder {str(file.absolute().parent)!r} to write {file.name!r} to.")


def write(file: pathlib.Path, content: bytes) -> None:
    """The whole file or, whenever the process dies, none of it (or the one before)."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    with refusing(OSError):
        try:
            with aside.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(aside, file)
        finally:
            aside.unlink(missing_ok=True)


def _entry(estimate: Estimate, bits: bool) -> dict[str, Any]:
    estimate = estimate.bits if bits else estimate
    return {"value": float(estimate.value), "stderr": float(estimate.stderr), "unit": estimate.unit}


def _bound(measurement: Measurement, bits: bool) -> str:
    if measurement.label_entropy is None:
        return ""
    return f"at most H(Y) = {measurement.label_entropy / (math.log(2) if bits else 1):.3f}"
