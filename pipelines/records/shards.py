"""Records by number: files of TFRecords, read at offsets inside the graph."""

import tensorflow as tf

FRAME_BYTES = 16
"""A TFRecord is its contents with 12 bytes before (length, its checksum) and 4 behind."""

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
