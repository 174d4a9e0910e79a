"""Every run and every figure works at its smoke preset."""

import os
import pathlib
import subprocess
import sys

import pytest


ROOT = pathlib.Path(__file__).parents[2]
FIGURES = sorted(file.stem.removeprefix("figure_") for file in ROOT.glob("paper_figures/figure_*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("figure", FIGURES)
def test_figures_make_what_is_missing_and_draw(figure, tmp_path):
    program = [sys.executable, "-m", f"paper_figures.figure_{figure}", "--preset", "smoke"]
    # Of so small a run compiling is nearly all: with the flags of the tests it takes a third.
    done = subprocess.run(program, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=600)
    assert done.returncode == 0
    assert (tmp_path / f"results/figures/figure_{figure}_smoke.png").read_bytes().startswith(b"\x89PNG")
