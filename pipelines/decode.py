"""Encoded bytes -> a uint8 square, inside the graph: what a network's windows are cut from.

Takes JPEG (RGB, grayscale, CMYK), PNG and BMP, whatever the file is called. The header is read
first, so that a picture that claims an absurd size is refused before memory is taken.
"""

import functools
import os
from collections.abc import Callable

import tensorflow as tf

from pipelines import bmp, exif, kinds
from pipelines.config import DataConfig, Orientation, ResizeFilter, ResizeRule
from pipelines.source import Source, known_reason
from pipelines.typed import choice

Reader = Callable[[tf.Tensor], tf.Tensor]

MAX_PIXELS = DataConfig().max_pixels
"""Larger pictures are refused unless another limit is set."""

# TF 2.21 fails to word some of its errors when the bytes are quoted in them.
UNDECODABLE = (tf.errors.OpError, UnicodeDecodeError)
"""What decoding fails with."""


def picture_size(encoded: tf.Tensor) -> tf.Tensor:
    """Reads height and width from the header of a picture.

    Args:
      encoded: string scalar, a whole file.

    Returns:
      int64 [2]: height and width in pixels, as the file claims them.

    Raises:
      tf.errors.InvalidArgumentError: when run on what is neither JPEG, PNG nor BMP.
    """
    sizes = {kinds.JPEG: _jpeg_size, kinds.PNG: _png_size, kinds.BMP: bmp.size}
    return tf.ensure_shape(_by_kind(encoded, sizes), [2])


def _jpeg_size(encoded: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.int64)


def _png_size(encoded: tf.Tensor) -> tf.Tensor:
    words = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)
    return tf.cast(tf.reverse(words, [0]), tf.int64) & 0xFFFFFFFF


def _by_kind(encoded: tf.Tensor, readers: dict[bytes, Reader]) -> tf.Tensor:
    """Calls the reader for a picture's format; fails where there is none."""

    def other() -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.Assert(False, ["not a JPEG, PNG or BMP"])]):
            return readers[kinds.PNG](encoded)

    cases = [
        (_starts_with(encoded, magic), functools.partial(reader, encoded))
        for magic, reader in readers.items()
    ]
    return tf.case(cases, default=other)


def decode(
    encoded: tf.Tensor,
    orientation: Orientation = Orientation.IGNORE,
    max_pixels: int | tf.Tensor = MAX_PIXELS,
) -> tf.Tensor:
    """Decodes a picture of any size; transparency is dropped, 16 bits become 8.

    Args:
      encoded: string scalar, a whole JPEG, PNG or BMP file.
      orientation: whether the picture is turned and mirrored as its EXIF says.
      max_pixels: the most pixels that it may have.

    Returns:
      uint8 [H, W, 3], RGB.

    Raises:
      tf.errors.InvalidArgumentError: when run on damaged bytes, or on a header that claims more
        than max_pixels.
    """
    orientation = choice("orientation", Orientation, orientation)
    most = tf.cast(max_pixels, tf.float64)

    def jpeg() -> tf.Tensor:
        checked = _checked(encoded, _jpeg_size(encoded), most)
        # By default TF 2.21 takes a faster transform, whose pictures are 0.8 levels too dark.
        image = tf.io.decode_jpeg(checked, channels=3, dct_method="INTEGER_ACCURATE")
        return _turned(image, orientation, checked, exif.jpeg_orientation)

    is_jpeg = _starts_with(encoded, kinds.JPEG)
    image = tf.cond(is_jpeg, jpeg, lambda: _other(orientation)(encoded, most))
    return tf.ensure_shape(image, [None, None, 3])


@functools.cache
def _other(orientation: Orientation) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Makes the function that decodes what is no JPEG, from a file and the most pixels, float64.

    It is one operation in the graph of every JPEG instead of a hundred, and made once for all.
    """

    @tf.function(
        input_signature=[tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.float64)],
        autograph=False,
        experimental_attributes={"_noinline": True},
    )
    def other(encoded: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
        def png(encoded: tf.Tensor) -> tf.Tensor:
            encoded = _checked(encoded, _png_size(encoded), most)
            image = tf.io.decode_png(encoded, channels=3)
            return _turned(image, orientation, encoded, exif.png_orientation)

        def plain(encoded: tf.Tensor) -> tf.Tensor:
            return bmp.decode(_checked(encoded, bmp.size(encoded), most))

        return _by_kind(encoded, {kinds.PNG: png, kinds.BMP: plain})

    return other


def _turned(
    image: tf.Tensor, orientation: Orientation, encoded: tf.Tensor, read: Reader
) -> tf.Tensor:
    """Turns a picture as its file says, where that is asked for."""
    is_ignored = orientation == Orientation.IGNORE
    return image if is_ignored else exif.oriented(image, read(encoded))


def _starts_with(encoded: tf.Tensor, magic: bytes) -> tf.Tensor:
    return tf.strings.substr(encoded, 0, len(magic)) == magic


def _checked(encoded: tf.Tensor, size: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
    """Returns the file unchanged if its size, int64 [2], is at most `most` pixels; else fails."""
    num_pixels = tf.reduce_prod(tf.cast(size, tf.float64))  # two claims of 32 bits overflow int64
    sane = (num_pixels > 0) & (num_pixels <= most)  # no side is negative in any format
    # Of text alone: to print numbers, TF 2.21 adds branches that cost more than the check.
    with tf.control_dependencies([tf.debugging.Assert(sane, ["too large, or empty"])]):
        return tf.identity(encoded)


def to_square(
    image: tf.Tensor,
    side: int,
    rule: ResizeRule,
    resize_filter: ResizeFilter = ResizeFilter.AREA_CUBIC,
) -> tf.Tensor:
    """Turns a picture of any size into a square.

    `shorter_side` cuts the central square and then scales it. Scaling first and then cutting, as
    in the paper's section 2, is the same to within half a pixel of the picture, but takes
    unbounded memory for a long strip. `warp` scales both sides to the same length.

    `area_cubic` averages by area along an axis that shrinks, and interpolates by bicubic (Keys,
    a = -0.5, half-pixel centers) along one that grows. Ties are rounded to even.

    Args:
      image: uint8 [H, W, 3].
      side: side of the square in pixels.
      rule: whether to cut the central square or to squeeze the whole picture.
      resize_filter: how levels between pixels are interpolated.

    Returns:
      uint8 [side, side, 3].
    """
    rule = choice("resize_rule", ResizeRule, rule)
    resize_filter = choice("resize_filter", ResizeFilter, resize_filter)
    if rule == ResizeRule.SHORTER_SIDE:
        image = central_square(image)

    def resized() -> tf.Tensor:
        if resize_filter == ResizeFilter.AREA_CUBIC:
            x = _area_cubic(image, side)
        else:
            antialias = resize_filter == ResizeFilter.ANTIALIAS
            x = tf.image.resize(image, (side, side), "bilinear", antialias=antialias)
        return tf.cast(tf.clip_by_value(tf.round(x), 0.0, 255.0), tf.uint8)  # bicubic overshoots

    has_side = tf.reduce_all(tf.shape(image)[:2] == side)
    return tf.ensure_shape(tf.cond(has_side, lambda: image, resized), [side, side, 3])


def _area_cubic(image: tf.Tensor, side: int) -> tf.Tensor:
    """Averages areas along axes that shrink, then enlarges the others by bicubic; float32."""
    size = tf.shape(image)[:2]

    def cubic(x: tf.Tensor) -> tf.Tensor:
        # Of bytes it gives the same levels, but takes longer than with the copy (TF 2.21).
        return tf.image.resize(tf.cast(x, tf.float32), (side, side), "bicubic")

    def area() -> tf.Tensor:
        x = tf.image.resize(image, tf.minimum(size, side), "area")
        return tf.cond(tf.reduce_any(size < side), lambda: cubic(x), lambda: x)

    return tf.cond(tf.reduce_any(size > side), area, lambda: cubic(image))


def central_square(image: tf.Tensor) -> tf.Tensor:
    """Cuts the largest central square, [H, W, C] -> [S, S, C].

    Of an odd number of pixels to remove, the odd one goes at the right or bottom.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def explain(source: Source, index: int, max_pixels: int = MAX_PIXELS) -> str:
    """Says in a few words why an example cannot be used, to follow `source.name(index)`.

    Args:
      source: numbered examples.
      index: index of the example.
      max_pixels: the most pixels that it may have.

    Returns:
      The reason, without a period.

    Raises:
      OSError: the picture cannot be read, or could not for a moment, for a reason outside it.
    """
    try:
        encoded, _ = source.read(tf.constant(index, tf.int64))
    except tf.errors.NotFoundError:
        return "the file is gone"
    except tf.errors.PermissionDeniedError:
        return "this user may not read it"
    except tf.errors.DataLossError:
        return "its record is damaged, as its checksum says"
    except tf.errors.OpError as error:
        raise OSError(last_words(error)) from error
    except UnicodeDecodeError:  # its name is not UTF-8, so TensorFlow cannot say what it met
        return _unread(source.name(index))
    known = known_reason(source, index)
    if known:
        return known
    contents = encoded.numpy()
    if not contents.startswith((kinds.JPEG, kinds.PNG, kinds.BMP)):
        kind = kinds.kind(contents[: kinds.NUM_BYTES])
        if kind:
            return f"it is {kind}; convert it to JPEG, PNG or BMP"
        return f"its {len(contents)} bytes do not begin like a JPEG, PNG or BMP picture"
    damaged = f"its {len(contents)} bytes are damaged, cut short or of an unknown variety"
    try:
        height, width = map(int, picture_size(encoded).numpy())
    except UNDECODABLE:
        return damaged
    if height * width > max_pixels:
        return f"it claims {width} x {height} pixels; at most {max_pixels} are taken"
    reason = bmp.explain(encoded) if contents.startswith(kinds.BMP) else None
    if reason:
        return f"it is {reason}"
    try:
        decode(encoded, max_pixels=max_pixels)
    except UNDECODABLE:
        return damaged
    raise OSError("reading it failed for a moment; it can be decoded now")


def _unread(path: str) -> str:
    """Asks the system why a file cannot be read, as `explain` says it.

    Raises:
      OSError: it may be read now, or is no file: the name of a record, or its folder is gone too.
    """
    try:
        open(path, "rb").close()
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(path)):
            raise
        return "the file is gone"
    except PermissionError:
        return "this user may not read it"
    raise OSError("reading it failed for a moment; it can be read now")


def last_words(error: tf.errors.OpError) -> str:
    """Extracts the system's reason from a message: node; file; reason [Op:NAME] name: NODE."""
    line = error.message.splitlines()[0] if error.message else type(error).__name__
    return line.rpartition("; ")[2].partition(" [Op:")[0].rstrip(".")
