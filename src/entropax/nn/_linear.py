import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PyTree
from numpy.typing import DTypeLike


def affine(linear: eqx.nn.Linear, vectors: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
    """`linear` of each vector, in the vectors' precision."""
    # As `linear(vector)`, but mapped over a batch, and over conditions within it, the result has its axes in the order
    # that the next layer wants them; `weight @ vector` would leave XLA to move them at each layer.
    assert linear.bias is not None
    return vectors @ linear.weight.T.astype(vectors.dtype) + linear.bias.astype(vectors.dtype)


def zero_linear(inputs: int, outputs: int) -> eqx.nn.Linear:
    """One whose output is zero until it is trained."""
    return jax.tree.map(jnp.zeros_like, eqx.nn.Linear(inputs, outputs, key=jr.key(0)))


def cast(module: PyTree, dtype: DTypeLike) -> PyTree:
    """A module that computes in another precision; its parameters remain what they are where they are stored."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, module)


def at_least_float32(dtype: DTypeLike) -> np.dtype:
    """The precision of what must not be rounded to less than float32."""
    return jnp.dtype(jnp.float64 if dtype == jnp.float64 else jnp.float32)
