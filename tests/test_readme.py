"""The README's program runs as printed."""

import functools
import pathlib
import re

import pytest

import entropax as ex


PROGRAM = re.search(r"```python\n(.*?)```", (pathlib.Path(__file__).parents[1] / "README.md").read_text(), re.DOTALL)


def _run():
    assert PROGRAM is not None
    names = {}
    exec(PROGRAM.group(1), names)
    return names


def test_the_program_of_the_readme_runs(monkeypatch):
    # With a short training: what it prints is rough, the right size, and beside the exact value.
    short = ex.Settings(steps=600, batch_size=512, learning_rate=5e-3, chunk=300)
    monkeypatch.setattr(ex, "fit", functools.partial(ex.fit, settings=short))
    names = _run()
    assert abs(float(names["information"].value) - 20.0439) < 2.0
    assert abs(float(names["entropy"].value) - 10.0249) < 2.0


@pytest.mark.slow
def test_the_program_of_the_readme_is_right_as_printed():
    names = _run()
    assert abs(float(names["information"].value) / 20.0439 - 1) < 0.01
    assert abs(float(names["entropy"].value) / 10.0249 - 1) < 0.01
