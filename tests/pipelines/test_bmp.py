"""BMP in the variants that programs write, made here byte by byte, beside Pillow."""

import io
import itertools
import struct
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import decode

HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
HEIGHT = 3
MASKS = {
    (16, "meant"): (0x7C00, 0x3E0, 0x1F),
    (16, "565"): (0xF800, 0x7E0, 0x1F),
    (16, "555"): (0x7C00, 0x3E0, 0x1F),
    (16, "444"): (0xF00, 0xF0, 0xF),
    (16, "bgr"): (0x1F, 0x7E0, 0xF800),
    (16, "231"): (0x30, 0xE, 0x1),
    (24, "meant"): (0xFF0000, 0xFF00, 0xFF),
    (24, "rgb"): (0xFF, 0xFF00, 0xFF0000),
    (32, "meant"): (0xFF0000, 0xFF00, 0xFF),
    (32, "bgrx"): (0xFF0000, 0xFF00, 0xFF),
    (32, "rgbx"): (0xFF, 0xFF00, 0xFF0000),
    (32, "xbgr"): (0xFF000000, 0xFF0000, 0xFF00),
    (32, "xrgb"): (0xFF00, 0xFF0000, 0xFF000000),
    (32, "bgxr"): (0xFF000000, 0xFF00, 0xFF),
    (32, "101010"): (0x3FF00000, 0xFFC00, 0x3FF),
    (32, "111110"): (0xFFE00000, 0x1FFC00, 0x3FF),
    (32, "odd"): (0x1FE, 0x3FC00, 0x80000000),
    (32, "no blue"): (0xFF0000, 0xFF00, 0),
}


def bmp(header, bits, width=7, *, masks=None, top_down=False, gap=0, surplus=0, compression=0):
    """Packs a picture of random levels: the file, and uint8 [HEIGHT, width, 3]."""
    draw, palette = np.random.default_rng(bits + width), b""
    values = draw.integers(0, 1 << bits, (HEIGHT, width))
    if bits <= 8:
        colors = draw.integers(0, 256, (1 << bits, 3 if header == 12 else 4), np.uint8)
        palette, expected = colors.tobytes(), colors[values][..., 2::-1]
    else:
        expected = by_masks(values, masks or MASKS[bits, "meant"])
    height = -HEIGHT if top_down else HEIGHT
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        compression = 3 if masks else compression
        head = struct.pack("<IiiHHI", header, width, height, 1, bits, compression).ljust(40, b"\0")
        head = (head + struct.pack("<3I", *masks or (0, 0, 0)))[: max(header, 52 if masks else 0)]
        head = head.ljust(header, b"\0")
    start = 14 + len(head) + len(palette) + gap
    pixels = b"".join(packed(row, bits) for row in (values if top_down else values[::-1]))
    head = struct.pack("<2sIII", b"BM", start + len(pixels), 0, start) + head
    return head + palette + bytes(gap) + pixels + bytes(surplus), expected.astype(np.uint8)


def by_masks(values, masks):
    """Takes levels out of pixels; the highest becomes 255."""
    lowest = [mask & -mask or 1 for mask in masks]
    levels = [
        (values & mask) // low * 255 // (mask // low or 1)
        for mask, low in zip(masks, lowest, strict=True)
    ]
    return np.stack(levels, axis=-1)


def packed(row, bits) -> bytes:
    """Packs one row, padded to a multiple of 4 bytes."""
    num_bytes = -(-len(row) * bits // 32) * 4
    if bits > 8:
        return b"".join(int(x).to_bytes(bits // 8, "little") for x in row).ljust(num_bytes, b"\0")
    text = "".join(f"{value:0{bits}b}" for value in row).ljust(8 * num_bytes, "0")
    return int(text, 2).to_bytes(num_bytes)


def variants():
    """Names and arguments of some hundreds."""
    for header, bits, width in itertools.product(HEADERS, (1, 2, 4, 8, 16, 24, 32), (1, 7, 8)):
        for top_down, gap, surplus in ((False, 0, 0), (False, 10, 2), (True, 0, 2), (True, 10, 0)):
            if not (top_down and header == 12):
                yield header, bits, width, dict(top_down=top_down, gap=gap, surplus=surplus)
    for header, ((bits, name), masks) in itertools.product((40, 52, 56, 108, 124), MASKS.items()):
        if name != "meant":
            yield header, bits, 7, dict(masks=masks, surplus=3)


@pytest.fixture(scope="module")
def decoded():
    """The decoder as a graph, as datasets and exports have it."""
    return tf.function(decode.decode, input_signature=[tf.TensorSpec([], tf.string)])


def by_pillow(contents: bytes) -> np.ndarray | None:
    """Decodes with Pillow; returns None where it refuses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(Image.open(io.BytesIO(contents)).convert("RGB"))
    except (OSError, ValueError):
        return None


def test_every_variant_is_decoded_as_it_was_packed_and_as_pillow_decodes_it(decoded):
    num, num_pillow = 0, 0
    for header, bits, width, options in variants():
        contents, expected = bmp(header, bits, width, **options)
        what = f"header={header}, bits={bits}, width={width}, {options}"
        np.testing.assert_array_equal(decoded(contents), expected, err_msg=what)
        pillow = by_pillow(contents)
        if pillow is not None:
            np.testing.assert_array_equal(pillow, expected, err_msg=f"Pillow: {what}")
        num, num_pillow = num + 1, num_pillow + (pillow is not None)
    assert num > 600 and num_pillow > 400, (num, num_pillow)


def changed(contents: bytes, place: int, form: str, *values) -> bytes:
    """Writes other numbers at a place."""
    new = struct.pack("<" + form, *values)
    return contents[:place] + new + contents[place + len(new) :]


PLAIN = {bits: bmp(40, bits)[0] for bits in (4, 8, 16, 24, 32)}
REFUSED = {
    "RLE8": (bmp(40, 8, compression=1)[0], "it is a BMP compressed by RLE8"),
    "RLE4": (bmp(124, 4, compression=2)[0], "it is a BMP compressed by RLE4"),
    "Huffman": (bmp(64, 1, compression=3)[0], "it is a BMP compressed by Huffman codes"),
    "RLE24": (bmp(64, 24, compression=4)[0], "it is a BMP compressed by RLE24"),
    "JPEG": (changed(bmp(40, 24, compression=4)[0], 28, "H", 0), "compressed as a JPEG within"),
    "PNG": (changed(bmp(40, 24, compression=5)[0], 28, "H", 0), "compressed as a PNG within"),
    "CMYK": (bmp(40, 32, compression=11)[0], "compressed by the unknown method 11"),
    "48 bits": (changed(PLAIN[24], 28, "H", 48), "it is a BMP of 48 bits a pixel"),
    "masks with gaps": (bmp(56, 32, masks=(0xF0F, 0xF0, 0xF000))[0], "masks that are not colors'"),
    "wide masks": (bmp(56, 32, masks=(0x1FFFF, 0, 1 << 31))[0], "masks that are not colors'"),
    "high masks": (bmp(40, 16, masks=(0x1F0000, 0x3E0, 0x1F))[0], "masks that are not colors'"),
    "24 bits, odd": (bmp(40, 24, masks=(0xF000, 0xF00, 0xF0))[0], "masks that are not colors'"),
    "masked palette": (changed(PLAIN[8], 30, "I", 3), "masks that are not colors'"),
    "other header": (changed(PLAIN[24], 14, "I", 200), "an unknown header of 200 bytes"),
    "no header": (b"BM", "an unknown header of 0 bytes"),
    "pixels in header": (changed(PLAIN[24], 10, "I", 50), "a BMP with a damaged header"),
    "no width": (changed(PLAIN[24], 18, "i", 0), "a BMP with a damaged header"),
    "negative width": (changed(PLAIN[24], 18, "i", -7), "a BMP with a damaged header"),
    "far pixels": (changed(PLAIN[24], 10, "I", 2**32 - 1), "a BMP cut short"),
    "wider": (changed(PLAIN[24], 18, "i", 9), "cut short: of 137 bytes it has 126"),
    "cut": (PLAIN[24][:-5], "cut short: of 123 bytes it has 121"),
    "huge": (
        changed(PLAIN[24], 18, "ii", 2**31 - 1, -(2**31)),
        "it claims 2147483647 x 2147483648",
    ),
    "bitmap array": (b"BA" + PLAIN[24][2:], "it is an OS/2 bitmap array; convert it"),
}


class Bytes:
    """A source of one file."""

    def __init__(self, contents: bytes):
        self._contents = contents

    def read(self, index):
        return tf.constant(self._contents), tf.constant(0)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_with_its_true_reason(name, decoded):
    contents, reason = REFUSED[name]
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded(contents)
    assert reason in decode.explain(Bytes(contents), 0)


def test_only_the_filling_of_the_last_row_may_be_missing(decoded):
    contents, expected = bmp(40, 24)  # 3 rows of 21 bytes and 3 to fill them
    for length in range(len(contents) - 3, len(contents) + 1):
        np.testing.assert_array_equal(decoded(contents[:length]), expected)
    for length in range(2, len(contents) - 3):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decoded(contents[:length])


def test_damaged_headers_are_decoded_as_pillow_does_or_refused(decoded):
    draw, num_taken = np.random.default_rng(0), 0
    for _ in range(500):
        header, bits = draw.choice(HEADERS), draw.choice((1, 4, 8, 16, 24, 32))
        contents = bytearray(bmp(int(header), int(bits), gap=4 if header != 12 else 0)[0])
        for place in draw.integers(2, min(14 + header, 70), 2):
            contents[place] = draw.choice((0, 1, 3, 8, 16, 255, draw.integers(256)))
        try:
            found = decoded(bytes(contents)).numpy()
        except tf.errors.InvalidArgumentError:
            continue
        pillow = by_pillow(bytes(contents))
        if pillow is not None:
            num_taken += 1
            np.testing.assert_array_equal(found, pillow, err_msg=bytes(contents).hex())
    assert num_taken > 100
