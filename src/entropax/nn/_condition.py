import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from equinox import AbstractVar
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree


class AbstractCondition(eqx.Module):
    """How a network hears what the data are conditioned on, and that they are conditioned on nothing."""

    width: AbstractVar[int]

    @abc.abstractmethod
    def __call__(self, y: PyTree | None) -> Float[Array, " width"]:
        """The embedding of one condition; of the null token for `None`."""


class NoCondition(AbstractCondition):
    """For unconditional models: every condition is refused.

    **Arguments:**

    - `width`: of the embedding, all zeros.
    """

    width: int = eqx.field(static=True)

    def __call__(self, y: PyTree | None) -> Float[Array, " width"]:
        if y is not None:
            raise ValueError("`y` was given to a network that was made without a condition.")
        return jnp.zeros(self.width)


class VectorCondition(AbstractCondition):
    r"""A continuous condition: an affine map of the standardised vector, or a learned null token.

    **Arguments:**

    - `mean`, `std`: of the conditions, shape `(dim_y,)`; not trained.
    - `width`: of the embedding.
    - `key`: for the initialisation.
    """

    linear: eqx.nn.Linear
    null: Float[Array, " width"]
    mean: Float[Array, " dim_y"]
    std: Float[Array, " dim_y"]
    width: int = eqx.field(static=True)

    def __init__(self, mean: Float[Array, " dim_y"], std: Float[Array, " dim_y"], width: int, *, key: PRNGKeyArray):
        self.linear = eqx.nn.Linear(mean.size, width, key=key)
        self.null = jnp.zeros(width)
        self.mean, self.std, self.width = mean, std, width

    def __call__(self, y: PyTree | None) -> Float[Array, " width"]:
        if y is None:
            return self.null
        mean, std = jax.lax.stop_gradient((self.mean, self.std))
        return self.linear((y - mean) / std)


class LabelCondition(AbstractCondition):
    """A discrete condition: a learned token for each label and one for none.

    **Arguments:**

    - `classes`: how many labels there are, `0, ..., classes - 1`.
    - `width`: of the embedding.
    - `key`: for the initialisation.
    """

    tokens: Float[Array, "classes width"]
    null: Float[Array, " width"]
    width: int = eqx.field(static=True)

    def __init__(self, classes: int, width: int, *, key: PRNGKeyArray):
        self.tokens = jr.normal(key, (classes, width))
        self.null = jnp.zeros(width)
        self.width = width

    def __call__(self, y: Int[Array, ""] | None) -> Float[Array, " width"]:
        return self.null if y is None else self.tokens[y]
