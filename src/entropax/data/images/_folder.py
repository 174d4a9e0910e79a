import io
import pathlib
from typing import get_args, Literal

import numpy as np

from .._checks import check_whole
from ._extras import imported
from ._images import Images
from ._png import png_bits


Resize = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

_SUFFIXES = (".png", ".jpg", ".jpeg")

# What can be brought to 8-bit grey or colour without a choice to be made, and what an 8-bit mode is called.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_MODE_OF = {1: "L", 3: "RGB"}


def folder(
    path: str | pathlib.Path,
    *,
    size: int | tuple[int, int],
    channels: Literal[1, 3],
    resize: Resize | None = None,
    minimum: int = 2,
) -> Images:
    """The images of a folder, PNG or JPEG, in the order of their names; each of its sub-folders, if it has any, is a
    class of that name.

    They are turned as their camera says. Hidden files are passed over, and anything else that is no image is refused:
    nothing is left out in silence.

    **Arguments:**

    - `path`: the folder.
    - `size`: the height and width of the images: one number for squares.
    - `channels`: 1 for grey, 3 for colour. Colour becomes grey as in [`entropax.data.images.natural_patches`][].
    - `resize`: the method, of Pillow, by which images of another size are brought to `size`, in whatever proportions
        they are; `None` to refuse them.
    - `minimum`: how many images there must be.

    **Returns:** the images, of 256 levels; with sub-folders, the labels too.

    **Raises:** `FileNotFoundError` where there is no such folder, `ImportError` where Pillow is not installed, and
    `ValueError` that names the file which cannot be read, is of another size, has more than 8 bits a pixel or lets
    something shine through, or is no image; or where there are both images and sub-folders, or too few images.
    """
    path = pathlib.Path(path)
    sizes = size if isinstance(size, tuple | list) else (size, size)
    if len(sizes) != 2:
        raise ValueError(f"`size` must be one number, or the height and the width; got {size}.")
    for side in sizes:
        check_whole(side, "size")
    if min(sizes) < 1:
        raise ValueError(f"`size` must be positive; got {size}.")
    if channels not in _MODE_OF:
        raise ValueError(f"`channels` must be 1 or 3; got {channels}.")
    if resize is not None and resize not in get_args(Resize):
        raise ValueError(f"`resize` must be one of {get_args(Resize)}, or None; got {resize!r}.")
    if not path.is_dir():
        raise FileNotFoundError(f"`path`: there is no folder {str(path)!r}.")
    files, labels, names = _listing(path)
    if len(files) < minimum:
        raise ValueError(f"{str(path)!r} must hold at least {minimum} images, PNG or JPEG; got {len(files)}.")
    pixels = np.stack([_read(file, path, sizes, channels, resize) for file in files])
    return Images(pixels, labels, 256, names)


def _listing(path: pathlib.Path) -> tuple[list[pathlib.Path], np.ndarray | None, tuple[str, ...] | None]:
    """The files, the labels and their names."""
    entries = _visible(path)
    folders = [entry for entry in entries if entry.is_dir()]
    if not folders:
        return [_image(entry, path) for entry in entries], None, None
    for entry in entries:
        if not entry.is_dir():
            raise ValueError(
                f"{str(path)!r} has sub-folders, which are classes, and {entry.name!r} beside them: move it to one."
            )
    files, labels = [], []
    for label, inner in enumerate(folders):
        found = _visible(inner)
        if not found:
            raise ValueError(f"{str(path)!r}: the class {inner.name!r} has no images.")
        files += [_image(entry, path) for entry in found]
        labels += [label] * len(found)
    return files, np.asarray(labels, np.int32), tuple(inner.name for inner in folders)


def _visible(path: pathlib.Path) -> list[pathlib.Path]:
    return sorted((entry for entry in path.iterdir() if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _image(entry: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
    if entry.is_dir() or entry.suffix.lower() not in _SUFFIXES:
        what = "a folder in a class" if entry.is_dir() else "no PNG or JPEG file, by its ending"
        raise ValueError(f"{_within(entry, path)} is {what}: take it out of the folder.")
    return entry


def _within(file: pathlib.Path, path: pathlib.Path) -> str:
    return repr(str(file.relative_to(path.parent)))


def _read(
    file: pathlib.Path, path: pathlib.Path, sizes: tuple[int, int], channels: Literal[1, 3], resize: Resize | None
) -> np.ndarray:
    pillow = imported("PIL.Image", "`folder`", "pillow")
    operations = imported("PIL.ImageOps", "`folder`", "pillow")
    name = _within(file, path)
    try:
        content = file.read_bytes()
        with pillow.open(io.BytesIO(content), formats=("PNG", "JPEG")) as opened:
            image = operations.exif_transpose(opened)
    # The decoders raise a dozen kinds of exceptions.
    except Exception as error:
        raise ValueError(f"{name} is damaged, or no PNG or JPEG image: {error}") from error
    if image.mode not in _MODES:
        raise ValueError(f"{name} must have 8 bits a channel, grey or colour; got Pillow's mode {image.mode!r}.")
    if (bits := png_bits(content)) > 8:
        raise ValueError(f"{name} must have 8 bits a channel; it has {bits}.")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise ValueError(f"{name} is transparent in places: put it on a background first.")
    # Grey by way of colour, since what is transparent nowhere may still say that it could be.
    image = image.convert("RGB").convert(_MODE_OF[channels])
    if (image.height, image.width) != sizes:
        if resize is None:
            raise ValueError(
                f"{name} is {image.height} x {image.width}, where `size` wants {sizes[0]} x {sizes[1]}: give `resize` "
                "a method, or sort it out."
            )
        image = image.resize(sizes[::-1], pillow.Resampling[resize.upper()])
    pixels = np.asarray(image).reshape(*sizes, channels)
    return np.moveaxis(pixels, 2, 0)
