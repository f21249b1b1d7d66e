"""The orientation that cameras and phones store beside a picture, read inside the graph.

It is stored in the EXIF of a JPEG (the first APP1 segment of that name) or of a PNG (chunk eXIf,
before or after the pixels). Nothing here fails: an unreadable EXIF leaves a picture as it is.
"""

from collections.abc import Callable

import tensorflow as tf

_AS_IT_IS = 1
_ORIENTATION_TAG, _SHORT, _LONG = 0x0112, 3, 4
_NAME = b"Exif\0\0"
_BIG_ENDIAN, _LITTLE_ENDIAN = b"MM\0*", b"II*\0"
_HALF = 1 << 16

_APP1, _START_OF_SCAN, _END, _TEMPORARY = 0xFFE1, 0xFFDA, 0xFFD9, 0xFF01
_RESTART, _START = 0xFFD0, 0xFFD8  # these, all between them, and _TEMPORARY have no length
_MOST_PIECES = 10_000  # of a file are looked at; a PNG of 80 MB has as many

Piece = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""Where the next piece of a file begins, the EXIF in this one or "", and whether it is the last."""


def jpeg_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Reads the orientation of a JPEG.

    Args:
      encoded: string scalar, a whole file.

    Returns:
      int64 scalar from 1 to 8; 1 (as it is) where the file does not say.
    """

    def segment(place: tf.Tensor) -> Piece:
        marker, num_bytes = tf.unstack(_halves(_part(encoded, place, 4), 2))
        is_filling = (marker <= 0xFF00) | (marker == 0xFFFF)
        is_alone = ((marker >= _RESTART) & (marker <= _START)) | (marker == _TEMPORARY)
        num_bytes = tf.where(~is_alone, tf.maximum(num_bytes, 2), 0)
        after = tf.where(is_filling, place + 1, place + 2 + num_bytes)
        exif = _part(encoded, place + 4, tf.maximum(num_bytes - 2, 0))
        is_exif = (marker == _APP1) & (_part(exif, 0, len(_NAME)) == _NAME)
        is_last = (marker == _START_OF_SCAN) | (marker == _END)
        return after, tf.where(is_exif, exif, ""), is_last

    return _orientation(_search(encoded, 2, segment))


def png_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Reads the orientation of a PNG; see `jpeg_orientation`."""

    def chunk(place: tf.Tensor) -> Piece:
        high, low = tf.unstack(_halves(_part(encoded, place, 4), 2))
        num_bytes, kind = high * _HALF + low, _part(encoded, place + 4, 4)
        exif = _part(encoded, place + 8, tf.where(kind == b"eXIf", num_bytes, 0))
        return place + 12 + num_bytes, exif, kind == b"IEND"

    return _orientation(_search(encoded, 8, chunk))


def oriented(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors a picture as its EXIF says: [H, W, C] -> the same or [W, H, C].

    Args:
      image: of any type.
      orientation: int64 scalar from 1 to 8.
    """

    def turned() -> tf.Tensor:
        x = tf.cond(orientation >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
        is_upside_down = tf.reduce_any(orientation == [3, 4, 7, 8])
        is_mirrored = tf.reduce_any(orientation == [2, 3, 6, 7])
        return tf.raw_ops.Reverse(tensor=x, dims=tf.stack([is_upside_down, is_mirrored, False]))

    return tf.cond(orientation == _AS_IT_IS, lambda: image, turned)


def _search(encoded: tf.Tensor, first: int, look: Callable[[tf.Tensor], Piece]) -> tf.Tensor:
    """Goes through the pieces of a file until one has EXIF; returns that, or ""."""
    num_bytes = tf.cast(tf.strings.length(encoded), tf.int64)

    def goes_on(place, exif, is_last):
        return (place < num_bytes) & (exif == "") & ~is_last

    def next_piece(place, exif, is_last):
        return look(place)

    start = (tf.constant(first, tf.int64), tf.constant(""), tf.constant(False))
    return tf.while_loop(goes_on, next_piece, start, maximum_iterations=_MOST_PIECES)[1]


def _orientation(exif: tf.Tensor) -> tf.Tensor:
    """Finds the tag in the first directory; the last one of several counts, as in Pillow."""
    tiff = tf.strings.regex_replace(exif, r"^Exif\x00\x00", "")  # in a PNG too, by some programs
    is_big = _part(tiff, 0, 4) == _BIG_ENDIAN
    is_tiff = is_big | (_part(tiff, 0, 4) == _LITTLE_ENDIAN)

    def halves(place: tf.Tensor | int, count: tf.Tensor | int) -> tf.Tensor:
        text = _part(tiff, place, 2 * count)
        return tf.where(is_big, _halves(text, count), _halves(text, count, little_endian=True))

    def number(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        return tf.where(is_big, first * _HALF + second, first + second * _HALF)

    directory = number(*tf.unstack(halves(4, 2)))
    num_entries = halves(directory, 1)[0]
    entries = tf.reshape(halves(directory + 2, 6 * num_entries), [-1, 6])
    tags, kinds, *rest = tf.unstack(entries, axis=1)
    counts, values = number(*rest[:2]), tf.where(kinds == _SHORT, rest[2], number(*rest[2:]))
    is_good = (tags == _ORIENTATION_TAG) & (counts == 1) & (values >= 1) & (values <= 8)
    is_good &= is_tiff & ((kinds == _SHORT) | (kinds == _LONG))
    return tf.concat([[tf.constant(_AS_IT_IS, tf.int64)], values[is_good]], axis=0)[-1]


def _part(text: tf.Tensor, place: tf.Tensor | int, num_bytes: tf.Tensor | int) -> tf.Tensor:
    """Cuts a part out of a string; it is shorter where the string ends earlier."""
    place = tf.minimum(tf.cast(place, tf.int64), tf.cast(tf.strings.length(text), tf.int64))
    return tf.strings.substr(text, place, tf.cast(num_bytes, tf.int64))


def _halves(text: tf.Tensor, count: tf.Tensor | int, little_endian: bool = False) -> tf.Tensor:
    """Reads numbers of two bytes: int64 [count]; what is missing is 0."""
    num_bytes = 2 * tf.cast(count, tf.int32)
    numbers = tf.io.decode_raw(text, tf.uint16, little_endian, tf.maximum(num_bytes, 12))[:count]
    return tf.cast(numbers, tf.int64)
