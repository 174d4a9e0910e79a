import math

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Shaped

from ...denoiser import Grid


class Images(eqx.Module):
    r"""Images as integers, $q \in \{0, \dots, L - 1\}$ for each pixel and channel, and their labels.

    A pytree whose arrays are `pixels` and `labels`: `images[rows]`, and the transforms of this module, run under
    `jax.jit` too.

    **Arguments:**

    - `pixels`: uint8, shape `(num, channels, height, width)`.
    - `labels`: int32, shape `(num,)`, from 0 on; or `None`.
    - `levels`: $L$, how many values a pixel may take: 256 for 8 bits.
    - `names`: what the labels stand for, where it is known.

    **Raises:** `ValueError` where an array is of another dtype or shape, a pixel is not less than `levels`, or a label
    has no name.
    """

    pixels: Shaped[Array | np.ndarray, "..."]
    labels: Shaped[Array | np.ndarray, "..."] | None = None
    levels: int = eqx.field(static=True, default=256)
    names: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.pixels.dtype != np.uint8:
            raise ValueError(f"`pixels` must be integers of dtype uint8; got {self.pixels.dtype}.")
        if self.pixels.ndim != 4 or 0 in self.pixels.shape[1:]:
            raise ValueError(f"`pixels` must have shape (num, channels, height, width); got {self.pixels.shape}.")
        if not 2 <= self.levels <= 256:
            raise ValueError(f"`levels` must be from 2 to 256; got {self.levels}.")
        _check_below(self.pixels, self.levels, "pixels", "levels")
        if self.labels is None:
            return
        if self.labels.dtype != np.int32:
            raise ValueError(f"`labels` must be integers of dtype int32; got {self.labels.dtype}.")
        if self.labels.shape != self.pixels.shape[:1]:
            raise ValueError(f"`labels` must have shape {self.pixels.shape[:1]}, as `pixels`; got {self.labels.shape}.")
        if self.names is None:
            _check_below(self.labels, np.iinfo(np.int32).max, "labels", "dtype")
        else:
            _check_below(self.labels, len(self.names), "labels", "names")

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: slice | Shaped[Array | np.ndarray, "..."]) -> "Images":
        """Some of the images: a slice, or an array of rows (or of truth values, outside of `jax.jit`)."""
        pixels, labels = jax.tree.map(lambda leaf: leaf[rows], (self.pixels, self.labels))
        return Images(pixels, labels, self.levels, self.names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: channels, height, width."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @property
    def dim(self) -> int:
        """$d$, the number of coordinates of one image."""
        return math.prod(self.shape)

    @property
    def classes(self) -> int | None:
        """How many classes there are, where it is known."""
        return None if self.names is None else len(self.names)

    @property
    def grid(self) -> Grid:
        """The levels brought to $[-1, 1]$: where [`entropax.data.images.on_grid`][] puts the pixels."""
        return Grid(-1.0, 1.0, self.levels)

    @property
    def bin_width(self) -> float:
        r"""$2/L$, what a pixel fills in $[-1, 1]$ under [`entropax.data.images.dequantise`][]: the `spacing` of
        [`entropax.bits_per_dim`][]. It is less than the spacing $2/(L - 1)$ of `grid`, whose end values are inside."""
        return 2 / self.levels

    @property
    def log_volume(self) -> float:
        r"""$d \log\frac2L$, the logarithm of the volume of an image's bin $B_q$ under
        [`entropax.data.images.dequantise`][]; it is negative. With the probability $P(q) = \int_{B_q} p$ of the image,

        $$-\log P(q) \le \mathbb{E}_u[-\log p(x)] - d \log\tfrac2L \qquad \text{in nats,}$$

        with equality where the density is constant in the bin. `ex.bits_per_dim(nats, images.dim,
        spacing=images.bin_width)` subtracts just this, per dimension and in bits.
        """
        return self.dim * math.log(self.bin_width)


def _check_below(values: Array | np.ndarray, limit: int, name: str, of: str) -> None:
    # On the host only: it would be waited for on a device, batch by batch, and is not known under jit.
    if isinstance(values, np.ndarray) and values.size and not 0 <= values.min() <= values.max() < limit:
        raise ValueError(f"`{name}` must be from 0 to {limit - 1}, by `{of}`; got {values.min()} to {values.max()}.")
