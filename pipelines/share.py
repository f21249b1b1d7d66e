"""Which rows of each global batch a worker makes: consecutive ones, as its replicas take them."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """One worker's part of the data.

    A worker numbers its own rows from 0, without gaps, and reads nothing of the others'.
    """

    index: int
    """Which worker, from 0."""
    count: int
    """How many workers there are."""
    examples: int
    """Rows of a global batch that each of them makes, over all its replicas."""

    def positions(self, numbers: tf.Tensor) -> tf.Tensor:
        """Finds the positions, among the rows of all workers, of rows with these numbers.

        Args:
          numbers: int64 [N], from 0.
        """
        batch, row = numbers // self.examples, numbers % self.examples
        return (batch * self.count + self.index) * self.examples + row

    def count_below(self, end: int) -> int:
        """Counts the worker's rows whose position is below `end`; they are its first ones."""
        batches, rest = divmod(end, self.examples * self.count)
        here = min(max(rest - self.index * self.examples, 0), self.examples)
        return batches * self.examples + here
