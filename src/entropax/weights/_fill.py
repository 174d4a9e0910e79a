"""Parameters of a network from tensors of a file: all of them, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..nn import Conv2d, ResidualBlock


class Part(NamedTuple):
    """Where a parameter comes from.

    **Arguments:**

    - `leaf`: the parameter.
    - `names`: of the tensors that it is made of, one after another along the first axis.
    - `shape`: of each of them in the file.
    - `arrange`: what happens to them together; a change of shape comes by itself.
    """

    leaf: Any
    names: tuple[str, ...]
    shape: tuple[int, ...]
    arrange: Callable[[np.ndarray], np.ndarray] = lambda tensor: tensor


class Names(NamedTuple):
    """What the tensors of a residual block are called."""

    first_norm: str
    first: str
    modulation: str
    second_norm: str
    second: str
    shortcut: str


def layer(module: Any, name: str) -> list[Part]:
    """The weight and the bias of a convolution, a linear map or a norm."""
    return [
        Part(module.weight, (f"{name}.weight",), module.weight.shape),
        # That of a convolution has two more axes with us.
        Part(module.bias, (f"{name}.bias",), module.bias.shape[:1]),
    ]


def residual(block: ResidualBlock, name: str, names: Names) -> list[Part]:
    """The parts of a residual block."""
    modules = dict(
        first_norm=block.first_norm,
        first=block.first,
        modulation=block.modulation.linear,  # pyright: ignore[reportAttributeAccessIssue]
        second_norm=block.second_norm,
        second=block.second,
    )
    if isinstance(block.shortcut, Conv2d):
        modules["shortcut"] = block.shortcut
    return sum((layer(module, f"{name}.{getattr(names, field)}") for field, module in modules.items()), [])


def fill(skeleton: Any, parts: Sequence[Part], tensors: Mapping[str, np.ndarray], known: Sequence[tuple]) -> Any:
    """The network with its parameters.

    **Arguments:**

    - `skeleton`: the network's shapes, from `eqx.filter_eval_shape`.
    - `parts`: where each of its parameters comes from.
    - `tensors`: by name.
    - `known`: pairs of leaves and the arrays that they are, which do not come from the file.

    **Raises:** `ValueError` where tensors are missing, unexpected, of another shape, not of floats (as quantised
    ones are, whose scales are elsewhere) or not finite, with the first names of each.
    """
    wanted = {name: part.shape for part in parts for name in part.names}
    found = {name: tensors[name].shape for name in wanted.keys() & tensors.keys()}
    others = sorted(name for name, shape in found.items() if shape != wanted[name])
    whole = [name for name in sorted(found) if tensors[name].dtype.kind != "f"]
    infinite = [name for name in sorted(found.keys() - set(whole)) if not np.isfinite(tensors[name]).all()]
    problems = [
        f"{len(names)} {kind} ({'; '.join(names[:4])}{'; ...' if len(names) > 4 else ''})"
        for kind, names in (
            ("missing", sorted(wanted.keys() - tensors.keys())),
            ("unexpected", sorted(tensors.keys() - wanted.keys())),
            ("of another shape", [f"{name} {found[name]}, wanted {wanted[name]}" for name in others]),
            ("not of floats", [f"{name} of {tensors[name].dtype}" for name in whole]),
            ("with NaN or infinite entries", infinite),
        )
        if names
    ]
    if problems:
        raise ValueError(f"The tensors are not those of the network that was described: {', '.join(problems)}.")
    arrays = {id(leaf): jnp.asarray(array) for leaf, array in known}
    for part in parts:
        joined = part.arrange(np.concatenate([tensors[name] for name in part.names]))
        arrays[id(part.leaf)] = jnp.asarray(joined.reshape(part.leaf.shape), jnp.float32)
    leaves, structure = jax.tree.flatten(skeleton)
    return jax.tree.unflatten(structure, [arrays[id(leaf)] for leaf in leaves])
