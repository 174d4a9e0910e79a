"""What a figure measures, beside what the papers say and what is known.

A figure module that has such numbers has a function `numbers(preset)` that returns them; `just paper` puts them on its
page.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Number:
    """One of them.

    **Arguments:**

    - `quantity`: in words.
    - `value`, `stderr`: as measured.
    - `exact`: what is known to be true: a number, or a bound in words.
    - `paper`: what a paper has.
    - `unit`: of all of them.
    """

    quantity: str
    value: float
    stderr: float | None = None
    exact: float | str | None = None
    paper: float | str | None = None
    unit: str = "nats"


def measured(
    quantity: str, estimate: Mapping[str, float], exact: float | str | None = None, paper: float | str | None = None
) -> Number:
    """A number of an estimate as runs leave it."""
    return Number(quantity, estimate["value"], estimate["stderr"], exact, paper)
