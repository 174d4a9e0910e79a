import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ._condition import AbstractCondition


_FREQUENCIES = 16
_FEATURES = 2 * _FREQUENCIES + 1


def log_snr_features(log_snr: Float[Array, ""]) -> Float[Array, " features"]:
    r"""Sines and cosines of $\lambda$ down to a period of three units, the scale on which a Gaussian's posterior
    changes, and $\lambda$ itself."""
    phases = 0.12 * jnp.arange(1, _FREQUENCIES + 1, dtype=log_snr.dtype) * log_snr
    return jnp.concatenate([jnp.sin(phases), jnp.cos(phases), log_snr[None] / 10])


class _Block(eqx.Module):
    """A residual block whose input is scaled and shifted by the noise level."""

    linear: eqx.nn.Linear
    modulation: eqx.nn.Linear

    def __init__(self, width: int, *, key: PRNGKeyArray):
        linear_key, modulation_key = jr.split(key)
        self.linear = eqx.nn.Linear(width, width, key=linear_key)
        self.modulation = eqx.nn.Linear(_FEATURES, 2 * width, key=modulation_key)

    def __call__(self, h, features):
        scale, shift = jnp.split(self.modulation(features), 2)
        return h + self.linear(jax.nn.silu(h * (1 + scale) + shift))


class MLP(eqx.Module):
    r"""A residual network that never squashes its input: with $h_0$ affine in $z$ and in the condition,

    $$h_{l+1} = h_l + W_l\,\mathrm{silu}\bigl((1 + a_l(\lambda))\,h_l + b_l(\lambda)\bigr), \qquad
      \mathrm{net} = W_\mathrm{out} h_L + V\bigl(g(\lambda) \odot h_0\bigr).$$

    The last term is linear in $(z, y)$ with gains by noise level, as the optimal denoiser of a Gaussian is; the
    residual blocks carry what is not linear. Both outputs start at zero.

    **Arguments:**

    - `dim`: of the data.
    - `condition`: [`entropax.nn.NoCondition`][], [`entropax.nn.VectorCondition`][] or
        [`entropax.nn.LabelCondition`][]; its width is the network's.
    - `depth`: the number of residual blocks.
    - `key`: for the initialisation.
    """

    inputs: eqx.nn.Linear
    condition: AbstractCondition
    blocks: list[_Block]
    output: eqx.nn.Linear
    gains: eqx.nn.Linear
    linear_output: eqx.nn.Linear

    def __init__(self, dim: int, condition: AbstractCondition, *, depth: int = 4, key: PRNGKeyArray):
        input_key, gain_key, *block_keys = jr.split(key, 2 + depth)
        width = condition.width
        self.inputs = eqx.nn.Linear(dim, width, key=input_key)
        self.condition = condition
        self.blocks = [_Block(width, key=block_key) for block_key in block_keys]
        self.output = _zero_linear(width, dim)
        self.gains = eqx.nn.Linear(_FEATURES, width, key=gain_key)
        self.linear_output = _zero_linear(width, dim)

    def __call__(
        self, z: Float[Array, " dim"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, " dim"]:
        features = log_snr_features(log_snr)
        start = self.inputs(z) + self.condition(y).astype(z.dtype)
        h = start
        for block in self.blocks:
            h = block(h, features)
        return self.output(h) + self.linear_output(self.gains(features) * start)


def _zero_linear(width: int, dim: int) -> eqx.nn.Linear:
    linear = eqx.nn.Linear(width, dim, key=jr.key(0))
    return jax.tree.map(jnp.zeros_like, linear)
