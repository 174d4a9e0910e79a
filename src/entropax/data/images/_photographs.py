import importlib.util
import pathlib
from typing import Literal

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray

from ..._arguments import check_key
from .._checks import check_count
from ._extras import imported
from ._images import Images


# Those that lie in the wheel as PNG: of a JPEG the last bit would depend on who decodes it.
_COLOUR = ("astronaut", "chelsea", "coffee", "motorcycle_left")
_GREY = ("camera", "brick", "grass", "gravel")


def natural_patches(key: PRNGKeyArray, num: int, size: int, channels: Literal[1, 3] = 3) -> Images:
    """Square patches from the photographs that come with scikit-image, every place in all of them being as likely.
    Nothing is downloaded.

    Patches overlap, the more the more are drawn: they are samples of eight photographs, not of all nature, and those
    held out from a training share pixels with those in it. Hold out photographs instead, by their labels.

    **Arguments:**

    - `key`: where the patches lie.
    - `num`: how many.
    - `size`: their height and width, at most 300.
    - `channels`: 3 for patches of the four colour photographs, as they are; 1 for those of four grey ones as well, the
        colour ones having been turned to grey, $0.299 R + 0.587 G + 0.114 B$, rounded.

    **Returns:** the patches; the label is the photograph, whose name is in `names`.

    **Raises:** `ImportError` where scikit-image is not installed: `pip install 'entropax[photos]'`. `ValueError` where
    `num` or `size` is out of range.
    """
    check_count(num, "num")
    check_count(size, "size")
    check_key(key)
    photographs = _photographs(channels)
    limit = min(min(photograph.shape[1:]) for photograph in photographs.values())
    if size > limit:
        raise ValueError(f"`size` must be from 1 to {limit}, the least side of a photograph; got {size}.")
    # One number for each place in all photographs, one photograph after the other.
    extents = np.asarray([np.asarray(photograph.shape[1:]) - size + 1 for photograph in photographs.values()])
    ends = np.cumsum(extents.prod(1))
    places = np.asarray(jr.randint(key, (num,), 0, int(ends[-1]), jnp.int32))
    labels = np.searchsorted(ends, places, side="right")
    rows, columns = np.divmod(places - np.concatenate([[0], ends])[labels], extents[labels, 1])
    windows = [np.lib.stride_tricks.sliding_window_view(p, (size, size), (1, 2)) for p in photographs.values()]
    pixels = np.stack([windows[k][:, i, j] for k, i, j in zip(labels, rows, columns)])
    return Images(pixels, labels.astype(np.int32), 256, tuple(photographs))


def _photographs(channels: Literal[1, 3]) -> dict[str, np.ndarray]:
    """By name, each of shape `(channels, height, width)`."""
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 1 or 3; got {channels}.")
    # Read as files: skimage.data might fetch what it does not find.
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise ImportError("`natural_patches` needs scikit-image: pip install 'entropax[photos]'.")
    image = imported("PIL.Image", "`natural_patches`", "'entropax[photos]'")
    found = {}
    for name in _COLOUR if channels == 3 else _COLOUR + _GREY:
        path = pathlib.Path(package.origin).parent / "data" / f"{name}.png"
        if not path.is_file():
            raise FileNotFoundError(
                f"The scikit-image that is installed comes without {path.name}; 0.22 to 0.26 have it."
            )
        with image.open(path) as file:
            pixels = np.asarray(file.convert("RGB" if channels == 3 else "L"))
        found[name] = np.moveaxis(pixels.reshape(*pixels.shape[:2], channels), 2, 0)
    return found
