"""Orientation from EXIF, beside Pillow; and what cannot be read changes nothing."""

import dataclasses
import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from alexnet_tf.serving import classifier
from pipelines import decode, exif
from pipelines.cache import in_memory
from pipelines.config import InputConfig, Orientation
from pipelines.dataset import eval_dataset

LEVELS = np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)
PICTURE = Image.fromarray(LEVELS).resize((80, 50), Image.Resampling.BILINEAR)
APPLY = InputConfig(size=8, resize=16, orientation="apply")


def saved(suffix: str, **options) -> bytes:
    file = io.BytesIO()
    PICTURE.save(file, suffix, **options)
    return file.getvalue()


JPEG, PNG = saved("JPEG"), saved("PNG")


def tiff(value, order=">", kind=3, count=1, before=0, gap=0, tag=0x0112) -> bytes:
    """Makes EXIF, `before` other entries first and `gap` bytes before the directory."""
    mark = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(order + "HHI", tag, kind, count)
    entry += struct.pack(
        order + ("HH" if kind == 3 else "I"), *((value, 0) if kind == 3 else (value,))
    )
    others = b"".join(struct.pack(order + "HHII", 0x100 + i, 4, 1, 6) for i in range(before))
    head = mark + struct.pack(order + "I", 8 + gap) + b"\xff" * gap
    return head + struct.pack(order + "H", before + 1) + others + entry + bytes(4)


def segment(code: int, contents: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, 2 + len(contents)) + contents


def in_jpeg(exif_bytes: bytes, before: bytes = b"") -> bytes:
    """Makes a JPEG with EXIF as its first segment, or after others."""
    return JPEG[:2] + before + segment(0xE1, b"Exif\0\0" + exif_bytes) + JPEG[2:]


def in_png(exif_bytes: bytes, is_last: bool = False) -> bytes:
    """Makes a PNG with EXIF before its pixels, or after them."""
    chunk = b"eXIf" + exif_bytes
    chunk = struct.pack(">I", len(exif_bytes)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    place = len(PNG) - 12 if is_last else 33
    return PNG[:place] + chunk + PNG[place:]


class Bytes:
    """A source of given files."""

    classes = ("one",)
    digest = ""

    def __init__(self, *encoded: bytes):
        self.encoded, self.num_examples = encoded, len(encoded)

    def read(self, index):
        return tf.gather(tf.constant(self.encoded), index), tf.constant(0)


@pytest.fixture(scope="module")
def upright():
    """The decoder as a graph."""
    return tf.function(
        lambda encoded: decode.decode(encoded, Orientation.APPLY),
        input_signature=[tf.TensorSpec([], tf.string)],
    )


def by_pillow(contents: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(contents))))


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("order", "<>")
def test_all_orientations_are_those_of_pillow(upright, value, order):
    for contents in (
        in_jpeg(tiff(value, order)),
        in_jpeg(tiff(value, order, kind=4, before=3, gap=5)),
        in_png(tiff(value, order)),
        in_png(tiff(value, order), is_last=True),
    ):
        expected = by_pillow(contents)
        assert (expected.shape == (80, 50, 3)) == (value >= 5)
        np.testing.assert_array_equal(upright(contents), expected)
        np.testing.assert_array_equal(
            decode.decode(tf.constant(contents)), Image.open(io.BytesIO(contents))
        )


PLACES = {
    "after JFIF": segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
    "after XMP": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
    "after a profile": segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(3000)),
    "after a comment": segment(0xFE, b"Exif\0\0" + tiff(3)),
    "after filling": b"\xff" * 5,
    "after nothing": segment(0xFE, b""),
    "after many": segment(0xE2, bytes(65533)) * 20,
}


@pytest.mark.parametrize("name", PLACES)
def test_exif_is_found_wherever_it_stands(upright, name):
    contents = in_jpeg(tiff(6), PLACES[name])
    np.testing.assert_array_equal(upright(contents), by_pillow(contents))
    assert exif.jpeg_orientation(tf.constant(contents)) == 6


UNREADABLE = {
    "no EXIF": b"",
    "0": tiff(0),
    "9": tiff(9),
    "256": tiff(256),
    "a long 65542": tiff(65542, kind=4),
    "a byte": tiff(6 << 24, kind=1),
    "two numbers": tiff(6, count=2),
    "another tag": tiff(6, tag=0x0113),
    "no TIFF": b"no TIFF at all",
    "another order": b"MM*\0" + tiff(6)[4:],
    "a directory far away": b"MM\0*\xff\xff\xff\xff" + tiff(6)[8:],
    "no entries": b"MM\0*\0\0\0\x08\0\0" + bytes(20),
    "many entries": b"MM\0*\0\0\0\x08\xff\xff" + bytes(20),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_changes_nothing(upright, name):
    for contents, decoded in ((in_jpeg(UNREADABLE[name]), JPEG), (in_png(UNREADABLE[name]), PNG)):
        np.testing.assert_array_equal(upright(contents), decode.decode(tf.constant(decoded)))


def test_no_damage_to_exif_loses_a_picture(upright):
    draw, expected = np.random.default_rng(0), decode.decode(tf.constant(JPEG)).numpy()
    whole = tiff(1, before=2)
    for length in range(len(whole)):
        np.testing.assert_array_equal(upright(in_jpeg(whole[:length])), expected)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in draw.integers(0, len(whole), 3):
            damaged[place] = draw.integers(256)
        found = upright(in_jpeg(bytes(damaged))).numpy()
        assert sorted(found.shape) == sorted(expected.shape) and found.sum() == expected.sum()


def test_segments_without_an_end_do_not_lose_a_reason(upright):
    for length in range(2, 200, 13):
        contents = in_jpeg(tiff(6))[:length]
        assert 1 <= int(exif.jpeg_orientation(tf.constant(contents))) <= 8
        assert 1 <= int(exif.png_orientation(tf.constant(in_png(tiff(6))[:length]))) <= 8


@pytest.mark.slow
def test_training_evaluation_cache_and_export_agree():
    source = Bytes(*(in_jpeg(tiff(value)) for value in range(1, 9)))
    plain = dataclasses.replace(APPLY, orientation="ignore")
    expected = [
        decode.to_square(tf.constant(by_pillow(x)), 16, APPLY.resize_rule)[4:12, 4:12]
        for x in source.encoded
    ]
    kept = in_memory(source, APPLY)
    for one in (source, kept):
        found = next(iter(eval_dataset(one, APPLY, 8))).image
        np.testing.assert_array_equal(found, expected)
    served, readable = classifier.windows(tf.constant(source.encoded), APPLY)
    np.testing.assert_array_equal(served, expected)
    assert np.all(readable)
    ignored = next(iter(eval_dataset(source, plain, 8))).image.numpy()
    assert (ignored == ignored[:1]).all()
    with pytest.raises(ValueError, match="have orientation=apply; expected orientation=ignore"):
        eval_dataset(kept, plain, 8)
    with pytest.raises(ValueError, match="have resize_filter=area_cubic; expected"):
        eval_dataset(kept, dataclasses.replace(APPLY, resize_filter="bilinear"), 8)
