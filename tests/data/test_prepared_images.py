import io
import json
import pathlib
import re
import sys

import numpy as np
import pytest

from entropax.data import images
from entropax.data.images._prepared import _decoded, _LAYOUTS


Image = pytest.importorskip("PIL.Image", reason="prepared images are PNG files, decoded with Pillow")

RNG = np.random.default_rng(0)
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(scope="module")
def tfds():
    pytest.importorskip("array_record", reason="entropax[tfds] is not installed")
    return pytest.importorskip("tensorflow_datasets", reason="entropax[tfds] is not installed")


def pictures(num, shape):
    return RNG.integers(0, 256, (num, *shape), dtype=np.uint8)


def write(tfds, folder, name, version, shape, splits, **changes):
    """A data set as TensorFlow Datasets would prepare it: Pillow's images are written without TensorFlow."""
    features = {
        "image": tfds.features.Image(shape=changes.get("shape", shape), dtype=changes.get("dtype", np.uint8)),
        "label": tfds.features.ClassLabel(**changes.get("label", {"num_classes": 10})),
    }

    with tfds.core.registered.skip_registration():

        class Written(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version(version)

            def _info(self):
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, dl_manager):
                return {split: self._generate_examples(*arrays) for split, arrays in splits.items()}

            def _generate_examples(self, pixels, labels):
                for k, (image, label) in enumerate(zip(pixels, labels)):
                    yield k, {"image": Image.fromarray(image.squeeze()), "label": int(label)}

    Written.name = name
    Written(data_dir=folder, file_format="array_record").download_and_prepare()
    return pathlib.Path(folder) / name / version


def write_mnist(tfds, folder, shape=(28, 28, 1), num=3, labels=(7, 0, 9), **changes):
    return write(tfds, folder, "mnist", "3.0.1", shape, {"train": (pictures(num, shape), labels)}, **changes)


def same(found, pixels, labels):
    """Whether these are the images, in whichever order, with their labels."""
    as_written = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    rows = sorted((*row, label) for row, label in zip(as_written.tolist(), labels.tolist()))
    read = found.pixels.reshape(len(found), -1).tolist()
    return sorted((*row, label) for row, label in zip(read, found.labels.tolist())) == rows


def test_mnist_from_array_records_without_tensorflow(tfds, tmp_path):
    train, test = (pictures(30, (28, 28, 1)), np.arange(30) % 10), (pictures(4, (28, 28, 1)), np.asarray([3, 1, 4, 1]))
    write(tfds, tmp_path, "mnist", "3.0.1", (28, 28, 1), {"train": train, "test": test})
    found = images.mnist(data_dir=tmp_path)
    assert same(found, *train) and same(images.mnist("test", data_dir=str(tmp_path)), *test)
    assert (found.shape, found.levels, found.names) == ((1, 28, 28), 256, tuple("0123456789"))
    part = images.mnist("train[:40%]", data_dir=tmp_path)
    np.testing.assert_array_equal(part.pixels, found.pixels[:12])
    np.testing.assert_array_equal(part.labels, np.asarray(found.labels)[:12])
    assert "tensorflow" not in sys.modules
    with pytest.raises(ValueError, match="Unknown split 'trian'"):
        images.mnist("trian", data_dir=tmp_path)


def test_cifar10_from_array_records_with_the_names_of_its_classes(tfds, tmp_path):
    train = pictures(20, (32, 32, 3)), np.arange(20) % 10
    label = {"names": list(NAMES)}
    write(tfds, tmp_path, "cifar10", "3.0.2", (32, 32, 3), {"train": train}, label=label)
    found = images.cifar10(data_dir=tmp_path)
    assert same(found, *train) and found.names == NAMES and found.shape == (3, 32, 32)


def test_what_is_not_prepared_says_how_to(tfds, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        images.mnist(data_dir=tmp_path)
    message = str(error.value)
    assert f"mnist is not prepared in '{tmp_path}/mnist/3.0.1'. Once, with a network: " in message
    assert "pip install 'entropax[tfds-prepare]' && " in message
    # The program in it is one, as a shell hands it to Python.
    program = re.search(r'-c "(.*)"$', message)
    assert program is not None
    code = program[1].replace('\\"', '"')
    compile(code, "message", "exec")
    assert code == f'import entropax as ex; ex.data.images.prepare("mnist", data_dir="{tmp_path}")'


def test_files_of_another_format_are_refused(tfds, tmp_path):
    info = write_mnist(tfds, tmp_path) / "dataset_info.json"
    written = json.loads(info.read_text())
    info.write_text(json.dumps(written | {"fileFormat": "tfrecord"}))
    with pytest.raises(ValueError, match="in files of format tfrecord, which are read with TensorFlow: prepare it in"):
        images.mnist(data_dir=tmp_path)


def test_what_is_declared_must_be_mnist(tfds, tmp_path):
    wrong = {
        "images must have shape (28, 28, 1); got (32, 32, 1)": dict(shape=(32, 32, 1)),
        "images must be of dtype uint8; got uint16": dict(dtype=np.uint16),
        "there must be 10 classes; got 12": dict(label={"num_classes": 12}),
    }
    for k, (message, changes) in enumerate(wrong.items()):
        write_mnist(tfds, tmp_path / str(k), **changes)
        with pytest.raises(ValueError, match=re.escape(message)):
            images.mnist(data_dir=tmp_path / str(k))


def test_a_label_out_of_range_in_the_files_is_found(tfds, tmp_path):
    path = write_mnist(tfds, tmp_path, labels=(7, 11, 9), label={"num_classes": 12})
    features = path / "features.json"
    assert '"12"' in features.read_text()
    features.write_text(features.read_text().replace('"12"', '"10"'))
    with pytest.raises(ValueError, match="split 'train', example [012]: the label must be from 0 to 9; got 11"):
        images.mnist(data_dir=tmp_path)


def png(pixels, file_format="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format)
    return buffer.getvalue()


def test_each_example_is_looked_at():
    good = {"image": png(pictures(1, (28, 28))[0]), "label": 3}
    pixels, labels = _decoded([good], _LAYOUTS["mnist"], "here")
    assert pixels.shape == (1, 1, 28, 28) and labels.dtype == np.int32
    wrong = {
        "the image must be 28 x 28; got 28 x 32": {"image": png(pictures(1, (28, 32))[0])},
        "the image must be of mode 'L', 8 bits; got 'I": {"image": png(np.full((28, 28), 300, np.uint16))},
        "the image must be of mode 'L', 8 bits; got 'RGB'": {"image": png(pictures(1, (28, 28, 3))[0])},
        "the image is damaged, or no PNG": {"image": good["image"][:-40]},
        "the image is damaged, or no PNG:": {"image": png(pictures(1, (28, 28))[0], "JPEG")},
        "the label must be from 0 to 9; got 10": {"label": 10},
        "the label must be from 0 to 9; got -1": {"label": -1},
    }
    for message, changes in wrong.items():
        with pytest.raises(ValueError, match=f"here, example 1: {re.escape(message)}"):
            _decoded([good, good | changes], _LAYOUTS["mnist"], "here")
    with pytest.raises(ValueError, match="here is empty"):
        _decoded([], _LAYOUTS["mnist"], "here")


def test_what_is_missing_is_named_by_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    for read in (images.mnist, images.cifar10):
        with pytest.raises(ImportError, match=r"needs tensorflow_datasets: pip install 'entropax\[tfds\]'"):
            read(data_dir=tmp_path)
    with pytest.raises(ImportError, match=r"`prepare` needs tensorflow_datasets: pip install 'entropax\[tfds-prepare"):
        images.prepare("mnist", data_dir=tmp_path)


def test_preparing_without_tensorflow_names_its_extra(tfds, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"`prepare` needs tensorflow: pip install 'entropax\[tfds-prepare\]'"):
        images.prepare("cifar10", data_dir=tmp_path)
    assert not list(tmp_path.iterdir())
