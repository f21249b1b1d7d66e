"""Tensors that are made once and stay in the host's memory."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Makes the tensors inside outside every graph: graphs capture them and hold no copies."""
    with tf.init_scope(), tf.device("CPU:0"):
        yield
