"""What a source is: numbered examples, encoded, answered by index in any order."""

from typing import Protocol

import numpy as np
import tensorflow as tf


class Reader(Protocol):
    """Gives encoded pictures by index: in any order, as often as asked, several at a time.

    It never decodes; `squares.py` does.
    """

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads one example inside a graph.

        Args:
          index: int64 scalar, from 0 to below the number of examples.

        Returns:
          The encoded picture (string scalar) and its label (int32 scalar).

        Raises:
          tf.errors.OpError: when the graph runs and the example cannot be read.
        """
        ...


class Source(Reader, Protocol):
    """Numbered examples: what every chain of `dataset.py` reads from.

    Attributes:
      num_examples: how many there are; indices run from 0.
      classes: their names; a label is a place in this tuple.
      class_counts: how many examples each class has, whether or not they can be decoded.
      digest: SHA-256 in hexadecimal of all names and sizes; changes with the data.
      num_pictures: how many examples all splits have together.
      remark: what was left out of all splits, and how classes were matched, a sentence a
        line; empty where nothing was.
    """

    @property
    def num_examples(self) -> int: ...  # noqa: D102

    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def class_counts(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def digest(self) -> str: ...  # noqa: D102

    @property
    def num_pictures(self) -> int: ...  # noqa: D102

    @property
    def remark(self) -> str: ...  # noqa: D102

    def name(self, index: int) -> str:
        """Names an example for messages: the path of its file, if it has one."""
        ...


# What only some sources have, by the name of a function or attribute of theirs: `reason`,
# `bare_name`, `label_sets`, `recoding`.


def known_reason(source: Reader, index: int) -> str:
    """Says in a few words what a source knows to be wrong with an example, such as who packed it.

    Empty where it knows nothing.
    """
    find = getattr(source, "reason", None)
    return find(index) if find else ""


def recoding(source: Reader) -> str:
    """Says how pictures were encoded anew when they were packed; empty where they were not."""
    return getattr(source, "recoding", "")


def bare_name(source: Source, index: int) -> str:
    """Names an example without the file that it is packed in, where it is packed."""
    find = getattr(source, "bare_name", source.name)
    return find(index)


def label_sets(source: Reader) -> np.ndarray | None:
    """Finds all labels of each example, where there may be several.

    Returns:
      int32 [N, L], filled up with -1; the first is the one that `read` gives. None where every
      example has one label.
    """
    return getattr(source, "label_sets", None)
