"""The contract of a Source (`pipelines/sources`), as functions that any source can be given to."""

import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pipelines.decode import decode
from pipelines.source import Reader, Source

MOST_READ = 12
"""Examples that are read in several ways; of all others the label alone."""


def read_all(reader: Reader, indices, threads: int = 4) -> list[tuple[bytes, int]]:
    """Reads examples in this order, some at the same time, inside `Dataset.map`."""
    ds = tf.data.Dataset.from_tensor_slices(np.array(indices, np.int64))
    return list(ds.map(reader.read, threads, deterministic=True).as_numpy_iterator())


def assert_reads(reader: Reader, num_examples: int, num_classes: int) -> None:
    """Checks that a Reader answers by index: in any order, repeatedly, eagerly, in graphs."""
    some = np.random.default_rng(0).permutation(num_examples)[:MOST_READ]
    for encoded, label in (reader.read(tf.constant(i, tf.int64)) for i in some[:1]):
        assert (encoded.dtype, encoded.shape) == (tf.string, ())
        assert (label.dtype, label.shape) == (tf.int32, ())
    eager = [tuple(x.numpy() for x in reader.read(tf.constant(i, tf.int64))) for i in some]
    assert read_all(reader, some) == eager
    assert read_all(reader, [*some[::-1], *some]) == eager[::-1] + eager  # any order, and again
    graph = tf.function(reader.read, input_signature=[tf.TensorSpec([], tf.int64)])
    assert tuple(x.numpy() for x in graph(some[-1])) == eager[-1]
    for encoded, label in eager:
        assert 0 <= label < num_classes
        assert decode(tf.constant(encoded)).shape[-1] == 3


def assert_is_source(make: Callable[[], Source], changed: Callable[[], Source]) -> None:
    """A Source is a Reader, and says of its examples what is true.

    Args:
      make: opens it; called twice, it has to give the same. All of its pictures can be decoded.
      changed: opens it after one of its pictures was added, removed or replaced.
    """
    source, again = make(), make()
    count, classes = source.num_examples, source.classes
    assert isinstance(count, int) and count > 0
    assert isinstance(classes, tuple) and len(set(classes)) == len(classes) > 1
    assert_reads(source, count, len(classes))
    every = read_all(source, range(count))
    assert every == read_all(again, range(count))

    labels = [label for _, label in every]
    assert source.class_counts == tuple(labels.count(i) for i in range(len(classes)))
    names = [source.name(index) for index in range(count)]
    assert len(set(names)) == count
    assert names == [again.name(index) for index in range(count)]
    assert source.num_pictures >= count  # of all splits
    assert isinstance(source.remark, str)

    assert re.fullmatch("[0-9a-f]{64}", source.digest)
    assert again.digest == source.digest != changed().digest
