"""Some examples of many: at equal distances, or as many of each class as can be."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from pipelines.source import Source

TRIES = 8
"""Examples that are looked at for each that is picked, to find all classes."""
GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples, without what is before the point, are spread evenly however many there are."""


def equally_apart(total: int, count: int) -> np.ndarray:
    """Picks `count` numbers below `total` at equal distances; all where there are fewer."""
    count = min(count, total)
    return (2 * np.arange(count) + 1) * total // (2 * count) if count else np.arange(0)


def spread_over_classes(source: Source, most: int) -> list[int]:
    """Picks examples, as many of each class as can be, and returns them in the classes' order.

    Most sources list their examples class by class, so those at equal distances are tried first;
    then others, since some have all their classes side by side.
    """
    total, count = source.num_examples, min(most, source.num_examples)
    others = (int(GOLDEN * n % 1 * total) for n in range(TRIES * count))
    tried = list(dict.fromkeys([*equally_apart(total, count).tolist(), *others]))
    share = math.ceil(count / max(1, np.count_nonzero(source.class_counts)))
    found, taken = {}, Counter()
    for index, label in _labels(source, tried):
        if taken[label] < share:
            found[index] = label
            taken[label] += 1
        if len(found) == count:
            break
    rest = (index for index in tried if index not in found)  # where a class has too few
    found |= dict.fromkeys(itertools.islice(rest, count - len(found)), math.inf)
    return sorted(found, key=lambda index: (found[index], index))


def _labels(source: Source, indices: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yields the labels of some examples, without those that cannot be read."""
    numbers = tf.data.Dataset.from_tensor_slices(tf.constant(indices, tf.int64))
    read = numbers.map(lambda index: (index, source.read(index)[1])).ignore_errors()
    for index, label in read.as_numpy_iterator():
        yield int(index), int(label)


class Chosen:
    """Some examples of a source under new numbers, as a Reader.

    Args:
      source: where they are.
      numbers: int64 [N], their numbers there.
    """

    def __init__(self, source: Source, numbers: tf.Tensor):
        """Stores both."""
        self._source, self._numbers = source, numbers

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads one of them."""
        return self._source.read(self._numbers[index])
