"""Sources that have their squares ready: none of their pictures is decoded again."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from pipelines import host
from pipelines.config import SQUARE_FIELDS, InputConfig
from pipelines.derived import Derived
from pipelines.parallelism import decoding
from pipelines.rows import Rows
from pipelines.source import Source
from pipelines.squares import ENDLESS, batches, passed_once

ALIGNED_BYTES = 64
"""What TensorFlow expects of a tensor's memory."""
_BLOCK_EXAMPLES = 64


@dataclasses.dataclass(frozen=True)
class KeptSquares(Derived):
    """Another source together with its squares; a subclass says where they are.

    As a source it reads what the other does, encoded; `squares.batches` takes the squares.
    """

    inputs: InputConfig
    """What the squares were made for."""
    called: ClassVar[str] = "squares that were kept"
    """What a message calls them."""

    @property
    def num_examples(self) -> int:
        """How many examples there are."""
        return self.origin.num_examples

    def square(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Looks up inside a graph what decoding makes.

        Args:
          index: int64 scalar, from 0 to below the number of examples.

        Returns:
          The square (uint8 [R, R, 3]), its label (int32) and whether it could be decoded (bool). Of
          one that could not, square and label are zeros.
        """
        raise NotImplementedError

    def check_fits(self, inputs: InputConfig) -> None:
        """Refuses a network that would cut other squares.

        Raises:
          ValueError: one of SQUARE_FIELDS differs.
        """
        names, has, wants = differing(self.inputs, inputs, SQUARE_FIELDS)
        if names:
            raise ValueError(
                f"{self.called} have {has}; expected {wants}. Make them with the same InputConfig."
            )


def differing(
    one: InputConfig, other: InputConfig, fields: Sequence[str]
) -> tuple[list[str], str, str]:
    """Compares settings of squares: the names that differ, and the values of each as text."""
    names = [name for name in fields if getattr(one, name) != getattr(other, name)]
    texts = (", ".join(f"{name}={getattr(x, name)}" for name in names) for x in (one, other))
    return names, *texts


@dataclasses.dataclass(frozen=True)
class GatheredSquares(KeptSquares):
    """Squares in three tensors, one row for each example."""

    images: tf.Tensor
    """uint8 [N, R, R, 3], zeros for what could not be decoded."""
    labels: tf.Tensor
    """int32 [N], zeros for the same."""
    good: tf.Tensor
    """bool [N], False for the same."""

    def square(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Copies a square: int64 scalar -> square, label, whether it could be decoded."""
        return (
            tf.gather(self.images, index),
            tf.gather(self.labels, index),
            tf.gather(self.good, index),
        )


def lent(images: np.ndarray, labels: np.ndarray, good: np.ndarray) -> tuple[tf.Tensor, ...]:
    """Makes the tensors of GatheredSquares; the pixels stay where they are.

    TensorFlow would otherwise hold them twice.

    Args:
      images: uint8 [N, R, R, 3], in memory aligned to ALIGNED_BYTES.
      labels: int32 [N].
      good: bool [N].
    """
    with host.kept():
        pixels = tf.experimental.dlpack.from_dlpack(images.__dlpack__())
        return pixels, tf.constant(labels), tf.constant(good)


def blocks(
    source: Source, inputs: InputConfig, max_pixels: int, first: int = 0
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Decodes a source, in parallel, from an example on: once through, to be kept.

    Yields:
      Which examples; squares, labels and good of them, as in GatheredSquares.
    """
    rows = Rows(source=source, inputs=inputs, decoding=decoding(max_pixels))
    for index, *columns in passed_once(rows, first, source.num_examples, _BLOCK_EXAMPLES):
        yield slice(int(index[0]), int(index[-1]) + 1), *(column.numpy() for column in columns)


@batches.register
@tf.autograph.experimental.do_not_convert
def _kept(source: KeptSquares, rows: Rows, first, last, batch_examples, padding=None, mends=True):
    """Makes the batches that decoding would make."""
    source.check_fits(rows.inputs)

    def row(position: tf.Tensor, keys: tuple):
        return rows.finish(*keys, *source.square(keys[-1]))

    ds = rows.keyed(tf.data.Dataset.range(first, last)).map(row, rows.decoding.threads)
    if padding is not None:
        ds = ds.concatenate(tf.data.Dataset.from_tensors(padding[0]).repeat(padding[1]))
    return ds.batch(batch_examples, drop_remainder=padding is not None or last is ENDLESS)
