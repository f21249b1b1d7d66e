"""Records read at offsets, in the graph: neither name behind it carries a promise."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from pipelines.records import shards


@pytest.fixture
def packed(tmp_path):
    """A file of records of 0 to 99 bytes, and where each begins."""
    contents = [bytes([number]) * number for number in range(100)]
    path = str(tmp_path / "records")
    with tf.io.TFRecordWriter(path) as writer:
        for record in contents:
            writer.write(record)
    sizes = [len(record) + shards.FRAME_BYTES for record in contents]
    return path, np.cumsum([0, *sizes[:-1]]), contents


def test_records_are_read_at_their_offsets_in_any_order(packed):
    path, offsets, contents = packed
    order = np.random.default_rng(0).permutation(100)
    ds = tf.data.Dataset.from_tensor_slices(offsets[order])
    found = [x.numpy() for x in ds.map(lambda o: shards.read_record(tf.constant(path), o), 2)]
    assert found == [contents[place] for place in order]


def test_an_offset_where_no_record_begins_is_an_error(packed):
    path, offsets, _ = packed
    with pytest.raises(tf.errors.DataLossError):
        shards.read_record(tf.constant(path), tf.constant(offsets[50] + 1, tf.int64))


def test_an_offset_past_the_end_is_an_error(packed):
    path, offsets, _ = packed
    with pytest.raises(tf.errors.OpError):
        shards.read_record(tf.constant(path), tf.constant(offsets[-1] + 10_000, tf.int64))


def test_a_flipped_bit_is_an_error(packed):
    path, offsets, _ = packed
    contents = bytearray(pathlib.Path(path).read_bytes())
    contents[offsets[70] + 30] ^= 1
    pathlib.Path(path).write_bytes(contents)
    with pytest.raises(tf.errors.DataLossError):
        shards.read_record(tf.constant(path), tf.constant(offsets[70], tf.int64))
