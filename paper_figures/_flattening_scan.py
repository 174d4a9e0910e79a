"""The scan that Figs. 1 and 11 share: 50 + 8 dimensions, k = 10, σ_ε = 1, over λ_δ."""

import dataclasses

from runs import flattening
from runs._record import execute


FLAT_VARIANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def scan(chosen: str) -> list[tuple[float, dict]]:
    """λ_δ and the metrics of its run, for each; runs what is missing."""
    base = flattening.PRESETS[chosen]
    if chosen != "smoke":
        base = dataclasses.replace(base, dim_x=50, dim_y=8, rank=10)
    configs = [dataclasses.replace(base, flat_variance=value) for value in FLAT_VARIANCES]
    return [(config.flat_variance, execute(flattening.run, config).load()[0]) for config in configs]


def values(results, key: str):
    """The exact values, the estimates and their errors of one quantity over the scan."""
    return (
        [metrics["exact"][key] for _, metrics in results],
        [metrics["estimates"][key]["value"] for _, metrics in results],
        [2 * metrics["estimates"][key]["stderr"] for _, metrics in results],
    )
