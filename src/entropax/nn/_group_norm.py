import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._arguments import check_not_negative, check_whole
from ._linear import at_least_float32


class GroupNorm(eqx.Module):
    r"""Channels in groups, each of mean zero and variance one over its channels and all pixels, and then a scale and a
    shift for each channel,

    $$h \mapsto w\,\frac{h - m}{\sqrt{v + \epsilon}} + b.$$

    Its numbers are those of [`equinox.nn.GroupNorm`][]; its gradient reads the image once less. Statistics are in
    float32 whatever the precision of $h$.

    **Arguments:**

    - `groups`: how many; divides `channels`.
    - `channels`: of the image.
    - `eps`: $\epsilon$.

    **Raises:** `ValueError` unless `groups` divides `channels`, and where `eps` is negative.
    """

    weight: Float[Array, " channels"]
    bias: Float[Array, " channels"]
    groups: int = eqx.field(static=True)
    eps: float = eqx.field(static=True)

    def __init__(self, groups: int, channels: int, eps: float = 1e-5):
        check_whole("groups", groups, least=1)
        check_whole("channels", channels, least=1)
        check_not_negative(eps=eps)
        if channels % groups:
            raise ValueError(f"`groups` must divide the channels, {channels}; got {groups}.")
        self.weight, self.bias = jnp.ones(channels), jnp.zeros(channels)
        self.groups, self.eps = groups, eps

    def __call__(self, h: Float[Array, " channels *pixels"]) -> Float[Array, " channels *pixels"]:
        x = h.astype(at_least_float32(h.dtype)).reshape(self.groups, -1, *h.shape[1:])
        over = tuple(range(1, x.ndim))
        mean = jnp.mean(x, over, keepdims=True)
        # About any fixed place the variance is E(x - place)² - (mean - place)², to all orders of derivatives; about the
        # mean itself nothing is lost to rounding, and no gradient goes through it, which would be zero and yet have to
        # be summed over the image before anything else can begin.
        place = jax.lax.stop_gradient(mean)
        variance = jnp.mean((x - place) ** 2, over, keepdims=True) - (mean - place) ** 2
        normal = ((x - mean) * jax.lax.rsqrt(variance + self.eps)).reshape(h.shape)
        each = (-1, *(1,) * (h.ndim - 1))
        weight, bias = (leaf.astype(normal.dtype).reshape(each) for leaf in (self.weight, self.bias))
        return (weight * normal + bias).astype(h.dtype)
