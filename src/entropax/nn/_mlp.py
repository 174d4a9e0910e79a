import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import check_instance, check_interval, check_key, check_whole
from ._condition import AbstractCondition, Embedding
from ._linear import affine, zero_linear
from ._network import AbstractConditionalNetwork


_FREQUENCIES = 16
_FEATURES = 2 * _FREQUENCIES + 1

# Knots of the linear part: with a trained range of some 24 units, a spline every two.
_KNOTS = 12


def log_snr_features(log_snr: Float[Array, ""]) -> Float[Array, " features"]:
    r"""Sines and cosines of $\lambda$ down to a period of three units, the scale on which a Gaussian's posterior
    changes, and $\lambda$ itself."""
    phases = 0.12 * jnp.arange(1, _FREQUENCIES + 1, dtype=log_snr.dtype) * log_snr
    return jnp.concatenate([jnp.sin(phases), jnp.cos(phases), log_snr[None] / 10])


def _cubic_splines(position: Float[Array, ""]) -> Float[Array, " splines"]:
    """Cubic B-splines on unit knots, those that live on [0, `_KNOTS` - 1], at a position."""
    distance = jnp.abs(position - jnp.arange(-1, _KNOTS + 1, dtype=position.dtype))
    inner = (4 - 6 * distance**2 + 3 * distance**3) / 6
    outer = jnp.maximum(2 - distance, 0.0) ** 3 / 6
    return jnp.where(distance < 1, inner, outer)


class _Block(eqx.Module):
    """A residual block whose input is scaled and shifted by the noise level."""

    linear: eqx.nn.Linear
    modulation: eqx.nn.Linear

    def __init__(self, width: int, *, key: PRNGKeyArray):
        linear_key, modulation_key = jr.split(key)
        self.linear = eqx.nn.Linear(width, width, key=linear_key)
        self.modulation = eqx.nn.Linear(2 * _FEATURES, 2 * width, key=modulation_key)

    def __call__(self, h, features):
        scale, shift = jnp.split(affine(self.modulation, features), 2)
        return h + affine(self.linear, jax.nn.silu(h * (1 + scale) + shift))


class MLP(AbstractConditionalNetwork):
    r"""A residual network that never squashes its input: with $h_0$ affine in $z$ and in the condition,

    $$h_{l+1} = h_l + W_l\,\mathrm{silu}\bigl((1 + a_l(\lambda))\,h_l + b_l(\lambda)\bigr), \qquad
      \mathrm{net} = W_\mathrm{out} h_L + \sum_k b_k(\lambda)\,V_k h_0.$$

    All of $a_l, b_l, V_k$ are of the form shared + difference where the condition asks for it
    ([`entropax.nn.Embedding`][]): the prediction is another function of $z$ then, not a shifted one, but errors that
    both have in common cancel in their gap.

    The last term, with cubic splines $b_k$ of the noise level, is linear in $(z, y)$, as the optimal denoiser of a
    Gaussian is, and learns fast because it is linear in its weights too; the residual blocks carry what is not linear.
    Both outputs start at zero.

    **Arguments:**

    - `dim`: of the data.
    - `condition`: [`entropax.nn.NoCondition`][], [`entropax.nn.VectorCondition`][] or
        [`entropax.nn.LabelCondition`][]; its width is the network's.
    - `log_snr_range`: the range of $\lambda$ that the splines' knots are spread over.
    - `inputs`: how many numbers the network sees of $z$; `dim` where it is not given.
    - `depth`: the number of residual blocks.
    - `key`: for the initialisation.

    **Raises:** `ValueError` where a size is no positive whole number, `condition` is none, or `log_snr_range` does not
        increase.
    """

    inputs: eqx.nn.Linear
    condition: AbstractCondition
    blocks: list[_Block]
    output: eqx.nn.Linear
    linear: Float[Array, "2 splines dim width"]
    log_snr_range: tuple[float, float] = eqx.field(static=True)

    def __init__(
        self,
        dim: int,
        condition: AbstractCondition,
        log_snr_range: tuple[float, float],
        *,
        inputs: int | None = None,
        depth: int = 2,
        key: PRNGKeyArray,
    ):
        check_whole("dim", dim, least=1)
        check_instance("condition", condition, AbstractCondition)
        check_interval("log_snr_range", log_snr_range)
        inputs = dim if inputs is None else inputs
        check_whole("inputs", inputs, least=1)
        check_whole("depth", depth, least=0)
        input_key, *block_keys = jr.split(check_key(key), 1 + depth)
        width = condition.width
        self.inputs = eqx.nn.Linear(inputs, width, key=input_key)
        self.condition = condition
        self.blocks = [_Block(width, key=block_key) for block_key in block_keys]
        self.output = zero_linear(width, dim)
        self.linear = jnp.zeros((2, _KNOTS + 2, dim, width))
        low, high = log_snr_range
        self.log_snr_range = low, high

    def embed(self, y: PyTree | None) -> Embedding:
        return self.condition(y)

    def trunk(
        self, z: Float[Array, " inputs"], log_snr: Float[Array, ""], embedding: Embedding
    ) -> Float[Array, " dim"]:
        vector, contrast = embedding
        # A number while it is known; an array where it differs between conditions that are asked for together.
        contrast = contrast if isinstance(contrast, int) else contrast.astype(z.dtype)
        features = log_snr_features(log_snr)
        features = jnp.concatenate([features, contrast * features])
        start = affine(self.inputs, z) + vector.astype(z.dtype)
        h = start
        for block in self.blocks:
            h = block(h, features)
        low, high = self.log_snr_range
        splines = _cubic_splines((_KNOTS - 1) * (log_snr - low) / (high - low))
        shared, difference = self.linear
        return affine(self.output, h) + splines @ ((shared + contrast * difference) @ start)
