"""Sources that have their squares ready: none of their pictures is decoded again."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from pipelines.config import SQUARE_FIELDS, InputConfig
from pipelines.derived import Derived
from pipelines.squares import ENDLESS, Rows, batches


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
        names = [x for x in SQUARE_FIELDS if getattr(self.inputs, x) != getattr(inputs, x)]
        if names:
            has, wants = (
                ", ".join(f"{name}={getattr(one, name)}" for name in names)
                for one in (self.inputs, inputs)
            )
            raise ValueError(
                f"{self.called} have {has}; expected {wants}. Make them with the same InputConfig."
            )


@batches.register
def _kept(source: KeptSquares, rows: Rows, first, last, batch_examples, padding=None):
    """Makes the batches that decoding would make."""
    source.check_fits(rows.inputs)

    def row(position: tf.Tensor):
        keys = rows.keys(position)
        return rows.finish(*keys, *source.square(keys[-1]))

    ds = tf.data.Dataset.range(first, last).map(row, rows.decoding.threads)
    if padding is not None:
        ds = ds.concatenate(tf.data.Dataset.from_tensors(padding[0]).repeat(padding[1]))
    return ds.batch(batch_examples, drop_remainder=padding is not None or last == ENDLESS)
