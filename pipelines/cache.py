"""Squares kept in memory: each picture of a source is decoded once, then its square is copied."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from pipelines import host
from pipelines.config import InputConfig
from pipelines.decode import MAX_PIXELS
from pipelines.kept import KeptSquares
from pipelines.machine import Machine, this_machine
from pipelines.parallelism import decoding, picture_bytes
from pipelines.source import Source
from pipelines.squares import Rows, decoded, on_threads

_ALIGNED_BYTES = 64  # what TensorFlow expects of a tensor's memory
_FILL_EXAMPLES = 64


@dataclasses.dataclass(frozen=True)
class MemorySource(KeptSquares):
    """Squares in memory. Made by `in_memory`; used like the source itself."""

    images: tf.Tensor
    """uint8 [N, R, R, 3], zeros for what could not be decoded."""
    labels: tf.Tensor
    """int32 [N]."""
    good: tf.Tensor
    """bool [N], False for what could not be decoded."""
    called: ClassVar[str] = "squares in memory"

    def square(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Copies a square: int64 scalar -> square, label, whether it could be decoded."""
        return (
            tf.gather(self.images, index),
            tf.gather(self.labels, index),
            tf.gather(self.good, index),
        )


def in_memory(source: Source, inputs: InputConfig, max_pixels: int = MAX_PIXELS) -> MemorySource:
    """Decodes a whole source, in parallel, into num_examples * resize * resize * 3 bytes.

    Args:
      source: numbered examples.
      inputs: side and rule of the squares.
      max_pixels: that a picture may have.

    Raises:
      ValueError: this process may not use so much memory.
    """
    check_memory([source], inputs)
    num, side = source.num_examples, inputs.resize
    num_bytes = _square_bytes(source, inputs)
    # Copied into memory of ours and lent to TensorFlow, which would otherwise hold it twice.
    memory = np.empty(num_bytes + _ALIGNED_BYTES, np.uint8)
    start = -memory.ctypes.data % _ALIGNED_BYTES
    images = memory[start : start + num_bytes].reshape(num, side, side, 3)
    labels, good = np.empty(num, np.int32), np.empty(num, bool)
    how = decoding(max_pixels)
    ds = decoded(Rows(source=source, inputs=inputs, decoding=how), 0, num, _FILL_EXAMPLES)
    for index, *columns in on_threads(ds, how).prefetch(1):
        rows = slice(int(index[0]), int(index[-1]) + 1)
        images[rows], labels[rows], good[rows] = (column.numpy() for column in columns)
    with host.kept():
        lent = tf.experimental.dlpack.from_dlpack(images.__dlpack__())
        return MemorySource(source, inputs, lent, tf.constant(labels), tf.constant(good))


def check_memory(
    sources: Sequence[Source], inputs: InputConfig, machine: Machine | None = None
) -> None:
    """Refuses sources whose squares would not fit together, before the first is decoded.

    Args:
      sources: that will be kept at the same time.
      inputs: side of the squares.
      machine: by default this one, as it is now.

    Raises:
      ValueError: this process may not use so much memory.
    """
    machine = machine or this_machine()
    num_bytes = sum(_square_bytes(source, inputs) for source in sources)
    left_bytes = machine.memory_bytes - picture_bytes(machine)
    if num_bytes > left_bytes:
        num_examples = " + ".join(f"{source.num_examples:,}" for source in sources)
        raise ValueError(
            f"data.cache=memory needs {num_bytes / 1e9:.1f} GB for the decoded pictures "
            f"({num_examples}); {machine.memory_limit} {machine.memory_bytes / 1e9:.1f} GB, of "
            f"which decoding may take {picture_bytes(machine) / 1e9:.1f}. Use --data.cache=none."
        )


def _square_bytes(source: Source, inputs: InputConfig) -> int:
    return source.num_examples * inputs.resize**2 * 3
