import io
import pathlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from ._extras import imported
from ._images import Images
from ._png import png_bits


Name = Literal["mnist", "cifar10"]


class _Layout(NamedTuple):
    """Of an example: the shape of its image, height first, and the number of labels."""

    shape: tuple[int, int, int]
    classes: int


_LAYOUTS: dict[Name, _Layout] = {"mnist": _Layout((28, 28, 1), 10), "cifar10": _Layout((32, 32, 3), 10)}

# What Pillow calls 8 bits of grey, and of colour.
_MODE_OF = {1: "L", 3: "RGB"}

# Read at a time.
_CHUNK = 1_000


def mnist(split: str = "train", *, data_dir: str | pathlib.Path | None = None) -> Images:
    """MNIST, 28 x 28 handwritten digits, as prepared by TensorFlow Datasets. TensorFlow is not needed to read it, and
    nothing is downloaded: see [`entropax.data.images.prepare`][]. Reading takes some seconds.

    **Arguments:**

    - `split`: `"train"` (60 000 images), `"test"` (10 000), or a part of one: `"train[:80%]"`.
    - `data_dir`: where it was prepared; TensorFlow Datasets' own folder by default.

    **Returns:** the images, their labels, and the names of these.

    **Raises:** `ImportError` where tensorflow-datasets is not installed: `pip install 'entropax[tfds]'`.
    `FileNotFoundError` where the data are not prepared, and `ValueError` where they are not in array_record files, or
    their shape, dtype or labels are not those of the data set.
    """
    return _read("mnist", split, data_dir)


def cifar10(split: str = "train", *, data_dir: str | pathlib.Path | None = None) -> Images:
    """CIFAR-10, 32 x 32 colour photographs of ten kinds of things, as prepared by TensorFlow Datasets.

    **Arguments:** as [`entropax.data.images.mnist`][], `"train"` having 50 000 images.

    **Returns:** the images, their labels, and the names of these.

    **Raises:** as [`entropax.data.images.mnist`][].
    """
    return _read("cifar10", split, data_dir)


def prepare(name: Name, *, data_dir: str | pathlib.Path | None = None) -> pathlib.Path:
    """Downloads a data set and writes it to array_record files, once; this alone needs TensorFlow, and a network.

    **Arguments:**

    - `name`: `"mnist"` or `"cifar10"`.
    - `data_dir`: where to; TensorFlow Datasets' own folder by default.

    **Returns:** the folder that holds the files.

    **Raises:** `ImportError` where tensorflow or tensorflow-datasets is not installed:
    `pip install 'entropax[tfds-prepare]'`.
    """
    if name not in _LAYOUTS:
        raise ValueError(f"`name` must be one of {sorted(_LAYOUTS)}; got {name!r}.")
    tfds = imported("tensorflow_datasets", "`prepare`", "'entropax[tfds-prepare]'")
    imported("tensorflow", "`prepare`", "'entropax[tfds-prepare]'")
    builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare()
    return pathlib.Path(builder.data_path)


def _read(name: Name, split: str, data_dir: str | pathlib.Path | None) -> Images:
    what = f"`{name}`"
    tfds = imported("tensorflow_datasets", what, "'entropax[tfds]'")
    imported("array_record.python.array_record_data_source", what, "'entropax[tfds]'")
    builder = tfds.builder(name, data_dir=data_dir)
    path = pathlib.Path(builder.data_path)
    if not builder.is_prepared():
        raise FileNotFoundError(_how_to_prepare(name, path, data_dir))
    # By what the files say of themselves, which the builder of that name does not ask.
    builder = tfds.builder_from_directory(path)
    if builder.info.file_format.value != "array_record":
        raise ValueError(
            f"{name} in {str(path)!r} is prepared in files of format {builder.info.file_format.value}, which are read "
            f"with TensorFlow: prepare it in another `data_dir`. {_command(name, 'ANOTHER')}"
        )
    features, layout = builder.info.features, _LAYOUTS[name]
    _check_features(features, layout, str(path))
    # Images as they lie in the files: the decoder of TensorFlow Datasets would cut 16 bits to 8 without a word.
    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    starts = range(0, len(source), _CHUNK)
    chunks = (source.__getitems__(list(range(k, min(k + _CHUNK, len(source))))) for k in starts)
    pixels, labels = _decoded((example for chunk in chunks for example in chunk), layout, f"{name}, split {split!r}")
    return Images(pixels, labels, 256, tuple(features["label"].names))


def _check_features(features: Any, layout: _Layout, where: str) -> None:
    """What is declared of all examples."""
    missing = {"image", "label"} - set(features)
    if missing:
        raise ValueError(f"{where!r} must have the features image and label; {sorted(missing)} are missing.")
    image, label = features["image"], features["label"]
    if image.np_dtype != np.uint8:
        raise ValueError(f"{where!r}: images must be of dtype uint8; got {np.dtype(image.np_dtype)}.")
    if tuple(image.shape) != layout.shape:
        raise ValueError(f"{where!r}: images must have shape {layout.shape}; got {tuple(image.shape)}.")
    if getattr(label, "num_classes", None) != layout.classes:
        found = getattr(label, "num_classes", "no labels")
        raise ValueError(f"{where!r}: there must be {layout.classes} classes; got {found}.")


def _decoded(examples: Iterable[Mapping], layout: _Layout, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels, channels first, and labels, each example having been looked at: files may differ from what is declared,
    which nobody checks when they are written or read."""
    pillow = imported("PIL.Image", where, "'entropax[tfds]'")
    *sizes, channels = layout.shape
    mode = _MODE_OF[channels]
    pixels, labels = [], []
    for k, example in enumerate(examples):
        try:
            with pillow.open(io.BytesIO(example["image"]), formats=("PNG",)) as file:
                image = file.copy()
        except Exception as error:
            raise ValueError(f"{where}, example {k}: the image is damaged, or no PNG: {error}") from error
        if image.mode != mode:
            raise ValueError(f"{where}, example {k}: the image must be of mode {mode!r}, 8 bits; got {image.mode!r}.")
        if (bits := png_bits(example["image"])) > 8:
            raise ValueError(f"{where}, example {k}: the image must have 8 bits a channel; it has {bits}.")
        if [image.height, image.width] != sizes:
            raise ValueError(
                f"{where}, example {k}: the image must be {sizes[0]} x {sizes[1]}; got {image.height} x {image.width}."
            )
        label = example["label"]
        if not 0 <= label < layout.classes:
            raise ValueError(f"{where}, example {k}: the label must be from 0 to {layout.classes - 1}; got {label}.")
        pixels.append(np.moveaxis(np.asarray(image).reshape(layout.shape), 2, 0))
        labels.append(label)
    if not pixels:
        raise ValueError(f"{where} is empty.")
    return np.stack(pixels), np.asarray(labels, np.int32)


def _how_to_prepare(name: Name, path: pathlib.Path, data_dir: str | pathlib.Path | None) -> str:
    return f"{name} is not prepared in {str(path)!r}. Once, with a network: {_command(name, data_dir)}"


def _command(name: Name, data_dir: str | pathlib.Path | None) -> str:
    place = "" if data_dir is None else f', data_dir=\\"{data_dir}\\"'
    program = f'import entropax as ex; ex.data.images.prepare(\\"{name}\\"{place})'
    return f"pip install 'entropax[tfds-prepare]' && {pathlib.Path(sys.executable).name} -c \"{program}\""
