"""Bytes -> squares: what is taken, what is refused, and by which filter a picture is resized."""

import io
import pathlib
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import decode
from pipelines.config import InputConfig, ResizeRule
from pipelines.parallelism import EXPORTED
from pipelines.rows import Rows
from pipelines.squares import decoded

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
INPUTS = InputConfig(size=8, resize=16)


class Bytes:
    """A source of given bytes, all with the label 3."""

    def __init__(self, *encoded: bytes):
        self.encoded, self.num_examples = encoded, len(encoded)

    def read(self, index):
        return tf.gather(tf.constant(self.encoded), index), tf.constant(3)


def picture(width: int = 30, height: int = 20, mode: str = "RGB") -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    levels = np.stack([8 * x % 256, 11 * y % 256, 5 * (x + y) % 256], -1)
    return Image.fromarray(levels.astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, suffix: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, suffix, **options)
    return file.getvalue()


def with_size(contents: bytes, width: int, height: int) -> bytes:
    """Changes what the header claims."""
    if contents.startswith(b"\x89PNG"):
        return contents[:16] + struct.pack(">II", width, height) + contents[24:]
    if contents.startswith(b"BM"):
        return contents[:18] + struct.pack("<ii", width, height) + contents[26:]
    place = contents.index(b"\xff\xc0") + 5
    return contents[:place] + struct.pack(">HH", height, width) + contents[place + 4 :]


TAKEN = {
    "jpeg": encoded(picture(), "JPEG"),
    "gray jpeg": encoded(picture(mode="L"), "JPEG"),
    "cmyk jpeg": encoded(picture(mode="CMYK"), "JPEG"),
    "progressive jpeg": encoded(picture(), "JPEG", progressive=True),
    "png": encoded(picture(), "PNG"),
    "gray png": encoded(picture(mode="L"), "PNG"),
    "png with alpha": encoded(picture(mode="RGBA"), "PNG"),
    "gray png with alpha": encoded(picture(mode="LA"), "PNG"),
    "png with palette": encoded(picture(mode="P"), "PNG"),
    "png of one bit": encoded(picture(mode="1"), "PNG"),
    "png with a transparent color": encoded(picture(), "PNG", transparency=(0, 0, 0)),
    "png with a transparent palette": encoded(picture(mode="P"), "PNG", transparency=3),
    "png in motion": encoded(
        picture(), "PNG", save_all=True, append_images=[picture().rotate(90), picture().rotate(180)]
    ),
    "jpeg with bytes after its end": encoded(picture(), "JPEG") + bytes(99),
    "jpeg followed by another": encoded(picture(), "JPEG") + encoded(picture(9, 9), "JPEG"),
    "bmp": encoded(picture(), "BMP"),
    "bmp with palette": encoded(picture(mode="P"), "BMP"),
    "bmp of one bit": encoded(picture(mode="1"), "BMP"),
    "bmp with alpha": encoded(picture(mode="RGBA"), "BMP"),
    "one pixel": encoded(picture(1, 1), "JPEG"),
    "3 x 500": encoded(picture(3, 500), "JPEG"),
    "500 x 3": encoded(picture(500, 3), "PNG"),
}
FOREIGN = {
    "a GIF picture": encoded(picture(), "GIF"),
    "a WebP picture": b"RIFF\x24\0\0\0WEBPVP8 ",
    "a TIFF picture": encoded(picture(), "TIFF"),
    "a HEIC picture": b"\0\0\0\x24ftypheic\0\0\0\0mif1heic",
    "an AVIF picture": b"\0\0\0\x20ftypavif\0\0\0\0avifmif1",
    "a film": b"\0\0\0\x18ftypmp42\0\0\0\0",
    "a JPEG 2000 picture": b"\0\0\0\x0cjP  \r\n\x87\n",
    "an icon": encoded(picture(16, 16), "ICO"),
    "a Netpbm picture": encoded(picture(), "PPM"),
    "an SVG drawing": b"\xef\xbb\xbf\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a web page": b"<!DOCTYPE html>\n<html><body>404</body></html>",
}
REFUSED = {
    "nothing": (b"", "its 0 bytes do not begin like a JPEG, PNG or BMP picture"),
    "half a header": (TAKEN["png"][:12], "its 12 bytes are damaged, cut short"),
    "half a png": (TAKEN["png"][:60], "its 60 bytes are damaged, cut short"),
    "half a jpeg": (TAKEN["jpeg"][:-40], "are damaged, cut short"),
    "half a bmp": (TAKEN["bmp"][:-40], "it is a BMP cut short: of 1892 bytes it has 1854"),
    "huge jpeg": (with_size(TAKEN["jpeg"], 65000, 65000), "claims 65000 x 65000 pixels; at most"),
    "huge png": (with_size(TAKEN["png"], 10_001, 10_000), "claims 10001 x 10000 pixels; at most"),
    "huge bmp": (with_size(TAKEN["bmp"], 100_001, -1000), "claims 100001 x 1000 pixels; at most"),
    "hugest png": (with_size(TAKEN["png"], 2**32 - 1, 2**32 - 1), "claims 4294967295 x 4294967295"),
    **{name: (contents, f"it is {name}; convert it to") for name, contents in FOREIGN.items()},
}


@pytest.mark.parametrize("name", TAKEN)
def test_pictures_are_decoded_as_other_programs_decode_them(name):
    found = decode.decode(tf.constant(TAKEN[name]))
    expected = Image.open(io.BytesIO(TAKEN[name])).convert("RGB")
    np.testing.assert_array_equal(found, expected)


def test_sixteen_bits_become_eight():
    levels = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    found = decode.decode(tf.constant(encoded(Image.fromarray(levels), "PNG")))
    np.testing.assert_array_equal(found[..., 0], levels // 256)


def test_an_interlaced_png_is_decoded():
    levels = np.asarray(picture(9, 11))
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
    passes = [levels[y::dy, x::dx] for y, x, dy, dx in (*starts, (1, 0, 2, 1))]
    rows = b"".join(b"\0" + row.tobytes() for part in passes for row in part if row.size)
    header = struct.pack(">IIBBBBB", 9, 11, 8, 2, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    contents = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x))
        for kind, x in chunks
    )
    np.testing.assert_array_equal(decode.decode(tf.constant(contents)), levels)


def test_what_is_bad_keeps_its_place_among_the_good():
    contents, expected = [], []
    for bad, _ in REFUSED.values():
        contents += [TAKEN["jpeg"], bad]
        expected += [True, False]
    source = Bytes(*contents)
    rows = Rows(source=source, inputs=INPUTS, decoding=EXPORTED)
    seen = list(decoded(rows, 0, source.num_examples, 5).unbatch())
    assert len(seen) == source.num_examples
    for i, (index, square, label, good) in enumerate(seen):
        assert (int(index), bool(good)) == (i, expected[i])
        assert int(label) == (3 if good else 0)
        assert np.any(square) == good


@pytest.mark.parametrize("name", REFUSED)
def test_a_reason_is_given_in_a_few_words(name):
    contents, reason = REFUSED[name]
    assert reason in decode.explain(Bytes(contents), 0)


def test_a_good_example_needs_no_excuse():
    with pytest.raises(OSError, match="for a moment; it can be decoded now"):
        decode.explain(Bytes(TAKEN["jpeg"]), 0)


def coverage(size: int, side: int) -> np.ndarray:
    """Computes [side, size]: which part of each new pixel an old one covers."""
    edges = np.arange(side + 1) * size / side
    low = np.maximum(edges[:-1, None], np.arange(size))
    high = np.minimum(edges[1:, None], np.arange(size) + 1)
    return np.maximum(high - low, 0) * side / size


def keys(size: int, side: int) -> np.ndarray:
    """Computes [side, size]: Keys' cubic, a = -0.5, at new centers; fewer taps at the border."""
    centers = (np.arange(side) + 0.5) * size / side - 0.5
    t = np.abs(centers[:, None] - np.arange(size))
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    weights = np.where(t < 1, near, np.where(t < 2, far, 0))
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("height, width, side", [(30, 20, 20), (75, 56, 32), (16, 16, 23)])
@pytest.mark.parametrize("rule", ResizeRule)
def test_axes_shrink_by_area_and_grow_by_bicubic(height, width, side, rule):
    image = np.asarray(picture(width, height))
    if rule == ResizeRule.SHORTER_SIDE:
        cut = (max(height, width) - min(height, width)) // 2
        image = image[cut : cut + width] if height > width else image
    matrices = [keys(n, side) if n < side else coverage(n, side) for n in image.shape[:2]]
    expected = np.einsum("yh,xw,hwc->yxc", *matrices, image.astype(float))
    found = decode.to_square(tf.constant(np.asarray(picture(width, height))), side, rule)
    # A level beside where the exact value lies between two: TF tabulates the cubic in 1024 steps.
    np.testing.assert_allclose(found, np.clip(expected, 0, 255), atol=1.0)


@pytest.mark.parametrize("rule, side", [("warp", 48), ("shorter_side", 28), ("shorter_side", 56)])
def test_the_golden_picture_is_resized_as_ever(rule, side):
    image = decode.decode(tf.io.read_file(str(GOLDEN / "picture.jpg")))
    np.testing.assert_array_equal(image, Image.open(GOLDEN / "picture.png"))
    found = decode.to_square(image, side, ResizeRule(rule)).numpy()
    expected = np.asarray(Image.open(GOLDEN / f"{rule}_{side}.png"))
    # Exact on the machine that drew it; another one's float32 may round a tie the other way.
    np.testing.assert_allclose(found.astype(int), expected, atol=1)


def test_a_square_of_the_right_size_stays_untouched():
    image = tf.constant(np.asarray(picture(24, 16)))
    found = decode.to_square(image, 16, ResizeRule.SHORTER_SIDE)
    np.testing.assert_array_equal(found, image[:, 4:20])
