"""The page of all figures: pictures, recipes, numbers, times and versions, in one file of HTML."""

import ast
import html
import os
import pathlib
import re
from typing import Any

from paper_figures import paper


_STYLE = """
body { font: 16px/1.5 Georgia, serif; margin: 0 auto; max-width: 62rem; padding: 1rem 2rem 4rem; color: #222; }
nav a { margin-right: .7rem; white-space: nowrap; }
section { border-top: 1px solid #ddd; margin-top: 2rem; padding-top: .5rem; }
img { max-width: 100%; }
table { border-collapse: collapse; font-size: .9rem; margin: .5rem 0; }
td, th { border-bottom: 1px solid #eee; padding: .15rem .8rem .15rem 0; text-align: left; }
code { background: #f4f4f4; padding: .1rem .3rem; }
.made { color: #777; font-size: .8rem; }
.error { color: #b00; }
"""


def words(name: str) -> tuple[str, str]:
    """The first line of what a figure says of itself, without its recipe, and the rest."""
    text = ast.get_docstring(ast.parse((paper.HERE / f"{name}.py").read_text())) or name
    first, _, rest = text.partition("\n\n")
    return first.replace("\n", " ").split(" `just figure")[0].rstrip(" ."), rest


def write_page(names: list[str], preset: str) -> pathlib.Path:
    """Writes `index.html` beside what figures left; those that were not made are named, and no more.

    **Returns:** its path.
    """
    page = paper.folder(preset) / "index.html"
    made = {name: paper.read(paper.folder(preset) / f"{name}.json") for name in names}
    links = " ".join(f'<a href="#{name}">{html.escape(paper.recipe(name))}</a>' for name in names)
    body = "\n".join(_section(name, found, preset, page.parent) for name, found in made.items())
    title = f"The figures of Entropax, preset {preset}"
    text = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n<nav>{links}</nav>\n{body}\n</body></html>\n"
    )
    paper.write(page, text)
    return page


def _section(name: str, found: dict[str, Any], preset: str, folder: pathlib.Path) -> str:
    title, rest = (html.escape(part) for part in words(name))
    rest = re.sub("`([^`]+)`", r"<code>\1</code>", rest)
    flag = "" if preset == "default" else f" --preset {preset}"
    parts = [f'<section id="{name}"><h2>{title}</h2>']
    if "error" in found:
        parts.append(f'<p class="error">{html.escape(found["error"])}</p>')
    else:
        source = os.path.relpath(paper.picture(name, preset), folder)
        parts.append(f'<img src="{source}" alt="{title}" loading="lazy">')
    parts.append(f"<p>{rest}</p><p><code>./just figure {paper.recipe(name)}{flag}</code></p>")
    if found.get("numbers"):
        parts.append(_table(found["numbers"]))
    if "provenance" in found:
        parts.append(_made(found))
    return "\n".join([*parts, "</section>"])


def _table(numbers: list[dict[str, Any]]) -> str:
    rows = [
        f"<tr><td>{html.escape(number['quantity'])}</td><td>{_shown(number['value'], number['stderr'])} "
        f"{number['unit']}</td><td>{_shown(number['exact'])}</td><td>{_shown(number['paper'])}</td></tr>"
        for number in numbers
    ]
    head = "<tr><th></th><th>measured</th><th>exact</th><th>paper</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _shown(value: float | str | None, stderr: float | None = None) -> str:
    if value is None or isinstance(value, str):
        return html.escape(value or "")
    return f"{value:.4g}" if stderr is None else f"{value:.4g} ± {stderr:.2g}"


def _made(found: dict[str, Any]) -> str:
    where = found["provenance"]
    versions = ", ".join(f"{package} {version}" for package, version in where["versions"].items())
    commit = (where["git"] or "no commit")[:10] + (" with changes" if where["uncommitted_changes"] else "")
    return (
        f'<p class="made">made in {found["seconds"]:.0f} s, but for runs that were there; {where["finished"]}, '
        f"{commit}, {where['device']['kind']} × {where['device']['count']}, Python {where['python']}, {versions}</p>"
    )
