"""Tensors that are made once and stay in the host's memory."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Creates tensors eagerly, even while a graph is built: graphs capture them without a copy."""
    with tf.init_scope(), tf.device("CPU:0"):
        yield
