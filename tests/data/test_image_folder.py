import re
import struct
import sys
import zlib

import numpy as np
import pytest

from entropax.data.images import folder


Image = pytest.importorskip("PIL.Image", reason="folders are read with Pillow, which entropax[plot] brings")

RNG = np.random.default_rng(0)


def picture(height=6, width=5, channels=3):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def refused(path, message, error: type[Exception] = ValueError, **arguments):
    with pytest.raises(error, match=message):
        folder(path, **({"size": (6, 5), "channels": 3} | arguments))


def test_pixels_come_back_in_the_order_of_names(tmp_path):
    pictures = {name: picture() for name in ("b.png", "a.png", "C.PNG")}
    for name, pixels in pictures.items():
        save(tmp_path / name, pixels)
    (tmp_path / ".hidden").write_text("passed over")
    found = folder(tmp_path, size=(6, 5), channels=3)
    np.testing.assert_array_equal(found.pixels, [pictures[k].transpose(2, 0, 1) for k in ("C.PNG", "a.png", "b.png")])
    assert (found.labels, found.levels, found.names, found.shape) == (None, 256, None, (3, 6, 5))


def test_subfolders_are_classes(tmp_path):
    for name, count in (("dog", 2), ("cat", 3)):
        for k in range(count):
            save(tmp_path / name / f"{k}.png", picture(8, 8, 1))
    (tmp_path / ".cache").mkdir()
    found = folder(str(tmp_path), size=8, channels=1)
    assert found.names == ("cat", "dog") and found.shape == (1, 8, 8)
    np.testing.assert_array_equal(found.labels, [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(found.pixels[3, 0], np.asarray(Image.open(tmp_path / "dog" / "0.png")))


def test_grey_colour_palettes_and_opaque_images_mean_the_same(tmp_path):
    grey = picture(6, 5, 1)
    save(tmp_path / "grey.png", grey)
    save(tmp_path / "colour.png", np.stack([grey] * 3, -1))
    save(tmp_path / "opaque.png", np.stack([grey] * 3 + [np.full_like(grey, 255)], -1))
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    for channels in (1, 3):
        found = folder(tmp_path, size=(6, 5), channels=channels)
        np.testing.assert_array_equal(found.pixels, np.broadcast_to(grey, (4, channels, 6, 5)))


def test_colour_becomes_grey_by_its_weights(tmp_path):
    pixels = picture(20, 20)
    save(tmp_path / "a.png", pixels)
    found = folder(tmp_path, size=20, channels=1, minimum=1)
    np.testing.assert_allclose(found.pixels[0, 0], pixels @ [0.299, 0.587, 0.114], atol=0.51)


def test_jpeg_is_read_and_turned_as_the_camera_says(tmp_path):
    # Smooth, so that the compression loses little. Orientation 6: the camera lay on its side.
    pixels = np.stack([np.add.outer(5 * np.arange(32), 2 * np.arange(24)) + 10 * c for c in range(3)], -1)
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a.jpeg", pixels.astype(np.uint8), quality=98, exif=exif)
    found = folder(tmp_path, size=(24, 32), channels=3, minimum=1)
    np.testing.assert_allclose(found.pixels[0].transpose(1, 2, 0), np.rot90(pixels, -1), atol=4)


def test_resizing_by_name(tmp_path):
    pixels = picture(8, 12)
    save(tmp_path / "a.png", pixels)
    save(tmp_path / "b.png", picture(4, 6))
    # The mean of blocks of 2 x 2, but for rounding; and one of each block.
    box = folder(tmp_path, size=(4, 6), channels=3, resize="box").pixels
    np.testing.assert_allclose(box[0], pixels.reshape(4, 2, 6, 2, 3).mean((1, 3)).transpose(2, 0, 1), atol=1.01)
    nearest = folder(tmp_path, size=(4, 6), channels=3, resize="nearest").pixels
    np.testing.assert_array_equal(nearest[0], pixels[1::2, 1::2].transpose(2, 0, 1))
    # An image of the right size is left as it is.
    np.testing.assert_array_equal(box[1], nearest[1])


def test_what_is_not_there(tmp_path):
    refused(tmp_path / "nowhere", "there is no folder", FileNotFoundError)
    refused(tmp_path, "must hold at least 2 images, PNG or JPEG; got 0")
    save(tmp_path / "a.png", picture())
    refused(tmp_path, "must hold at least 2 images, PNG or JPEG; got 1")
    refused(tmp_path, "must hold at least 10 images", minimum=10)


def test_a_broken_file_is_named(tmp_path):
    save(tmp_path / "good.png", picture())
    save(tmp_path / "whole.jpg", picture(64, 64))
    (tmp_path / "whole.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-400])
    name = re.escape(f"'{tmp_path.name}/whole.jpg' is damaged, or no PNG or JPEG image")
    refused(tmp_path, name)
    (tmp_path / "whole.jpg").write_bytes((tmp_path / "good.png").read_bytes()[:-30])
    refused(tmp_path, name)
    (tmp_path / "whole.jpg").write_text("no image")
    refused(tmp_path, name)
    (tmp_path / "whole.jpg").write_bytes(b"")
    refused(tmp_path, name)
    # Whose ending is right and whose decoder is not among the two.
    Image.fromarray(picture()).save(tmp_path / "whole.jpg", format="GIF")
    refused(tmp_path, name)


def test_an_image_of_another_size_is_named(tmp_path):
    save(tmp_path / "a.png", picture())
    save(tmp_path / "tall.png", picture(7, 5))
    refused(tmp_path, "tall.png' is 7 x 5, where `size` wants 6 x 5: give `resize` a method")


def _deep_colour(height: int, width: int) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write."""

    def block(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + RNG.bytes(6 * width) for _ in range(height))
    blocks = block(b"IHDR", head), block(b"IDAT", zlib.compress(rows)), block(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(blocks)


def test_what_eight_bits_do_not_hold_is_named(tmp_path):
    save(tmp_path / "a.png", picture())
    save(tmp_path / "deep.png", RNG.integers(0, 2**16, (6, 5)).astype(np.uint16))
    refused(tmp_path, "deep.png' must have 8 bits a channel, grey or colour; got Pillow's mode 'I")
    # Of colour too, which Pillow cuts to eight bits.
    (tmp_path / "deep.png").write_bytes(_deep_colour(6, 5))
    refused(tmp_path, "deep.png' must have 8 bits a channel; it has 16")
    save(tmp_path / "deep.png", picture(6, 5, 4))
    refused(tmp_path, "deep.png' is transparent in places")


def test_what_is_no_image_is_named(tmp_path):
    save(tmp_path / "a.png", picture())
    (tmp_path / "notes.txt").write_text("notes")
    refused(tmp_path, "notes.txt' is no PNG or JPEG file, by its ending: take it out of the folder")


def test_classes_that_are_none_are_named(tmp_path):
    save(tmp_path / "cat" / "a.png", picture())
    save(tmp_path / "b.png", picture())
    refused(tmp_path, "has sub-folders, which are classes, and 'b.png' beside them")
    (tmp_path / "b.png").unlink()
    (tmp_path / "dog").mkdir()
    refused(tmp_path, "the class 'dog' has no images")
    save(tmp_path / "dog" / "young" / "c.png", picture())
    refused(tmp_path, "young' is a folder in a class")


def test_a_size_out_of_range(tmp_path):
    refused(tmp_path, "`size` must be positive; got 0", size=0)


def test_without_pillow(tmp_path, monkeypatch):
    save(tmp_path / "a.png", picture())
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    refused(tmp_path, "`folder` needs PIL: pip install pillow", ImportError, minimum=1)
