"""Every figure, and a page that shows them with what they measure.

    just paper                          # at the default preset: hours on two cores
    just paper --preset smoke           # minutes: what it looks like, not what it says
    just paper --only 3 10 bmi          # some of them

Figures that need the same runs are made one after the other, others side by side, each process on processors of its
own. What is there already is not made again (`--again` does): a run that was ended goes on. The page is
`results/paper/<preset>/index.html`: pictures, recipes, numbers beside the papers' and what is known exactly, times and
versions. A figure that fails has its error on the page, and the others go on.
"""

import ast
import concurrent.futures
import contextlib
import dataclasses
import importlib
import json
import multiprocessing
import os
import pathlib
import sys
import time
import traceback
from collections.abc import Iterable

import tyro
from tqdm import tqdm


HERE = pathlib.Path(__file__).parent


def _processors() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


@dataclasses.dataclass(frozen=True)
class Options:
    """What is made.

    **Arguments:**

    - `preset`: smoke, default or paper.
    - `jobs`: how many processes; by default one for each processor.
    - `only`: names of figures, such as 3 or bmi; all of them where there are none.
    - `again`: figures that are there already, too. Their runs are not made again.
    """

    preset: str = "default"
    jobs: int = len(_processors())
    only: tuple[str, ...] = ()
    again: bool = False


def modules() -> list[str]:
    """The figures, those with numbers first, in their order."""
    names = [file.stem for file in HERE.glob("figure_*.py")]
    place = lambda name: (not name[7:].isdigit(), int(name[7:]) if name[7:].isdigit() else 0, name)
    return sorted(names, key=place)


def recipe(name: str) -> str:
    """As it is typed."""
    return name.removeprefix("figure_").replace("_", "-")


def needs(name: str) -> set[str]:
    """The runs that a figure reads, itself and through the modules of figures that it imports."""
    found = set()
    for node in ast.walk(ast.parse((HERE / f"{name}.py").read_text())):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        if node.module == "runs":
            found |= {alias.name for alias in node.names if not alias.name.startswith("_")}
        if node.module.startswith("paper_figures."):
            found |= needs(node.module.removeprefix("paper_figures."))
    return found


def groups(names: Iterable[str]) -> list[list[str]]:
    """Figures that share runs, directly or through others, together: two processes do not make one run."""
    found: list[tuple[set[str], list[str]]] = []
    for name in names:
        runs, own = needs(name), [name]
        for other in [one for one in found if one[0] & runs]:
            found.remove(other)
            runs, own = runs | other[0], other[1] + own
        found.append((runs, own))
    return [own for _, own in found]


def folder(preset: str, root: str | os.PathLike[str] = "results") -> pathlib.Path:
    """Where the page is, with a file for each figure."""
    return pathlib.Path(root) / "paper" / preset


def picture(name: str, preset: str) -> pathlib.Path:
    """Where a figure is drawn to."""
    from paper_figures._style import FIGURES, stem

    return FIGURES / f"{stem(name, preset)}.png"


def make(names: list[str], preset: str, again: bool) -> list[str]:
    """Makes figures one after the other, and leaves of each a file of what it says and a log.

    **Returns:** those that failed.
    """
    from runs._record import provenance

    failed = []
    for name in names:
        report = folder(preset) / f"{name}.json"
        if not again and picture(name, preset).exists() and "error" not in read(report):
            continue
        report.parent.mkdir(parents=True, exist_ok=True)
        start, found = time.perf_counter(), {}
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(open(report.with_suffix(".log"), "w"))
            stack.enter_context(contextlib.redirect_stdout(log))
            stack.enter_context(contextlib.redirect_stderr(log))
            try:
                module = importlib.import_module(f"paper_figures.{name}")
                module.main(preset)
                # Those that have numbers beside the papers' or the exact ones say so.
                numbers = vars(module).get("numbers", lambda preset: [])
                found["numbers"] = [dataclasses.asdict(number) for number in numbers(preset)]
            except Exception as error:
                traceback.print_exc()
                found["error"] = f"{type(error).__name__}: {error}"
                failed.append(name)
        found |= {"seconds": time.perf_counter() - start, "provenance": provenance()}
        write(report, json.dumps(found, indent=2))
    return failed


def read(report: pathlib.Path) -> dict:
    """What a figure left; an error where it left nothing."""
    return json.loads(report.read_text()) if report.exists() else {"error": "not made"}


def write(file: pathlib.Path, text: str) -> None:
    """The whole file, or the one before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(f".{os.getpid()}")
    aside.write_text(text)
    os.replace(aside, file)


def _settle(counter, processors: list[set[int]], preset: str) -> None:
    """Gives a worker processors of its own, since two that share one take many times as long. What is computed for the
    smoke preset is so little that compiling it is nearly all of the time, and takes a third of it without
    optimisation; a flag of the caller's own wins."""
    with counter.get_lock():
        place, counter.value = counter.value, counter.value + 1
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors[place % len(processors)])
    if preset == "smoke":
        # Read when jax is first imported, which is later.
        flags = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
        os.environ["XLA_FLAGS"] = f"{flags} {os.environ.get('XLA_FLAGS', '')}"


def run(options: Options) -> list[str]:
    """Makes them, and the page.

    **Returns:** the figures that failed.

    **Raises:** `ValueError` for names of no figure.
    """
    every = modules()
    wanted = {f"figure_{name.replace('-', '_')}" for name in options.only}
    if wanted - set(every):
        raise ValueError(
            f"`--only` must name figures; got {', '.join(map(recipe, sorted(wanted - set(every))))}. There are "
            f"{', '.join(map(recipe, every))}."
        )
    tasks = groups([name for name in every if not wanted or name in wanted])
    available = _processors()
    jobs = max(1, min(options.jobs, len(available), len(tasks)))
    shares = [set(available[place::jobs]) for place in range(jobs)]
    context = multiprocessing.get_context("spawn")
    failed = []
    with concurrent.futures.ProcessPoolExecutor(
        jobs, context, initializer=_settle, initargs=(context.Value("i", 0), shares, options.preset)
    ) as pool:
        # The longest first, as far as earlier times tell.
        tasks.sort(key=lambda names: -_known_seconds(names, options.preset))
        waiting = {pool.submit(make, names, options.preset, options.again): names for names in tasks}
        with tqdm(total=sum(map(len, tasks)), desc="figures", disable=None) as bar:
            for done in concurrent.futures.as_completed(waiting):
                failed += done.result()
                bar.update(len(waiting[done]))
    from paper_figures._page import write_page

    page = write_page(every, options.preset)
    print(f"{page}: {len(failed)} failed" if failed else page)
    for name in failed:
        print(f"just figure {recipe(name)}: see {folder(options.preset) / name}.log", file=sys.stderr)
    return failed


def _known_seconds(names: list[str], preset: str) -> float:
    return len(names) + sum(read(folder(preset) / f"{name}.json").get("seconds", 0.0) for name in names)


def main(args: list[str] | None = None) -> None:
    """The command line."""
    if run(tyro.cli(Options, args=args, prog="just paper", description=__doc__)):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
