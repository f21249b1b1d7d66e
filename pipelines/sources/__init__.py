"""Where examples come from. A source gives encoded pictures by index, in any order."""

from typing import Protocol

import tensorflow as tf

from pipelines.config import DataConfig, Split
from pipelines.sources.layout import SPLITS, look


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
      remark: what was left out of all splits, in a sentence; empty where nothing was.
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


def open_source(
    config: DataConfig, split: Split, seed: int, classes: tuple[str, ...] = ()
) -> Source:
    """Opens what `data.source` names.

    Args:
      config: names the source.
      split: train, val, or all for both.
      seed: the run's seed; only sources that draw their examples use it.
      classes: the classes of a network that is only evaluated; a folder need not have them all.
        By default the source's own.

    Raises:
      ValueError: there is nothing to read, or a class that is not one of `classes`.
    """
    if split not in list(Split):
        raise ValueError(f"split={split!r}: expected train, val or all.")
    kind, _, place = config.source.partition(":")
    if kind == "folder":
        from pipelines.sources.folder import folder

        return folder(place, split, config.held_out, classes)
    from pipelines.sources.shapes import shapes

    drawn = shapes(seed, str(split))  # as text, since its digest quotes it
    if classes and drawn.classes != classes:
        raise ValueError(
            f"data.source=shapes has the classes {', '.join(drawn.classes)}; expected those of the "
            "network. Name a folder that holds some of them: --data.source=folder:DIR."
        )
    return drawn


def own_splits(config: DataConfig) -> tuple[str, ...]:
    """Lists which of train and val the source has; neither for a plain folder.

    Raises:
      ValueError: there is nothing to read.
    """
    kind, _, place = config.source.partition(":")
    return tuple(look(place).pictures) if kind == "folder" else SPLITS
