"""Encoded bytes -> a uint8 square, inside the graph: what a network's windows are cut from.

Takes JPEG (RGB, greyscale, CMYK), PNG and BMP, whatever the file is called. The header is read
first, so that a picture that claims an absurd size is refused before memory is taken.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from pipelines import bmp, exif, kinds
from pipelines.config import DataConfig, InputConfig, Orientation, ResizeFilter, ResizeRule
from pipelines.parallelism import EXPORTED, Decoding
from pipelines.sources import Source
from pipelines.typed import choice

Reader = Callable[[tf.Tensor], tf.Tensor]

MAX_PIXELS = DataConfig().max_pixels
"""Larger pictures are refused unless another limit is set."""

# TF 2.21 fails to word some of its errors when the bytes are quoted in them.
_UNDECODABLE = (tf.errors.OpError, UnicodeDecodeError)


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
    """Calls the reader of the kind that a picture is of; fails where there is none."""

    def other() -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.Assert(False, ["not a JPEG, PNG or BMP"])]):
            return readers[kinds.JPEG](encoded)

    cases = [
        (tf.strings.substr(encoded, 0, len(magic)) == magic, functools.partial(reader, encoded))
        for magic, reader in readers.items()
    ]
    return tf.case(cases, default=other)


@tf.autograph.experimental.do_not_convert  # converting takes longer than tracing
def decode(
    encoded: tf.Tensor,
    orientation: Orientation = Orientation.IGNORE,
    max_pixels: int = MAX_PIXELS,
) -> tf.Tensor:
    """Decodes a picture of any size; transparency is dropped, 16 bits become 8.

    Args:
      encoded: string scalar, a whole JPEG, PNG or BMP file.
      orientation: whether the picture is turned and mirrored as its EXIF says.
      max_pixels: that it may have.

    Returns:
      uint8 [H, W, 3], RGB.

    Raises:
      tf.errors.InvalidArgumentError: when run on damaged bytes, or on a header that claims more
        than max_pixels.
    """
    orientation = choice("orientation", Orientation, orientation)

    def checked(encoded: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        return _checked(encoded, size, max_pixels)

    def turned(image: tf.Tensor, read: Reader) -> tf.Tensor:
        is_ignored = orientation == Orientation.IGNORE
        return image if is_ignored else exif.oriented(image, read(encoded))

    def jpeg(encoded: tf.Tensor) -> tf.Tensor:
        encoded = checked(encoded, _jpeg_size(encoded))
        # By default TF 2.21 takes a faster transform, whose pictures are 0.8 levels too dark.
        image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
        return turned(image, exif.jpeg_orientation)

    def png(encoded: tf.Tensor) -> tf.Tensor:
        encoded = checked(encoded, _png_size(encoded))
        return turned(tf.io.decode_png(encoded, channels=3), exif.png_orientation)

    def plain(encoded: tf.Tensor) -> tf.Tensor:
        return bmp.decode(checked(encoded, bmp.size(encoded)))

    image = _by_kind(encoded, {kinds.JPEG: jpeg, kinds.PNG: png, kinds.BMP: plain})
    return tf.ensure_shape(image, [None, None, 3])


def _checked(encoded: tf.Tensor, size: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Returns the file again, if its size, int64 [2], is one that may be decoded."""
    height, width = tf.unstack(size, num=2)
    sane = (height > 0) & (width > 0) & (height <= max_pixels // tf.maximum(width, 1))
    with tf.control_dependencies([tf.debugging.Assert(sane, ["size", height, width])]):
        return tf.identity(encoded)


def to_square(
    image: tf.Tensor,
    side: int,
    rule: ResizeRule,
    resize_filter: ResizeFilter = ResizeFilter.AREA_CUBIC,
) -> tf.Tensor:
    """Makes a square of a picture of any size.

    `shorter_side` cuts the central square and then scales it. Scaling first and cutting then, as
    the paper's section 2 words it, is the same to within half a pixel of the picture, but takes
    unbounded memory for a long strip. `warp` scales both sides, whatever they are.

    By `area_cubic` an axis that shrinks is averaged by area; one that grows is interpolated by
    bicubic (Keys, a = -0.5, half-pixel centers). Rounding is to the nearest level, ties to even.

    Args:
      image: uint8 [H, W, 3].
      side: of the square in pixels.
      rule: how both sides come to be equal.
      resize_filter: how levels between pixels are found.

    Returns:
      uint8 [side, side, 3].
    """
    rule = choice("resize_rule", ResizeRule, rule)
    resize_filter = choice("resize_filter", ResizeFilter, resize_filter)
    if rule == ResizeRule.SHORTER_SIDE:
        image = central_square(image)
    if resize_filter == ResizeFilter.AREA_CUBIC:
        x = _area_cubic(image, side)
    else:
        antialias = resize_filter == ResizeFilter.ANTIALIAS
        x = tf.image.resize(image, (side, side), "bilinear", antialias=antialias)
    x = tf.clip_by_value(tf.round(x), 0.0, 255.0)  # bicubic overshoots at edges
    return tf.ensure_shape(tf.cast(x, tf.uint8), [side, side, 3])


def _area_cubic(image: tf.Tensor, side: int) -> tf.Tensor:
    """Averages areas where an axis shrinks, and then enlarges by bicubic; float32."""
    size = tf.shape(image)[:2]
    within = tf.minimum(size, side)
    x = tf.cond(
        tf.reduce_any(size > side),
        lambda: tf.image.resize(image, within, "area"),
        lambda: tf.cast(image, tf.float32),
    )
    return tf.cond(
        tf.reduce_any(size < side),
        lambda: tf.image.resize(x, (side, side), "bicubic"),
        lambda: x,
    )


def central_square(image: tf.Tensor) -> tf.Tensor:
    """Cuts the largest central square, [H, W, C] -> [S, S, C]; an odd rest goes right or below."""
    height, width = tf.unstack(tf.shape(image)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def decoded(
    ds: tf.data.Dataset,
    source: Source,
    inputs: InputConfig,
    decoding: Decoding = EXPORTED,
    finish: Callable = lambda *row: row,
) -> tf.data.Dataset:
    """Reads and decodes in parallel, in order; survives what cannot be read or decoded.

    What fails at first is tried once more when its turn has come: pictures too large to be decoded
    side by side are decoded there, one at a time.

    Args:
      ds: of int64 scalars or tuples of them; the last is the index of an example.
      source: numbered examples.
      inputs: side and rule of the square.
      decoding: how many at once, and of which size.
      finish: makes what is wanted of a row: what `ds` gave, then the square (uint8 [R, R, 3]), the
        label (int32) and whether the example is good (bool). Of a bad one square and label are
        zeros.

    Returns:
      A dataset of as many elements, of what `finish` returns.
    """
    side, one = inputs.resize, tf.data.Dataset.range
    # All threads make a batch in one burst, right after the last was taken. AUTOTUNE would spread
    # the work over the step, where it keeps one core from the network (TF 2.21).
    num, max_pixels = decoding.threads, decoding.max_pixels

    def good(keys: tuple[tf.Tensor, ...], max_pixels: int):
        encoded, label = source.read(keys[-1])
        image = decode(encoded, inputs.orientation, max_pixels)
        square = to_square(image, side, inputs.resize_rule, inputs.resize_filter)
        return finish(*keys, square, label, tf.constant(True))

    def bad(keys: tuple[tf.Tensor, ...]):
        square = tf.zeros([side, side, 3], tf.uint8)
        return finish(*keys, square, tf.constant(0), tf.constant(False))

    # Made of range, because TF 2.21 under op determinism takes from_tensors and get_single_element
    # for stateful: it then decodes one picture at a time, and none ahead of the device.
    def first(*keys: tf.Tensor) -> tf.data.Dataset:
        pixels = min(decoding.parallel_pixels, max_pixels)
        tried = one(1).map(lambda _: (keys, good(keys, pixels), False)).ignore_errors()
        return tried.concatenate(one(1).map(lambda _: (keys, bad(keys), True))).take(1)

    def last(keys, row, has_failed) -> tf.data.Dataset:
        num_tries = tf.cast(has_failed, tf.int64)
        tried = one(num_tries).map(lambda _: good(keys, max_pixels)).ignore_errors()
        return tried.concatenate(one(1).map(lambda _: row)).take(1)

    # Without a cycle_length TF 2.21 takes the processors that there are, and refuses more calls.
    ds = ds.interleave(first, cycle_length=num, num_parallel_calls=num, deterministic=True)
    return ds.flat_map(last)


def on_threads(ds: tf.data.Dataset, decoding: Decoding) -> tf.data.Dataset:
    """Gives a chain threads of its own, however few the network's operations have."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = decoding.threads
    return ds.with_options(options)


def explain(source: Source, index: int, max_pixels: int = MAX_PIXELS) -> str:
    """Says in a few words why an example cannot be used; meant for `source.name(index)` before it.

    Args:
      source: numbered examples.
      index: of the example.
      max_pixels: that it may have.

    Returns:
      The reason, without a period.

    Raises:
      OSError: nothing is wrong with the picture: it cannot be read, or could not for a moment.
    """
    try:
        encoded, _ = source.read(tf.constant(index, tf.int64))
    except tf.errors.NotFoundError:
        return "the file is gone"
    except tf.errors.PermissionDeniedError:
        return "this user may not read it"
    except tf.errors.OpError as error:
        raise OSError(_last_words(error)) from error
    contents = encoded.numpy()
    if not contents.startswith((kinds.JPEG, kinds.PNG, kinds.BMP)):
        kind = kinds.kind(contents[: kinds.NUM_BYTES])
        if kind:
            return f"it is {kind}; convert it to JPEG, PNG or BMP"
        return f"its {len(contents)} bytes do not begin like a JPEG, PNG or BMP picture"
    damaged = f"its {len(contents)} bytes are damaged, cut short or of an unknown variety"
    try:
        height, width = map(int, picture_size(encoded).numpy())
    except _UNDECODABLE:
        return damaged
    if height * width > max_pixels:
        return f"it claims {width} x {height} pixels; at most {max_pixels} are taken"
    reason = bmp.explain(encoded) if contents.startswith(kinds.BMP) else None
    if reason:
        return f"it is {reason}"
    try:
        decode(encoded, max_pixels=max_pixels)
    except _UNDECODABLE:
        return damaged
    raise OSError("reading it failed for a moment; it can be decoded now")


def _last_words(error: tf.errors.OpError) -> str:
    """The system's reason at the end of what TensorFlow says: node; file; reason."""
    line = error.message.splitlines()[0] if error.message else type(error).__name__
    return line.rpartition("; ")[2].rstrip(".")
