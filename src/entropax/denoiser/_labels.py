import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, PyTree

from ..nn import LabelCondition


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


def check_labels(model: PyTree, y: PyTree | None, name: str) -> None:
    """Refuses labels that a network in the model does not know, where they are known from numbers.

    **Arguments:**

    - `model`: the denoiser, or what holds it.
    - `y`: the conditions.
    - `name`: what errors call them.

    **Raises:** `ValueError` where there are such labels.
    """
    if not isinstance(y, jax.Array | np.ndarray) or isinstance(y, Tracer) or not jnp.issubdtype(y.dtype, jnp.integer):
        return
    is_condition = lambda node: isinstance(node, LabelCondition)
    for node in filter(is_condition, jax.tree.leaves(model, is_leaf=is_condition)):
        classes = node.tokens.shape[0]
        if not bool(((y >= 0) & (y < classes)).all()):
            raise ValueError(
                f"`{name}` must hold the labels 0 to {classes - 1} that the network was made for; got labels from "
                f"{int(y.min())} to {int(y.max())}."
            )
