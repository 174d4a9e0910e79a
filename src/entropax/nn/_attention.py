import equinox as eqx
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float, PRNGKeyArray

from .._arguments import check_key, check_whole
from ._group_norm import GroupNorm
from ._linear import affine, at_least_float32, zero_linear


class SelfAttention(eqx.Module):
    r"""Each pixel hears all others, by what they are and not by where: with tokens $t$ the normalised pixels,

    $$h \mapsto h + W_\mathrm{out}\,\mathrm{softmax}\Bigl(\frac{Q K^\top}{\sqrt{d}}\Bigr) V, \qquad
      (Q, K, V) = t\,W_\mathrm{in}^\top,$$

    in heads of $d$ channels. There is no code of positions: permuted pixels give permuted pixels. The softmax is in
    float32 whatever the precision of $h$; $W_\mathrm{out}$ starts at zero.

    **Arguments:**

    - `channels`: of the image.
    - `norm`: what the pixels go through first.
    - `heads`: how many; divides `channels`.
    - `key`: for the initialisation.

    **Raises:** `ValueError` where `heads` does not divide `channels`.
    """

    norm: GroupNorm
    inputs: eqx.nn.Linear
    output: eqx.nn.Linear
    heads: int = eqx.field(static=True)

    def __init__(self, channels: int, norm: GroupNorm, *, heads: int = 1, key: PRNGKeyArray):
        check_whole("channels", channels, least=1)
        check_whole("heads", heads, least=1)
        check_key(key)
        if channels % heads:
            raise ValueError(f"`heads` must divide the channels, {channels}; got {heads}.")
        self.norm = norm
        self.inputs = eqx.nn.Linear(channels, 3 * channels, key=key)
        self.output = zero_linear(channels, channels)
        self.heads = heads

    def __call__(self, h: Float[Array, "channels height width"]) -> Float[Array, "channels height width"]:
        tokens = rearrange(self.norm(h), "c y x -> (y x) c")
        parts = affine(self.inputs, tokens)
        query, key, value = rearrange(parts, "t (part head d) -> part head t d", part=3, head=self.heads)
        precise = at_least_float32(h.dtype)
        scores = query.shape[-1] ** -0.5 * jnp.einsum("htd,hsd->hts", query, key, preferred_element_type=precise)
        weights = jax.nn.softmax(scores, axis=-1).astype(h.dtype)
        heard = rearrange(jnp.einsum("hts,hsd->htd", weights, value), "head t d -> t (head d)")
        return h + rearrange(affine(self.output, heard), "(y x) c -> c y x", y=h.shape[1])
