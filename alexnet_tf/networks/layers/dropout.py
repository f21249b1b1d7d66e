"""Dropout whose masks are a function of step and row."""

import contextlib
import threading
from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from alexnet_tf.networks.layers.initializers import named_seed


class DropPosition(NamedTuple):
    """The rows of a step's global batch that a replica works on."""

    seed: int
    """The run's seed, 0 to 2**32 - 1."""
    step: int | tf.Tensor
    """int64 [], counted from 1."""
    first_row: int | tf.Tensor
    """int []; the replica's first row in the global batch."""
    num_rows: int
    """Number of rows of the global batch."""


_thread = threading.local()


@contextlib.contextmanager
def drop_position(position: DropPosition) -> Iterator[None]:
    """Sets the position for the Dropout layers that are called inside it, on this thread."""
    outer = getattr(_thread, "position", None)
    _thread.position = position
    try:
        yield
    finally:
        _thread.position = outer


@keras.saving.register_keras_serializable("alexnet_tf")
class Dropout(keras.layers.Layer):
    """Drops activations by masks that depend on step and row (paper, section 4.2).

    Inside `drop_position` the mask of the whole global batch is a function of (seed, step, layer
    name), and a replica takes its rows of it: neither replicas nor a restart change the mask.
    Outside, as in `fit`, a Keras generator draws it, whose state a `.keras` file keeps.

    Args:
      rate: fraction of the activations that is dropped, 0 to below 1.
      mode: `program` drops in training and multiplies by 1 - rate at test, as in 2012; `inverted`
        divides what it keeps by 1 - rate in training and does nothing at test.
      seed: the generator's seed; None draws one as Keras does.

    Call: float [N, ...] -> the same shape.
    """

    def __init__(self, rate=0.5, mode="program", seed=None, **kwargs):
        """Refuses unknown modes and rates outside 0 to below 1."""
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate={rate}: expected 0 to below 1.")
        if mode not in ("program", "inverted"):
            raise ValueError(f"mode={mode!r}: expected program or inverted.")
        self.rate, self.mode, self.seed = rate, str(mode), seed
        self.generator = keras.random.SeedGenerator(seed)
        self.columns = None
        """Of a tower: the first of its columns in the whole layer, and how many that has."""

    def call(self, x, training=False):
        """Drops in training, scales where the mode says so."""
        keep = 1 - self.rate
        if training:
            x = x * tf.cast(self._is_kept(tf.shape(x)), x.dtype)
            return x / keep if self.mode == "inverted" else x
        return x * keep if self.mode == "program" else x

    def _is_kept(self, shape: tf.Tensor) -> tf.Tensor:
        """Draws a mask of `shape`, bool: True is kept."""
        position = getattr(_thread, "position", None)
        num_rows, first_row = shape[0], 0
        if position is None:
            seed = tf.cast(self.generator.next(), tf.int64)
        else:
            seed = named_seed(position.seed, f"dropout/{self.name}", position.step)
            num_rows, first_row = position.num_rows, tf.cast(position.first_row, tf.int32)
        begin, whole = tf.zeros_like(shape[1:]), shape[1:]
        if self.columns is not None and position is not None:
            first_column, num_columns = self.columns
            begin = tf.concat([begin[:-1], [first_column]], axis=0)
            whole = tf.concat([whole[:-1], [num_columns]], axis=0)
        whole = tf.concat([[num_rows], whole], axis=0)
        bits = tf.random.stateless_uniform(whole, seed, None, None, dtype=tf.uint32, alg="philox")
        # The integers of all devices agree; XLA makes other floats of the same bits (TF 2.21).
        is_kept = bits >= tf.constant(min(round(self.rate * 2**32), 2**32 - 1), tf.uint32)
        # Cut afterwards: GPUs cannot cut uint32, and would have the host do it (TF 2.21).
        return tf.slice(is_kept, tf.concat([[first_row], begin], axis=0), shape)

    def save_own_variables(self, store):
        """Stores the generator's state, which Keras leaves out (Keras 3.15)."""
        store["generator"] = self.generator.state

    def load_own_variables(self, store):
        """Restores the generator's state; a file may lack it."""
        if "generator" in store.keys():
            self.generator.state.assign(store["generator"])

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {"rate": self.rate, "mode": self.mode, "seed": self.seed}
