"""Records by number: files of TFRecords, read at offsets inside the graph."""

import tensorflow as tf

HEAD_BYTES, FRAME_BYTES = 12, 16
"""A TFRecord is its contents with 12 bytes before (length, its checksum) and 4 behind: 16."""

ENCODED, FORMAT = "image/encoded", "image/format"
HEIGHT, WIDTH = "image/height", "image/width"
LABEL, TEXT, FILENAME = "image/class/label", "image/class/text", "image/filename"
"""Keys of an example, those that other TensorFlow programs read."""


def shard_name(split: str, number: int, count: int) -> str:
    """Names a shard as TensorFlow's programs do: train-00000-of-00313.tfrecord."""
    return f"{split}-{number:05}-of-{count:05}.tfrecord"


def read_record(path: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """Reads one record at any place of a file, inside a graph.

    Neither name behind it carries a promise, so one test holds what it does.

    Args:
      path: string scalar, of a file of TFRecords that is not compressed.
      offset: int64 scalar, where a record begins, in bytes.

    Returns:
      string scalar, the record's contents.

    Raises:
      tf.errors.DataLossError: when run where no record begins, or on a damaged one.
      tf.errors.OpError: when run on a file that cannot be read, or past its end.
    """
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=tf.reshape(path, [1]),
        compression_type="",
        buffer_size=tf.constant(0, tf.int64),
        byte_offsets=tf.reshape(offset, [1]),
    )
    ds = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
    return ds.take(1).get_single_element()


def picture_in(record: tf.Tensor, key: str = ENCODED) -> tf.Tensor:
    """Takes the encoded picture, string scalar, out of a serialized tf.train.Example."""
    found = tf.io.parse_single_example(record, {key: tf.io.FixedLenFeature([], tf.string)})
    return found[key]


def fingerprint(levels: tf.Tensor) -> tf.Tensor:
    """Makes a number of a square's levels that hardly any others have (FarmHash).

    Args:
      levels: uint8 [...].

    Returns:
      int64 scalar; the bits are those of the uint64 in an index.
    """
    return tf.bitcast(tf.fingerprint(tf.reshape(levels, [1, -1]))[0], tf.int64)


def place_of_picture(record: bytes) -> int:
    """Finds where the encoded picture begins in a serialized tf.train.Example.

    Args:
      record: whose keys are sorted, as they are when it is serialized deterministically; it has a
        picture of one byte at least.
    """
    _, place = _length(record, 1)  # Example.features
    key = ENCODED.encode()
    while True:
        num_bytes, entry = _length(record, place + 1)  # Features.feature, an entry of a map
        num_key_bytes, begin = _length(record, entry + 1)
        place = begin + num_key_bytes
        if record[begin:place] == key:
            break
        place = entry + num_bytes
    for _ in ("Feature", "BytesList", "bytes"):
        _, place = _length(record, place + 1)
    return place


def _length(record: bytes, place: int) -> tuple[int, int]:
    """Reads a length in protobuf's variable form; returns it and the place behind it."""
    value = shift = 0
    while True:
        byte = record[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
