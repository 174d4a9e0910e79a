import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float, PRNGKeyArray


class Conv2d(eqx.Module):
    r"""A convolution of an image, channels first, unbatched: [`equinox.nn.Conv2d`][] with the same weights and the same
    initialisation.

    On a CPU it, and its derivatives, are written in the one layout that XLA has a fast kernel for. XLA brings others to
    it outside of loops only: within one, such as the steps of a training or of a solve, the gradient of a convolution
    as usually written takes twenty times as long.

    **Arguments:**

    - `inputs`, `outputs`: the channels.
    - `size`: of the filters, along both axes.
    - `stride`: how many pixels they move by.
    - `padding`: zeros before and after the pixels, along both axes.
    - `key`: for the initialisation.
    """

    weight: Float[Array, "outputs inputs size size"]
    bias: Float[Array, "outputs 1 1"]
    stride: int = eqx.field(static=True)
    padding: tuple[int, int] = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        *,
        stride: int = 1,
        padding: tuple[int, int] = (0, 0),
        key: PRNGKeyArray,
    ):
        made = eqx.nn.Conv2d(inputs, outputs, size, key=key)
        assert made.bias is not None
        self.weight, self.bias = made.weight, made.bias
        self.stride, self.padding = stride, padding

    @property
    def in_channels(self) -> int:
        """How many channels the image must have."""
        return self.weight.shape[1]

    def __call__(self, image: Float[Array, "inputs height width"]) -> Float[Array, "outputs rows columns"]:
        ways = (ft.partial(way, self.stride, self.padding) for way in (_channels_last, _channels_first))
        cpu, default = ways
        return jax.lax.platform_dependent(image, self.weight, cpu=cpu, default=default) + self.bias


def _channels_first(stride, padding, image, weight):
    return jax.lax.conv_general_dilated(image[None], weight, (stride, stride), (padding, padding))[0]


def _channels_last(stride, padding, image, weight):
    images, filters = image.transpose(1, 2, 0)[None], weight.transpose(2, 3, 1, 0)
    return _conv_p.bind(images, filters, stride=stride, padding=padding)[0].transpose(2, 0, 1)


# A convolution of images, channels last, by filters, outputs last, whose transposes are convolutions of that kind as
# well. As a primitive it is transposed after it was batched, so that the gradient for filters that all images share is
# one convolution too.
_conv_p = Primitive("conv2d_channels_last")


def _convolve(images, filters, *, stride=1, padding, spread=(1, 1)):
    """`spread`: zeros are put between the pixels of the images, and of the filters."""
    return jax.lax.conv_general_dilated(
        images,
        filters,
        (stride, stride),
        padding,
        lhs_dilation=(spread[0],) * 2,
        rhs_dilation=(spread[1],) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _conv(images, filters, *, stride, padding):
    return _convolve(images, filters, stride=stride, padding=(padding, padding))


def _for_images(cotangent, images, filters, *, stride, padding):
    # What a pixel gave to an output, the output gives back: the filters turned by half a circle.
    size = filters.shape[0]
    around = [
        (size - 1 - padding[0], padding[0] + length - stride * (num - 1) - 1)
        for length, num in zip(images.aval.shape[1:3], cotangent.shape[1:3])
    ]
    turned = filters[::-1, ::-1].transpose(0, 1, 3, 2)
    return _convolve(cotangent, turned, padding=around, spread=(stride, 1))


def _for_filters(cotangent, images, filters, *, stride, padding):
    # What images were convolved to, over images: those are the channels now, and the channels the images.
    size = filters.aval.shape[0]
    around = [
        (padding[0], stride * (num - 1) + size - length - padding[0])
        for length, num in zip(images.shape[1:3], cotangent.shape[1:3])
    ]
    found = _convolve(images.transpose(3, 1, 2, 0), cotangent.transpose(1, 2, 0, 3), padding=around, spread=(1, stride))
    return found.transpose(1, 2, 0, 3)


def _batched(operands, places, *, stride, padding):
    images, filters = operands
    if places[1] is None:
        images = jnp.moveaxis(images, places[0], 0)
        found = _conv_p.bind(images.reshape(-1, *images.shape[2:]), filters, stride=stride, padding=padding)
        return found.reshape(*images.shape[:2], *found.shape[1:]), 0
    # Filters of several networks: one after the other.
    each = lambda one: _conv_p.bind(*one, stride=stride, padding=padding)
    size = filters.shape[places[1]]
    images = (
        jnp.broadcast_to(images, (size, *images.shape)) if places[0] is None else jnp.moveaxis(images, places[0], 0)
    )
    return jax.lax.map(each, (images, jnp.moveaxis(filters, places[1], 0))), 0


_conv_p.def_impl(lambda *operands, **params: jax.jit(ft.partial(_conv, **params))(*operands))
_conv_p.def_abstract_eval(
    lambda *operands, **params: jax.make_jaxpr(ft.partial(_conv, **params))(*operands).out_avals[0]
)
mlir.register_lowering(_conv_p, mlir.lower_fun(_conv, multiple_results=False))
ad.defbilinear(_conv_p, _for_images, _for_filters)
batching.primitive_batchers[_conv_p] = _batched
