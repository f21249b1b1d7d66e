"""BMP files as Windows and OS/2 programs write them, decoded inside the graph.

TensorFlow's own decoder (2.21) ignores masks, palettes and bytes after the pixels. This one takes
what is not compressed: 1 to 32 bits per pixel, palettes, masks of any order and width, rows from
the top or the bottom. All else is refused with its reason.

The number of operations matters: they are part of the graph of every picture, of any format.
"""

from typing import NamedTuple

import tensorflow as tf

_FILE_HEADER_BYTES = 14
_FIRST_BYTES = 12  # header of the first OS/2: shorter numbers, colors of 3 bytes
_WINDOWS_BYTES = 40  # headers of Windows have these, 52, 56, 108 or 124; of later OS/2 16 to 64
_MOST_BYTES = 124

_PLACES = (10, 14, 18, 22, 26, 30, 46, 54, 58, 62)
"""Where in a file 4 bytes each say: first pixel, size of the header, width, height, bits and
planes, compression, colors in the palette, masks of red, green and blue."""

_PLAIN, _MASKED = 0, (3, 6)
_COMPRESSED = {1: "by RLE8", 2: "by RLE4", 4: "as a JPEG within", 5: "as a PNG within"}
_OS2_COMPRESSED = {1: "by RLE8", 2: "by RLE4", 3: "by Huffman codes", 4: "by RLE24"}
_BITS = (1, 2, 4, 8, 16, 24, 32)
_MOST_COLORS = 256  # of a palette
_WIDEST_MASK = 0xFFFF
_WHOLE_BYTES = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
_HALF = 1 << 16


class Header(NamedTuple):
    """The header of a BMP; int64 scalars unless a field says otherwise."""

    num_bytes: tf.Tensor
    """Size of the header that follows the 14 bytes of the file header."""
    height: tf.Tensor
    width: tf.Tensor
    is_top_down: tf.Tensor
    """bool: the top row comes first."""
    bits: tf.Tensor
    """Bits per pixel."""
    compression: tf.Tensor
    masks: tf.Tensor
    """int64 [3]: which bits are red, green and blue."""
    num_colors: tf.Tensor
    """Colors in the palette, where there is one."""
    color_bytes: tf.Tensor
    first_pixel: tf.Tensor
    """Offset of the pixels in the file, in bytes."""
    row_bytes: tf.Tensor
    """Bytes per row, padded to a multiple of 4."""
    end: tf.Tensor
    """Bytes that the file must have; the padding of the last row may be missing."""


def read_header(encoded: tf.Tensor) -> Header:
    """Reads a header without checking it; bytes missing at its end count as 0.

    Args:
      encoded: string scalar, a whole BMP file.
    """
    numbers = _numbers(encoded)
    first_pixel, num_bytes, across, down, bits, compression, claimed, *masks = tf.unstack(numbers)
    is_first = num_bytes == _FIRST_BYTES
    first = tf.stack([down // _HALF, across % _HALF, across // _HALF])
    later = tf.stack([bits // _HALF, _signed(across), _signed(down)])
    bits, width, height = tf.unstack(tf.where(is_first, first, later))
    end = _FILE_HEADER_BYTES + num_bytes
    compression = tf.where(end > _PLACES[5], compression, 0)
    claimed = tf.where(end > _PLACES[6], claimed, 0)
    num_colors = tf.where(claimed == 0, tf.bitwise.left_shift(_int(1), bits % 16), claimed)
    color_bytes = tf.where(is_first, _int(3), _int(4))
    is_forgotten = (bits <= 8) & (first_pixel == end)  # the palette, by some programs; as in Pillow
    first_pixel += tf.where(is_forgotten, color_bytes * num_colors, 0)
    row_bytes = (width * bits + 31) // 32 * 4
    return Header(
        num_bytes=num_bytes,
        height=tf.abs(height),
        width=width,
        is_top_down=height < 0,
        bits=bits,
        compression=compression,
        masks=_masks(tf.stack(masks), bits, compression),
        num_colors=num_colors,
        color_bytes=color_bytes,
        first_pixel=first_pixel,
        row_bytes=row_bytes,
        end=first_pixel + row_bytes * (tf.abs(height) - 1) + (width * bits + 7) // 8,
    )


def size(encoded: tf.Tensor) -> tf.Tensor:
    """Reads height and width from the header: string scalar -> int64 [2]."""
    numbers = _numbers(encoded)
    is_first = numbers[1] == _FIRST_BYTES
    first = tf.stack([numbers[2] // _HALF, numbers[2] % _HALF])
    return tf.where(is_first, first, tf.abs(_signed(tf.reverse(numbers[2:4], [0]))))


def _numbers(encoded: tf.Tensor) -> tf.Tensor:
    """Reads the numbers at _PLACES: int64 [10]; bytes after the file's end are 0."""
    num_bytes = _PLACES[-1] + 4
    halves = tf.io.decode_raw(encoded, tf.uint16, fixed_length=num_bytes)
    low = tf.constant([place // 2 for place in _PLACES])
    halves = tf.cast(tf.gather(halves, tf.stack([low, low + 1])), tf.int64)
    return halves[0] + halves[1] * _HALF


def explain(encoded: tf.Tensor) -> str | None:
    """Explains why a BMP is refused, in words that follow "it is"; None where it is accepted.

    Runs eagerly.

    Args:
      encoded: string scalar, a whole BMP file.
    """
    header = read_header(encoded)
    values = {name: value.numpy() for name, value in header._asdict().items()}
    methods = _COMPRESSED if _is_windows(header) else _OS2_COMPRESSED
    code = int(header.compression)
    values["how"] = methods.get(code, f"by the unknown method {code}")
    values["has"] = len(encoded.numpy())
    found = (words for is_so, words in _reasons(encoded, header) if is_so)
    return next((f"a BMP {words.format(**values)}" for words in found), None)


def _reasons(encoded: tf.Tensor, header: Header) -> list[tuple[tf.Tensor, str]]:
    """Lists the reasons to refuse a BMP: whether each applies (bool scalar), and its words."""
    num_bytes, is_masked = header.num_bytes, _is_any(header.compression, _MASKED)
    is_masked &= _is_windows(header)
    is_known = (num_bytes == _FIRST_BYTES) | ((num_bytes >= 16) & (num_bytes <= _MOST_BYTES))
    is_damaged = header.first_pixel < _FILE_HEADER_BYTES + num_bytes
    is_damaged |= (header.width < 1) | (header.height < 1)
    return [
        (~is_known, "with an unknown header of {num_bytes} bytes"),
        ((header.compression != _PLAIN) & ~is_masked, "compressed {how}"),
        (~_is_any(header.bits, _BITS), "of {bits} bits a pixel"),
        (is_masked & ~_are_colors(header), "with masks that are not colors'"),
        (is_damaged, "with a damaged header"),
        (
            header.end > tf.cast(tf.strings.length(encoded), tf.int64),
            "cut short: of {end} bytes it has {has}",
        ),
    ]


@tf.function(  # traced once in a process, and kept out of the way of other kinds
    input_signature=[tf.TensorSpec([], tf.string)],
    autograph=False,
    experimental_attributes={"_noinline": True},
)
def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a BMP; a fourth channel is dropped.

    Args:
      encoded: string scalar, a whole BMP file that claims at most `decode.MAX_PIXELS`.

    Returns:
      uint8 [H, W, 3], RGB.

    Raises:
      tf.errors.InvalidArgumentError: when run on a file that `explain` refuses.
    """
    header = read_header(encoded)
    is_refused = tf.reduce_any([is_so for is_so, _ in _reasons(encoded, header)])
    with tf.control_dependencies([tf.debugging.Assert(~is_refused, ["BMP"])]):
        encoded = tf.identity(encoded)
    num_bytes = header.row_bytes * header.height
    pixels = tf.strings.substr(encoded, header.first_pixel, num_bytes)
    rows = tf.io.decode_raw(pixels, tf.uint8, fixed_length=tf.cast(num_bytes, tf.int32))
    rows = tf.reshape(rows, [header.height, header.row_bytes])
    rows = tf.raw_ops.Reverse(tensor=rows, dims=tf.stack([~header.is_top_down, False]))
    return tf.case(
        [
            (header.bits <= 8, lambda: _by_palette(encoded, header, rows)),
            (tf.reduce_all(_is_any(header.masks, _WHOLE_BYTES)), lambda: _by_bytes(header, rows)),
        ],
        default=lambda: _by_masks(header, rows),
    )


def _by_palette(encoded: tf.Tensor, header: Header, rows: tf.Tensor) -> tf.Tensor:
    """Looks up pixels of 1 to 8 bits, the leftmost highest in its byte; unlisted ones are black."""
    num_bytes = tf.minimum(header.num_colors, _MOST_COLORS) * header.color_bytes
    colors = tf.strings.substr(encoded, _FILE_HEADER_BYTES + header.num_bytes, num_bytes)
    all_bytes = tf.cast(_MOST_COLORS * header.color_bytes, tf.int32)
    colors = tf.io.decode_raw(colors, tf.uint8, fixed_length=all_bytes)
    colors = tf.reshape(colors, [_MOST_COLORS, header.color_bytes])[:, 2::-1]
    shifts = tf.cast(tf.range(8 - header.bits, -1, -header.bits), tf.uint8)
    lowest = tf.cast(tf.bitwise.left_shift(_int(1), header.bits) - 1, tf.uint8)
    rows = rows[:, : (header.width * header.bits + 7) // 8]
    places = tf.bitwise.right_shift(rows[:, :, tf.newaxis], shifts) & lowest
    places = tf.reshape(places, [header.height, -1])[:, : header.width]
    return tf.gather(colors, tf.cast(places, tf.int32))


def _by_bytes(header: Header, rows: tf.Tensor) -> tf.Tensor:
    """Reads channels of one byte each, in the order of the masks."""
    num_bytes = header.bits // 8
    pixels = rows[:, : header.width * num_bytes]
    pixels = tf.reshape(pixels, [header.height, header.width, num_bytes])
    places = tf.unstack(_num_below(header.masks) // 8)
    return tf.concat([pixels[:, :, place : place + 1] for place in places], axis=2)


def _by_masks(header: Header, rows: tf.Tensor) -> tf.Tensor:
    """Reads channels of any width from 16 or 32 bits; the highest level of each becomes 255."""

    def words(dtype: tf.DType) -> tf.Tensor:
        octets = tf.reshape(rows, [header.height, -1, dtype.size])
        return tf.cast(tf.bitcast(octets, dtype)[:, : header.width], tf.uint32)

    pixels = tf.cond(header.bits == 16, lambda: words(tf.uint16), lambda: words(tf.uint32))

    below = _num_below(header.masks)
    most = tf.bitwise.right_shift(header.masks, below)
    levels = tf.bitwise.right_shift(pixels[:, :, tf.newaxis], tf.cast(below, tf.uint32))
    levels = tf.cast(levels & tf.cast(most, tf.uint32), tf.int32)
    return tf.cast(levels * 255 // tf.cast(tf.maximum(most, 1), tf.int32), tf.uint8)


def _masks(given: tf.Tensor, bits: tf.Tensor, compression: tf.Tensor) -> tf.Tensor:
    """Returns the file's masks, or the defaults where it has none."""
    meant = tf.where(bits == 16, [0x7C00, 0x3E0, 0x1F], tf.constant([0xFF0000, 0xFF00, 0xFF]))
    is_given = _is_any(compression, _MASKED) & tf.reduce_any(given != 0)
    return tf.where(is_given, given, tf.cast(meant, tf.int64))


def _are_colors(header: Header) -> tf.Tensor:
    """Tells whether each mask is one run of bits, and a whole byte in pixels of 24 bits."""
    runs = tf.bitwise.right_shift(header.masks, _num_below(header.masks))
    are_good = (runs & (runs + 1) == 0) & (runs <= _WIDEST_MASK)
    are_good &= header.masks < tf.bitwise.left_shift(_int(1), tf.minimum(header.bits, 32))
    are_good &= (header.bits != 24) | _is_any(header.masks, _WHOLE_BYTES)
    return tf.reduce_all(are_good & (header.bits > 8))


def _num_below(masks: tf.Tensor) -> tf.Tensor:
    """Counts the bits below the lowest that is set: int64 -> int64."""
    lowest = masks & -masks
    return tf.cast(tf.raw_ops.PopulationCount(x=tf.maximum(lowest, 1) - 1), tf.int64)


def _signed(value: tf.Tensor) -> tf.Tensor:
    """Reads 32 bits as a signed number."""
    return tf.where(value < 1 << 31, value, value - (1 << 32))


def _is_windows(header: Header) -> tf.Tensor:
    return (header.num_bytes >= _WINDOWS_BYTES) & (header.num_bytes != 64)


def _is_any(values: tf.Tensor, choices: tuple[int, ...]) -> tf.Tensor:
    """Tells whether each value is one of the choices."""
    return tf.reduce_any(values[..., tf.newaxis] == choices, axis=-1)


def _int(value: int) -> tf.Tensor:
    return tf.constant(value, tf.int64)
