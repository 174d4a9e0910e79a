"""The equation map names what there is, and leaves no equation and no figure of the paper out."""

import dataclasses
import functools
import pathlib
import re

import pytest

import entropax as ex


ROOT = pathlib.Path(__file__).parents[1]
MAP = (ROOT / "docs" / "equation_map.md").read_text()
KELLY = MAP.split("\n## Diffusion models are Kelly gamblers\n")[1].split("\n## ")[0]


def rows(text):
    """The cells of all tables, heads included."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def member(owner, name):
    """What a name with a dot stands for; a field of a dataclass has no value before there is one of them."""
    return dataclasses.fields if name in getattr(owner, "__dataclass_fields__", {}) else getattr(owner, name)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(ex\.[\w.]+)", MAP))))
def test_every_name_is_there(name):
    functools.reduce(member, name.split(".")[1:], ex)


def test_every_file_is_there():
    named = set(re.findall(r"`((?:runs|tests|paper_figures|src|docs)/[\w/.]+)`", MAP))
    assert len(named) > 50
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_recipe_has_its_program():
    recipes = set(re.findall(r"`\./just (run|figure) ([\w-]+)", MAP))
    folders = {"run": "runs/{}.py", "figure": "paper_figures/figure_{}.py"}
    missing = [r for r in recipes if not (ROOT / folders[r[0]].format(r[1].replace("-", "_"))).exists()]
    assert len(recipes) > 20 and missing == []


def test_every_test_is_in_its_file():
    missing, seen = [], 0
    for cell in (row[-1] for row in rows(MAP)):
        file = None
        for part in re.findall(r"`([\w/.]+)`", cell):
            if part.startswith("tests/"):
                file = (ROOT / part).read_text()
            elif part.startswith("test_"):
                seen += 1
                missing += [] if file is not None and f"def {part}(" in file else [part]
    assert seen > 60 and missing == []


def test_no_cell_is_empty_and_all_rows_of_a_table_are_of_one_width():
    assert [row for row in rows(MAP) if not all(row)] == []
    tables = re.findall(r"(?:^\|.*\n)+", MAP + "\n", re.MULTILINE)
    for table in tables:
        widths = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table[:200]


def test_every_equation_and_every_figure_of_the_paper_has_a_row():
    found = set()
    for first, *_ in rows(KELLY):
        for low, high in re.findall(r"\((\d+)[a-z]?\)(?:\s*(?:to|–|-)\s*\((\d+)[a-z]?\))?", first):
            found |= set(range(int(low), int(high or low) + 1))
    assert sorted(set(range(1, 75)) - found) == []
    figures = rows(KELLY.split("### Figures")[1])
    numbers = {int(number) for first, *_ in figures for number in re.findall(r"\d+", first)}
    assert set(range(1, 20)) <= numbers
