"""What a training is made of, so that it never resumes from the checkpoint of another training."""

import dataclasses
import hashlib
import re
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from ._settings import Settings


# Settings that decide when a training ends, and nothing that it computes before.
_FREE = ("patience",)

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def identity_of(
    denoiser: PyTree,
    x: Array,
    y: PyTree | None,
    held_out: tuple[Array, PyTree | None],
    key: PRNGKeyArray,
    settings: Settings,
    objective: Any,
    transform: Any,
) -> dict[str, Any]:
    """The identity of a training, in what JSON can hold. Devices are no part of it, nor the last bits of the weights
    to start from, which other devices may round otherwise.

    **Arguments:** as of [`entropax.train`][].
    """
    fields = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return {
        "data": {"x": _digest(x), "y": _digest(y)},
        "held_out": {"x": _digest(held_out[0]), "y": _digest(held_out[1])},
        "key": f"{jax.random.key_impl(key)} {jax.random.key_data(key).ravel().tolist()}",
        "settings": {name: _told(value) for name, value in fields.items() if name not in _FREE},
        "network": _told(denoiser),
        "objective": _told(objective),
        "transform": _told(transform),
    }


def _digest(tree: PyTree) -> str:
    """Of the bytes of arrays."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _told(value: Any) -> Any:
    """A number or a text as it is; of anything else its fields, its functions by name, and the size of its arrays."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    text = _ADDRESS.sub("", eqx.tree_pformat(value, width=1_000_000))
    arrays = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(value) if eqx.is_inexact_array_like(leaf)]
    # Positions count too. Signs do not: those of principal axes are arbitrary.
    size = sum(float(np.sum(np.abs(array).ravel() * (1 + np.arange(array.size) % 97))) for array in arrays)
    if len(text) > 80:
        text = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text}, of size {size:.5g}" if arrays else text
