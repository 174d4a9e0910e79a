"""The rows of the benchmark Beyond Normal that were measured, in one file that is kept beside the page about them.

    python -m runs.bmi_rows

`docs/bmi_rows.json` has a cell for each number of samples and each seed, and says of which commits it is. Cells that
`python -m runs.bmi` has finished here take the place of those that the file has, and what `python -m runs.bmi_peers`
has finished is kept beside them; all else stays as it is. What no run here has, `just figure bmi` takes from the file.
"""

import dataclasses
import json
import pathlib

import tyro

import entropax as ex
from entropax._files import write
from runs import bmi
from runs._bmi_published import SIZES
from runs._pieces import present
from runs._record import find


FILE = "docs/bmi_rows.json"
# As many as the benchmark has.
MOST_SEEDS = 10

# What a row keeps; the rest can be told from it, or is of the machine.
_KEPT = (
    *("task", "exact", "exact_on_samples", "value", "stderr", "interval", "gaussian", "fitted", "halved"),
    *("p_value", "pointwise_correlation", "seconds"),
)


@dataclasses.dataclass(frozen=True)
class Options:
    """Of the command line.

    **Arguments:**

    - `file`: what the rows are kept in.
    - `root`: the folder of all results.
    """

    file: str = FILE
    root: str = "results"


def cell(config: bmi.Config, root: str) -> dict | None:
    """The rows of one number of samples and seed; `None` where they are not all there."""
    record = find("bmi", config, root)
    if record is None:
        return None
    rows = present(record, [f"{task.name}.json" for task in ex.data.bmi.tasks()])
    return {
        **dataclasses.asdict(config),
        "commits": sorted({row["provenance"]["git"] for row in rows}),
        "versions": rows[0]["provenance"]["versions"],
        "summary": bmi.summary(rows),
        "rows": [{name: row[name] for name in _KEPT} for row in rows],
    }


def peers(config: bmi.Config, root: str) -> list[dict] | None:
    """What other estimators make of the same samples; `None` where they are not all there."""
    record = find("bmi_peers", config, root)
    if record is None:
        return None
    rows = present(record, [f"{task.name}.json" for task in ex.data.bmi.tasks()])
    return [{name: row[name] for name in ("task", "exact", "peers")} for row in rows]


def kept(file: str = FILE) -> dict[tuple[int, int], dict]:
    """All cells of the file, by the number of samples and the seed."""
    path = pathlib.Path(file)
    return {(cell["samples"], cell["seed"]): cell for cell in (json.loads(path.read_text()) if path.exists() else [])}


def main(args: list[str] | None = None) -> list[dict]:
    """The command line; returns all cells of the file."""
    options = tyro.cli(Options, args=args, prog="python -m runs.bmi_rows", description=__doc__)
    file = pathlib.Path(options.file)
    cells = kept(options.file)
    for samples in SIZES:
        for seed in range(MOST_SEEDS):
            config, known = bmi.Config(samples, seed), cells.get((samples, seed), {})
            found, others = cell(config, options.root) or known, peers(config, options.root) or known.get("peers")
            if found:
                cells[samples, seed] = found | ({"peers": others} if others else {})
    rows = [cells[key] for key in sorted(cells)]
    write(file, (json.dumps(rows, indent=1) + "\n").encode())
    for each in rows:
        print(each["samples"], "samples, seed", each["seed"], each["summary"])
    return rows


if __name__ == "__main__":
    main()
