"""What mkdocs does besides: links to files of the repository, and names of other libraries."""

import posixpath
import re


# Where other libraries describe what our docstrings refer to. Their inventories would want a network at each build.
_ELSEWHERE = {
    "diffrax.Euler": "https://docs.kidger.site/diffrax/api/solvers/ode_solvers/#diffrax.Euler",
    "diffrax.Heun": "https://docs.kidger.site/diffrax/api/solvers/ode_solvers/#diffrax.Heun",
    "diffrax.ItoMilstein": "https://docs.kidger.site/diffrax/api/solvers/sde_solvers/#diffrax.ItoMilstein",
    "diffrax.ODETerm": "https://docs.kidger.site/diffrax/api/terms/#diffrax.ODETerm",
    "diffrax.VirtualBrownianTree": "https://docs.kidger.site/diffrax/api/brownian/#diffrax.VirtualBrownianTree",
    "equinox.error_if": "https://docs.kidger.site/equinox/api/errors/#equinox.error_if",
    "equinox.nn.Conv2d": "https://docs.kidger.site/equinox/api/nn/conv/#equinox.nn.Conv2d",
    "equinox.nn.GroupNorm": "https://docs.kidger.site/equinox/api/nn/normalisation/#equinox.nn.GroupNorm",
    "numpy.linspace": "https://numpy.org/doc/stable/reference/generated/numpy.linspace.html",
}

_CELL, _NAME = re.compile(r"<td.*?</td>", re.S), re.compile(r"(?<=<code>)[^<]+")
_JOINT = re.compile(r"(?<=\w[_/])(?=\w)|(?<=\w)(?<!\bex)(?=\.(?!py\b)[a-zA-Z])")

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)#]+)(#[^)]*)?\)")


def on_pre_build(config):
    for name, address in _ELSEWHERE.items():
        config.plugins["autorefs"].register_url(name, address)


def on_page_markdown(markdown, page, config, files):
    """Pages link to files outside of docs/, as is right where the repository is read. In the site such a link leads to
    the repository, where `repo_url` says which, and is no link otherwise."""

    def replace(match):
        text, target, _ = match.groups()
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), target))
        if path.startswith("docs/"):
            return match[0]
        return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{path})" if config.repo_url else text

    return _LINK.sub(replace, markdown)


def on_page_content(html, page, config, files):
    """Names in tables are long, and break where they are joined, not within a word."""
    breakable = lambda name: _JOINT.sub("<wbr>", name[0])
    return _CELL.sub(lambda cell: _NAME.sub(breakable, cell[0]), html)
