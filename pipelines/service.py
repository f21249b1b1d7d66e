"""Batches made by other processes: tf.data service, for a host that cannot feed its devices.

An epoch is one finite data set, and each of its examples comes once, in no fixed order. So a
position no longer says which examples came before it: a run that is resumed starts the epoch anew.
At the start of an epoch each worker prepares its graph, which takes some seconds.
"""

import dataclasses
import itertools
import socket

import tensorflow as tf

from pipelines.checks import service_address
from pipelines.parallelism import EXPORTED
from pipelines.rows import Rows
from pipelines.squares import batches

CHUNK_EXAMPLES = 64
"""Handed to a worker at a time, and sent by it together."""

_CONNECT_SECONDS = 10


def check(service: str, name: str = "data.service") -> None:
    """Refuses a place where nothing answers, since TensorFlow would wait for it for an hour.

    Args:
      service: grpc://HOST:PORT.
      name: of the setting, for the message.

    Raises:
      ValueError: nothing answers within ten seconds.
    """
    try:
        socket.create_connection(service_address(name, service), _CONNECT_SECONDS).close()
    except OSError as error:
        raise ValueError(
            f"{name}={service!r}: nothing answers there ({error.strerror or error}). Start "
            "launch/data_service.sh on that machine, or leave the flag out."
        ) from error


def repeated_examples(first_position: int, num_examples: int) -> int:
    """Counts the examples of an interrupted epoch that come again when it starts anew."""
    return first_position % num_examples


def served(
    source, rows: Rows, service: str, first_position: int, batch_examples: int
) -> tf.data.Dataset:
    """Streams batches of rows that workers of the service make, epoch after epoch, without end.

    Args:
      source: numbered examples, `rows.source`; the workers read it by the same paths.
      rows: what to make of each position.
      service: grpc://host:port of its dispatcher.
      first_position: of the first example to come; its epoch starts at its beginning.
      batch_examples: rows of a batch.
    """
    num_examples = source.num_examples
    num_chunks = -(-num_examples // CHUNK_EXAMPLES)
    how = dataclasses.replace(EXPORTED, max_pixels=rows.decoding.max_pixels)
    rows = dataclasses.replace(rows, decoding=how)  # workers have processors of their own

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64)], autograph=False)
    def chunk(number: tf.Tensor) -> tf.data.Dataset:  # traced once for all epochs
        end = (number // num_chunks + 1) * num_examples
        first = end - num_examples + number % num_chunks * CHUNK_EXAMPLES
        last = tf.minimum(first + CHUNK_EXAMPLES, end)
        return batches(source, rows, first, last, CHUNK_EXAMPLES)

    def epoch(number: int) -> tf.data.Dataset:
        ds = tf.data.Dataset.range(number * num_chunks, (number + 1) * num_chunks).flat_map(chunk)
        # Each chunk goes to one worker, whichever is free. Pictures hardly shrink: not compressed.
        return ds.apply(
            tf.data.experimental.service.distribute("distributed_epoch", service, compression=None)
        )

    first_epoch = first_position // num_examples
    first = epoch(first_epoch)

    def all_epochs():
        yield from first
        for number in itertools.count(first_epoch + 1):
            yield from epoch(number)

    # A generator, because each epoch has to be announced to the dispatcher: inside a graph that
    # takes ten times as long (TF 2.21). Only this process runs it, once for each chunk.
    ds = tf.data.Dataset.from_generator(all_epochs, output_signature=first.element_spec)
    return ds.rebatch(batch_examples, drop_remainder=True)
