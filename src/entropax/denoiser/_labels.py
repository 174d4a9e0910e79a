import dataclasses
import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, PyTree

from ..nn import LabelCondition
from ._base import Conditioned, Given, Unconditional


def check_conditions(x: Array, y: PyTree | None, names: tuple[str, str] = ("x", "y")) -> None:
    """Refuses conditions that are not one for each sample.

    **Arguments:**

    - `x`, `y`: the samples, and a pytree of conditions with the same leading axis.
    - `names`: what errors call them.

    **Raises:** `ValueError` where their lengths differ.
    """
    for leaf in jax.tree.leaves(y):
        if leaf.shape[:1] != x.shape[:1]:
            raise ValueError(
                f"`{names[1]}` must hold as many samples as `{names[0]}`, {x.shape[0]}; got shape {leaf.shape}."
            )


@functools.singledispatch
def check_labels(model: PyTree, y: PyTree | None, name: str) -> None:
    """Refuses labels that a model does not have, where they are known from numbers. A denoiser that changes its
    condition, or makes nothing of it, says so by `check_labels.register`, as with any `functools.singledispatch`.

    **Arguments:**

    - `model`: the denoiser, or what holds it.
    - `y`: the conditions of a batch.
    - `name`: what errors call them.

    **Raises:** `ValueError` where there are such labels.
    """
    if y is None:
        return
    if isinstance(model, eqx.Module):
        model = [getattr(model, field.name) for field in dataclasses.fields(model)]
    is_module = lambda node: isinstance(node, eqx.Module)
    for part in filter(is_module, jax.tree.leaves(model, is_leaf=is_module)):
        check_labels(part, y, name)


@check_labels.register(Unconditional)
def _(model, y, name):
    del model, y, name


@check_labels.register(Conditioned)
def _(model, y, name):
    del y, name
    check_labels(model.denoiser, model.y, "y")


@check_labels.register(Given)
def _(model, y, name):
    if y is not None:
        check_labels(model.denoiser, selected(model.select, y), name)


def selected(select: Callable[[PyTree], PyTree], y: PyTree) -> PyTree | None:
    """What a function of one condition makes of those of a batch; `None` where it fails, as the denoiser will say."""
    try:
        return jax.vmap(select)(y)
    except Exception:
        return None


@check_labels.register(LabelCondition)
def _(model, y, name):
    check_known(y, np.arange(model.tokens.shape[0]), name)


def check_known(y: PyTree | None, labels: Array | np.ndarray, name: str) -> None:
    """Refuses labels that are not among those of a model; passes what is not an array of integers, or is traced.

    **Raises:** `ValueError` that says which labels there are and which were found.
    """
    if not isinstance(y, jax.Array | np.ndarray) or any(isinstance(array, Tracer) for array in (y, labels)):
        return
    if not jnp.issubdtype(y.dtype, jnp.integer):
        return
    labels, found = np.unique(np.asarray(labels)), np.unique(np.asarray(y))
    unknown = np.setdiff1d(found, labels)
    if not unknown.size:
        return
    hint = ""
    if np.isin(found - 1, labels).all():
        hint = f" Labels that count from 1: pass `{name} - 1`."
    raise ValueError(
        f"`{name}` must hold the labels {_few(labels)} that the model has; got labels from {found[0]} to {found[-1]}, "
        f"among them {_few(unknown)}.{hint}"
    )


def _few(labels: np.ndarray) -> str:
    """Labels in a line: a range where they are one, and no more than six where they are not."""
    if labels.size > 1 and labels[-1] - labels[0] == labels.size - 1:
        return f"{labels[0]} to {labels[-1]}"
    return ", ".join(str(label) for label in labels[:6]) + (", ..." if labels.size > 6 else "")
