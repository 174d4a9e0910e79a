import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray


class Conv2d(eqx.Module):
    r"""A convolution of an image, channels first, unbatched: [`equinox.nn.Conv2d`][] with the same weights and the same
    initialisation.

    On a CPU it is one product of matrices, of the filters and of all patches of the image. XLA's own convolutions are
    as fast there outside of loops only: within one, such as the steps of a training or of a solve, forwards they take
    ten times as long, and their gradients fifty times.

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

    @property
    def out_channels(self) -> int:
        """How many it will have."""
        return self.weight.shape[0]

    def __call__(self, image: Float[Array, "inputs height width"]) -> Float[Array, "outputs rows columns"]:
        ways = (ft.partial(way, self.stride, self.padding) for way in (_by_patches, _by_convolution))
        cpu, default = ways
        return jax.lax.platform_dependent(image, self.weight, cpu=cpu, default=default) + self.bias


def _by_convolution(stride, padding, image, weight):
    found = jax.lax.conv_general_dilated(image[None], weight, (stride, stride), (padding, padding))
    return found[0]


# What it holds for the gradient is the image, not its patches, which are copied again.
@ft.partial(jax.checkpoint, static_argnums=(0, 1))
def _by_patches(stride, padding, image, weight):
    outputs, inputs, size, _ = weight.shape
    padded = jnp.pad(image.transpose(1, 2, 0), (padding, padding, (0, 0)))
    rows, columns = ((length - size) // stride + 1 for length in padded.shape[:2])
    patches = jnp.concatenate(
        [
            padded[i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride]
            for i in range(size)
            for j in range(size)
        ],
        -1,
    ).reshape(rows * columns, -1)
    filters = weight.transpose(2, 3, 1, 0).reshape(-1, outputs)
    return (patches @ filters).T.reshape(outputs, rows, columns)
