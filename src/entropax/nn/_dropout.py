import itertools
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import check_not_negative


class Dropout(eqx.Module):
    r"""Dropout, which only a training step switches on,

    $$h \mapsto \frac{m\,h}{1 - p}, \qquad m \sim \mathrm{Bernoulli}(1 - p)$$

    for each number on its own. A network has no key in its signature; the key is here instead, and
    [`entropax.nn.with_dropout`][] puts it here for as long as a gradient takes. In a model that is stored, measured or
    sampled from there is none, and this is the identity.

    **Arguments:**

    - `rate`: $p$, at least 0 and below 1.
    - `key`: for the mask; `None` for the identity.

    **Raises:** `ValueError` for any other `rate`.
    """

    rate: float = eqx.field(static=True)
    key: PRNGKeyArray | None = None

    def __check_init__(self):
        check_not_negative(rate=self.rate)
        if not self.rate < 1:
            raise ValueError(f"`rate` must be at least 0 and below 1; got {self.rate}.")

    def __call__(self, h: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        if self.key is None or self.rate == 0:
            return h
        kept = jr.bernoulli(self.key, 1 - self.rate, h.shape)
        return jnp.where(kept, h / (1 - self.rate), jnp.zeros_like(h))


_Tree = TypeVar("_Tree", bound=PyTree)


def with_dropout(tree: _Tree, key: PRNGKeyArray) -> _Tree:
    """The same network, or any tree with networks in it, with a mask drawn in each [`entropax.nn.Dropout`][]: each has
    a key of its own, by its place. A tree without any comes back as it is.

    For use inside a loss, and inside `jax.vmap` with one key a sample, so that samples have masks of their own:

    ```python
    jax.vmap(lambda key, z: with_dropout(net, key)(z, log_snr))(keys, z)
    ```

    **Arguments:**

    - `tree`: the network.
    - `key`: for the masks.

    **Returns:** the tree with keys in it; not to be stored.
    """
    is_dropout = lambda node: isinstance(node, Dropout)
    places = itertools.count()
    switch_on = lambda node: Dropout(node.rate, jr.fold_in(key, next(places))) if is_dropout(node) else node
    return jax.tree.map(switch_on, tree, is_leaf=is_dropout)
