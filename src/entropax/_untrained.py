"""Fields of a module that hold arrays which no training changes: what data were normalised by, an exact baseline."""

import dataclasses
from collections.abc import Iterator
from typing import Annotated, TypeVar

import equinox as eqx
import jax
from jaxtyping import PyTree


_MARK = "untrained"

_Value = TypeVar("_Value")

# The type of such a field: no gradient, no weight decay and no average touches what is in it.
Untrained = Annotated[_Value, _MARK]


def is_trained(tree: PyTree) -> PyTree[bool]:
    """Of each leaf whether a training changes it: inexact arrays, but those in fields that are marked."""
    fixed = {id(leaf) for part in _marked(tree) for leaf in jax.tree.leaves(part)}
    return jax.tree.map(lambda leaf: eqx.is_inexact_array(leaf) and id(leaf) not in fixed, tree)


def _marked(tree: PyTree) -> Iterator[PyTree]:
    is_module = lambda node: isinstance(node, eqx.Module)
    if not is_module(tree):
        for node in filter(is_module, jax.tree.leaves(tree, is_leaf=is_module)):
            yield from _marked(node)
        return
    for field in dataclasses.fields(tree):
        value = getattr(tree, field.name)
        if _MARK in getattr(field.type, "__metadata__", ()):
            yield value
        else:
            yield from _marked(value)
