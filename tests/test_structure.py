"""The house: who may import whom, what a class may be, and what happens when the package is imported."""

import ast
import importlib
import inspect
import os
import pathlib
import pkgutil
import subprocess
import sys

import equinox as eqx
import pytest

import entropax


ROOT = pathlib.Path(__file__).parents[1]
SOURCE = ROOT / "src" / "entropax"
FILES = sorted(SOURCE.rglob("*.py"))

# What each floor stands on. Whatever that in turn stands on may be imported too; anything else is above or beside it.
# Modules directly in the package (parallel.py, private ones) are the ground; cli is the roof.
FLOORS = {
    "process": set(),
    "nn": set(),
    "denoiser": {"process", "nn"},
    "integral": {"denoiser"},
    "information": {"integral"},
    "dependence": {"data", "information"},
    "distance": {"integral"},
    "terms": {"process", "denoiser"},
    "solve": {"terms", "integral"},
    "train": {"denoiser", "integral", "nn"},
    "latent": {"information", "solve", "train"},
    "weights": {"denoiser"},
    "data": {"denoiser"},
}


def below(floor: str) -> set[str]:
    return FLOORS[floor].union(*map(below, FLOORS[floor]))


def name_of(file: pathlib.Path) -> str:
    parts = ("entropax", *file.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, name: str, is_package: bool) -> set[str]:
    """The absolute names of all that a module imports, wherever in it; `from a import b` counts as `a.b`."""
    found = set()
    package = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def imports_of(file: pathlib.Path) -> set[str]:
    return imports(ast.parse(file.read_text()), name_of(file), file.name == "__init__.py")


def floor_of(name: str) -> str:
    """The part of the package that a dotted name belongs to; the package itself is the empty one."""
    return (name.split(".") + [""])[1]


def test_imports_are_read_as_python_reads_them():
    source = "import jax.numpy\nfrom ..denoiser import Zero\nfrom . import _b\ndef f():\n    from ...runs import x\n"
    read = imports(ast.parse(source), "entropax.nn._a", False)
    assert read == {"jax.numpy", "entropax.denoiser.Zero", "entropax.nn._b", "runs.x"}
    assert imports(ast.parse("from ._a import b"), "entropax.nn", True) == {"entropax.nn._a.b"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_nothing_is_imported_upwards(file):
    name = name_of(file)
    imported = {other for other in imports_of(file) if other.split(".")[0] == "entropax"}
    here = floor_of(name)
    if here == "cli":
        return
    if name == "entropax":
        allowed = {floor_of(other) for other in imported} - {"cli"}
    elif (SOURCE / here).is_dir():
        assert here in FLOORS, f"{here} has no floor yet: say in FLOORS what it stands on"
        ground = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "cli"}
        allowed = {here, *below(here), *ground}
    else:
        allowed = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "cli"}
    upwards = sorted(other for other in imported if floor_of(other) not in allowed)
    assert not upwards, f"{name} may import {sorted(allowed)}; it imports {upwards}"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_the_library_does_not_know_about_runs_and_figures(file):
    assert not {other for other in imports_of(file) if other.split(".")[0] in ("runs", "paper_figures", "benchmarks")}


def is_abstract(cls: type) -> bool:
    return cls.__name__.lstrip("_").startswith("Abstract")


def test_a_class_is_abstract_or_final():
    classes = []
    for info in pkgutil.walk_packages(entropax.__path__, "entropax."):
        if info.name.endswith("__main__"):
            continue
        for cls in vars(importlib.import_module(info.name)).values():
            if inspect.isclass(cls) and issubclass(cls, eqx.Module) and cls.__module__ == info.name:
                classes.append(cls)
    assert len(classes) > 10
    for cls in classes:
        parents = [parent for parent in cls.__mro__[1:] if parent.__module__.split(".")[0] == "entropax"]
        assert all(map(is_abstract, parents)), f"{cls} derives from a concrete class"
        assert is_abstract(cls) or not inspect.isabstract(cls), f"{cls} is abstract: name it so, or make it concrete"


def test_the_public_names_are_sorted_reexports():
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    reexports = []
    for i, node in enumerate(tree.body):
        if isinstance(node, ast.Expr) and i == 0:
            assert ast.get_docstring(tree) is not None
        elif isinstance(node, ast.Assign):
            assert [ast.unparse(target) for target in node.targets] == ["__version__"]
        elif isinstance(node, ast.Import):
            assert [alias.name for alias in node.names] == ["importlib.metadata"], "for the version, nothing else"
        else:
            assert isinstance(node, ast.ImportFrom) and node.level == 1, ast.unparse(node)
            assert all(alias.name == alias.asname for alias in node.names), ast.unparse(node)
            reexports.append(node)
    # As ruff sorts: packages themselves first, then what is in them; capitals do not count.
    assert [node.module or "" for node in reexports] == sorted(node.module or "" for node in reexports)
    names = [[alias.name for alias in node.names] for node in reexports]
    assert names == [sorted(group, key=str.casefold) for group in names]
    assert len(sum(names, [])) == len(set(sum(names, [])))


def test_nothing_happens_on_import(tmp_path):
    # In a process of its own, with warnings as errors for all that is ours. The last lines choose devices after the
    # import, which JAX refuses once anything has touched a device.
    program = """
import sys, warnings
import jax
before = dict(jax.config.values)
warnings.filterwarnings("error", module="entropax")
import entropax
after = dict(jax.config.values)
changed = {name: value for name, value in after.items() if before[name] != value}
assert not changed, changed
heavy = {"matplotlib", "orbax", "tyro"} & {name.split(".")[0] for name in sys.modules}
assert not heavy, heavy
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 3)
assert jax.device_count() == 3
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
