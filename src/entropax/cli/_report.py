import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ..dependence import Dependence
from ..integral import Estimate
from ._dependence import Dependences, entry
from ._doctor import versions
from ._measurement import Measurement
from ._samples import Transform
from ._terminal import encodable


_TITLES = {
    "neural_entropy": "neural entropy S(X)",
    "conditional_entropy": "neural entropy S(X|Y)",
    "total_correlation": "total correlation TC(X)",
    "by_the_model": "  by the model",
    "mutual_information": "mutual information I(X;Y)",
    "conditional_mutual_information": "conditional mutual information I(X;Y|C)",
    "cross_fitted": "  cross-fitted",
    "second_moments": "  second moments",
    "linear": "  linear classifier",
    "orthogonal": "  orthogonal",
    "entropy_difference": "  entropy difference",
    "loss_gap": "  loss gap",
    "posterior": "  posterior",
}

_NOTES = {
    "neural_entropy": "relative to N(0, I)",
    "conditional_entropy": "relative to N(0, I)",
    "total_correlation": "marginals: mixtures",
    "second_moments": "Gaussian copula",
    "linear": "logistic regression",
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


def print_report(
    console: Console,
    measurement: Measurement,
    dependences: Dependences,
    transform: Transform,
    bits: bool,
    messages: Sequence[str],
) -> None:
    """Prints the estimates, what they took, and what the guard rails say.

    **Arguments:**

    - `console`: where to.
    - `measurement`, `dependences`: what was measured, in nats.
    - `transform`: of the samples.
    - `bits`: whether to convert.
    - `messages`: the warnings.
    """
    table = Table(caption=_CAPTIONS[transform], caption_justify="left")
    # On a narrow terminal the longest name breaks, and leaves room for notes.
    table.add_column("quantity", min_width=len(_TITLES["mutual_information"]))
    for column in ("estimate", "unit"):
        table.add_column(column, no_wrap=True)
    table.add_column("note")
    found, default = dependences.found, _default(measurement, dependences)

    def add_row(*cells, style=None):
        table.add_row(*(encodable(cell, console.encoding) for cell in cells), style=style)

    def add(name, estimate, note, style=None):
        estimate = estimate.bits if bits else estimate
        add_row(_TITLES[name], str(estimate).removesuffix(estimate.unit).strip(), estimate.unit, note, style=style)

    def add_method(name, estimate, note):
        chosen = name == default
        add(name, estimate, f"{note}{' (default)' if chosen else ''}", "bold" if chosen else None)

    def add_sides(one):
        if one.sides is not None:
            by_y, by_x = (side / (math.log(2) if bits else 1) for side in one.sides)
            note = f"x from y, y from x: {abs(by_y - by_x):.3f} apart"
            add_row("  by either side", f"{by_y:.3f}, {by_x:.3f}", "bits" if bits else "nats", note)

    for name, estimate in measurement.quantities.items():
        if name == "total_correlation" and name in found:
            add(name, found[name].estimate, "cross-fitted")
            add("by_the_model", estimate, _NOTES[name])
        else:
            add(name, estimate, _NOTES[name])
    if measurement.mutual_information or "mutual_information" in dependences.found:
        table.add_section()
        add_row(_TITLES["mutual_information"], "", "", _bound(measurement, bits))
    if "mutual_information" in found:
        one = found["mutual_information"]
        add_method("cross_fitted", one.estimate, _interval(one, bits))
        add_sides(one)
        second_moments = "second_moments" if measurement.label_entropy is None else "linear"
        add(second_moments, one.gaussian, _NOTES[second_moments])
    for name, estimate in measurement.mutual_information.items():
        add_method(name, estimate, _NOTES[name])
    if "conditional_mutual_information" in found:
        table.add_section()
        one = found["conditional_mutual_information"]
        add("conditional_mutual_information", one.estimate, _interval(one, bits))
        add_sides(one)
    console.print(table)

    budget = Table("budget", "samples", "steps", "network evaluations", "seconds")
    for name, spent in (dependences.budget | measurement.budget).items():
        numbers = [f"{spent[key]:,}" if key in spent else "" for key in ("samples", "steps", "network_evaluations")]
        budget.add_row(name.replace("_", "-"), *numbers, f"{spent['seconds']:.1f}")
    console.print(budget)
    for message in messages:
        console.print(encodable(f"Warning: {message}", console.encoding), style="yellow")


def as_json(
    measurement: Measurement,
    dependences: Dependences,
    settings: Mapping[str, Any],
    bits: bool,
    messages: Sequence[str],
) -> bytes:
    """The results, for `--json`.

    **Arguments:**

    - `measurement`, `dependences`, `bits`, `messages`: as [`print_report`][].
    - `settings`: what a repetition must agree on beside the budget.
    """
    content: dict[str, Any] = {name: _entry(estimate, bits) for name, estimate in measurement.quantities.items()}
    if measurement.mutual_information or "mutual_information" in dependences.found:
        cross_fitted = dependences.found.get("mutual_information")
        by_method = {} if cross_fitted is None else {"cross_fitted": cross_fitted.estimate}
        by_method |= measurement.mutual_information
        entries = {name: _entry(estimate, bits) for name, estimate in by_method.items()}
        content["mutual_information"] = entries | {"default": _default(measurement, dependences)}
    if dependences.found:
        content["dependence"] = {name: entry(one, bits) for name, one in dependences.found.items()}
    content |= {
        "budget": dependences.budget | measurement.budget,
        "warnings": list(messages),
        "settings": dict(settings),
        "versions": versions(),
    }
    return json.dumps(content, indent=2, allow_nan=False).encode()


def _entry(estimate: Estimate, bits: bool) -> dict[str, Any]:
    estimate = estimate.bits if bits else estimate
    return {"value": float(estimate.value), "stderr": float(estimate.stderr), "unit": estimate.unit}


def _bound(measurement: Measurement, bits: bool) -> str:
    if measurement.label_entropy is None:
        return ""
    return f"at most H(Y) = {measurement.label_entropy / (math.log(2) if bits else 1):.3f}"


def _default(measurement: Measurement, dependences: Dependences) -> str:
    """The method whose mutual information to go by; of the model's, for labels, the one that never passes their
    entropy."""
    if "mutual_information" in dependences.found:
        return "cross_fitted"
    return "posterior" if "posterior" in measurement.mutual_information else "loss_gap"


def _interval(one: Dependence, bits: bool) -> str:
    low, high = (end / (math.log(2) if bits else 1) for end in one.interval())
    digits = max(2, 1 - math.floor(math.log10(max(one.stderr, 1e-6))))
    tested = "" if one.p_value is None else f"; independence: p = {one.p_value:.2g}"
    return f"95 % interval {low:.{digits}f} to {high:.{digits}f}{tested}"
