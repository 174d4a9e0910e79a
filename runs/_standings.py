"""Which settings are best, at what cost, and whether that is as good as real samples are."""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import rich.table

from runs._pieces import wide_console
from runs._settings import Setting
from runs._yardstick import Measured, NAMES


Rows = Sequence[Mapping[str, Any]]

# How much more than the least error is as good.
_MARGIN = 0.05


def error_of(row: Mapping[str, Any], by: str) -> float:
    """Infinite where there is none: of settings that failed, of what cannot be said of them."""
    found = row["measured"].get(by)
    return float("inf") if found is None else found[0]


def cheapest(rows: Rows, by: str, floor: float | None) -> Mapping[str, Any] | None:
    """The setting with the fewest evaluations of those within five per cent of the best, or no worse than real samples;
    of equals the better one."""
    known = [row for row in rows if error_of(row, by) < float("inf")]
    if not known:
        return None
    best = min(error_of(row, by) for row in known)
    enough = max(best + _MARGIN * abs(best), best if floor is None else floor)
    return min((row for row in known if error_of(row, by) <= enough), key=lambda row: _cost(row, by))


def best_by_budget(rows: Rows, by: str) -> dict[int, Mapping[str, Any]]:
    """For each number of evaluations that was asked for, the best setting; adaptive ones have no budget."""
    budgets = sorted({row["setting"]["evaluations"] for row in rows} - {None})
    found = {}
    for budget in budgets:
        within = [row for row in rows if row["setting"]["evaluations"] == budget and error_of(row, by) < float("inf")]
        if within:
            found[budget] = min(within, key=lambda row: error_of(row, by))
    return found


def of_one_seed(rows: Rows) -> Rows:
    """The rows of the seed that most have. Between seeds a distance moves by more than between good settings, so that
    the best of settings with several seeds would be the luckiest."""
    seed, _ = collections.Counter(row["setting"]["seed"] for row in rows).most_common(1)[0]
    return [row for row in rows if row["setting"]["seed"] == seed]


def summary(rows: Rows, floors: Mapping[str, Measured], by: str) -> dict[str, Any]:
    """By problem: the floors, the best setting of each budget, and the cheapest that is good enough."""
    metrics = {}
    for problem, of_problem in _by_problem(rows).items():
        floor, alike = _value(floors[problem].get(by)), of_one_seed(of_problem)
        chosen = cheapest(alike, by, floor)
        metrics[problem] = {
            "settings": len(of_problem),
            f"floor of {by}": floor,
            "best": {
                str(budget): f"{label(row)}: {error_of(row, by):.4g}"
                for budget, row in best_by_budget(alike, by).items()
            },
            "cheapest": None if chosen is None else f"{label(chosen)}: {error_of(chosen, by):.4g}",
        }
    return metrics


def show(rows: Rows, floors: Mapping[str, Measured], by: str, top: int) -> None:
    """Prints a table for each problem: the settings with the least error, under them the floor, then the best setting
    of each budget and the cheapest that is good enough, all of one seed."""
    console = wide_console()
    for problem, of_problem in _by_problem(rows).items():
        floor, alike = floors[problem], of_one_seed(of_problem)
        names = [name for name in NAMES if any(row["measured"].get(name) for row in of_problem)]
        ordered = sorted(alike, key=lambda row: error_of(row, by))
        table = rich.table.Table(
            title=f"{problem}: {len(alike)} of {len(of_problem)} settings, those of one seed, by {by}",
            title_justify="left",
        )
        table.add_column("setting", overflow="fold")
        table.add_column("asked", justify="right")
        for name in names:
            table.add_column(name.replace("_", "\n"), justify="right")
        for row in ordered[:top]:
            table.add_row(label(row), f"{row['evaluations'] or 0:.4g}", *(_text(row["measured"].get(n)) for n in names))
        table.add_section()
        table.add_row("real samples", "", *(_text(floor.get(name)) for name in names), style="bold")
        console.print(table)
        for error in dict.fromkeys((by, "strong_error")):
            best = best_by_budget(alike, error)
            for budget, row in best.items():
                console.print(f"  least {error} of {budget} evaluations: {error_of(row, error):.4g}  {label(row)}")
            chosen = cheapest(alike, error, _value(floor.get(error)))
            if chosen is not None:
                console.print(
                    f"  cheapest within 5 % of the best {error} or its floor: {chosen['evaluations']:.4g} evaluations, "
                    f"{error_of(chosen, error):.4g}  {label(chosen)}"
                )
        failed = [row for row in of_problem if row["failed"]]
        if failed:
            console.print(f"  {len(failed)} settings failed, the first: {label(failed[0])}: {failed[0]['failed']}")


def label(row: Mapping[str, Any]) -> str:
    """A setting in words: its solver, its grid, and all in which it is not the default."""
    setting, default = row["setting"], Setting().plain
    words = [setting["solver"], setting["grid"]]
    for name, value in setting.items():
        if name not in ("problem", "solver", "grid") and value != default[name] and value is not None:
            short = f"{value:g}" if isinstance(value, float) else str(value)
            words.append(f"{name} {short}")
    return " ".join(words)


def _by_problem(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list] = {}
    for row in rows:
        found.setdefault(row["setting"]["problem"], []).append(row)
    return found


def _cost(row, by) -> tuple[float, float]:
    return row["evaluations"], error_of(row, by)


def _value(measured) -> float | None:
    return None if measured is None else measured[0]


def _text(measured) -> str:
    if measured is None:
        return "-"
    value, stderr = measured
    return f"{value:.3g}" if stderr is None else f"{value:.3g} ± {stderr:.1g}"
