"""The pages of docs/: their programs run as printed, their lists are complete, and they build into a site."""

import ast
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import types

import jax.random as jr
import numpy as np
import pytest

import entropax as ex


ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"

# Those that tests/test_readme.py runs, some of which train for minutes.
ELSEWHERE = set(re.findall(r'"docs" / "([\w/]+\.md)"', (ROOT / "tests" / "test_readme.py").read_text()))

# What a page prints beside each other: an estimate, and the number that it has to meet within its error.
HELD = {
    "ideas.md": [
        ("entropy", "problem.total_entropy()"),
        ("lost", "ex.kl_divergence(model, rough, x, key=jr.key(6)).value"),
        ("apart", "ex.kl_divergence(model, rough, x, key=jr.key(6)).value"),
        ("untrained['Gaussian matching']", "problem.total_entropy_between(*span)"),
    ],
    "estimands/neural_entropy.md": [
        ("entropy", "problem.total_entropy()"),
        ("conditional", "problem.conditional_entropy()"),
    ],
    "estimands/total_entropy.md": [
        ("by_loss", "problem.total_entropy()"),
        ("by_paths", "problem.total_entropy()"),
    ],
    "estimands/total_correlation.md": [("correlation", "problem.total_correlation"), ("departure", "exact")],
    "estimands/mutual_information.md": [
        (f"found[{name!r}]", "problem.mutual_information")
        for name in ("LossGapForm", "Orthogonal", "EntropyDifference")
    ],
    "estimands/conditional_information.md": [
        ("found", "exact"),
        ("divergence", "problem.total_correlation"),
    ],
    "estimands/likelihood.md": [
        ("by_noise", "exact.mean()"),
        ("by_paths", "exact.mean()"),
        ("code_length", "entropy"),
    ],
    "estimands/latent_information.md": [("told", "best.rates.sum()")],
    "estimands/dependence.md": [("found", "problem.mutual_information")],
    "kelly.md": [("told", "problem.mutual_information")],
}


def programs(page: pathlib.Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def name_of(page: pathlib.Path) -> str:
    return page.relative_to(DOCS).as_posix()


PAGES = {name_of(page): page for page in sorted(DOCS.rglob("*.md")) if programs(page)}


def test_programs_of_pages_are_run_once():
    # The first page has that of the README, which tests/test_readme.py runs.
    readme = programs(ROOT / "README.md")
    assert programs(PAGES["index.md"]) == readme[:1]
    assert ELSEWHERE and ELSEWHERE <= set(PAGES)
    assert set(HELD) <= set(PAGES) - ELSEWHERE


@pytest.mark.parametrize("name", sorted(set(PAGES) - ELSEWHERE - {"index.md"}))
def test_a_page_runs_as_printed(name):
    names = {}
    exec("\n".join(programs(PAGES[name])), names)
    for found, exact in HELD.get(name, ()):
        estimate, known = eval(found, names), float(eval(exact, names))
        assert abs(float(estimate.value) - known) < 4 * float(estimate.stderr), (found, estimate, known)
    if name == "ideas.md":
        assert abs(float(names["untrained"]["entropy matching"].value)) < 1e-5
        assert float(names["lost"].stderr) < 0.2 * float(names["apart"].stderr)
        assert all(abs(float(area) / float(names["entropy"].value) - 1) < 0.01 for area in names["areas"])
    if name == "estimands/likelihood.md":
        np.testing.assert_allclose(names["by_flow"], names["exact"][:100], atol=1e-3)
    if name == "estimands/label_information.md":
        # A bound from below, that is not far from what it bounds.
        for found, exact in (
            (names["found"], names["exact"]),
            (names["legible"], names["wider"].mutual_information(jr.key(0), 20_000)[0]),
        ):
            assert exact - 0.1 < float(found.value) < exact + 3 * float(found.stderr)


def test_the_gallery_has_every_figure_with_its_recipe():
    gallery = " ".join((DOCS / "gallery.md").read_text().split())
    modules = sorted((ROOT / "paper_figures").glob("figure_*.py"))
    assert len(modules) > 10
    for module in modules:
        docstring = ast.get_docstring(ast.parse(module.read_text()))
        assert docstring, module
        first = " ".join(docstring.split("`just figure")[0].split())
        recipe = f"`./just figure {module.stem.removeprefix('figure_').replace('_', '-')}`"
        assert f"- {recipe}: {first}" in gallery, f"docs/gallery.md lacks: - {recipe}: {first}"
    for picture in sorted(DOCS.glob("*.png")):
        assert f"({picture.name})" in gallery, f"docs/gallery.md lacks {picture.name}"


def public_names(module: types.ModuleType, path: str) -> set[str]:
    """The names of a package that are re-exported, `X as X`, and what its public modules hold."""
    assert module.__file__ is not None
    tree = ast.parse(pathlib.Path(module.__file__).read_text())
    found = set()
    if not module.__file__.endswith("__init__.py"):
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names if alias.asname == alias.name}
    packages = {name for name in found if isinstance(getattr(module, name), types.ModuleType)}
    inside = [public_names(getattr(module, name), f"{path}.{name}") for name in packages]
    return {f"{path}.{name}" for name in found - packages}.union(*inside)


def test_the_reference_has_every_public_name_once():
    named = [
        name
        for page in sorted((DOCS / "api").glob("*.md"))
        for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
    ]
    assert len(named) == len(set(named))
    public = public_names(ex, "entropax")

    # The same object under two names is described under the shorter one.
    def described(name):
        return name in named or f"entropax.{name.rsplit('.', 1)[1]}" in named

    missing = sorted(name for name in public if not described(name))
    assert not missing, f"docs/api lacks {missing}"
    assert not set(named) - public


def test_names_of_other_libraries_have_an_address():
    spec = importlib.util.spec_from_file_location("_hooks", DOCS / "_hooks.py")
    assert spec is not None and spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    texts = [path.read_text() for path in [*ROOT.glob("src/**/*.py"), *DOCS.glob("**/*.md")]]
    named = {name for text in texts for name in re.findall(r"\[`([\w.]+)`\]\[\]", text)}
    elsewhere = {name for name in named if "." in name and not name.startswith("entropax.")}
    assert elsewhere == set(hooks._ELSEWHERE)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason='the site wants pip install "entropax[docs]"')
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "site" / "api" / "integral" / "index.html").read_text()
    assert 'id="entropax.Estimate.interval"' in html and "[`entropax" not in html
    # Names in tables break at their joints.
    table = (tmp_path / "site" / "equation_map" / "index.html").read_text()
    assert "<code>ex.data<wbr>.Race<wbr>.growth_<wbr>rate</code>" in table and "<wbr>.py" not in table
