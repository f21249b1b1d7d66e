"""Where examples come from. A source answers by index, in any order, and never decodes."""

from typing import Protocol

import tensorflow as tf

from pipelines.config import DataConfig


class Source(Protocol):
    """Numbered examples: what every chain of `dataset.py` reads from.

    Attributes:
      num_examples: how many there are; indices run from 0.
      classes: their names; a label is a place in this tuple.
      digest: SHA-256 in hexadecimal of all names and sizes; other data, another digest.
    """

    @property
    def num_examples(self) -> int: ...  # noqa: D102

    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def digest(self) -> str: ...  # noqa: D102

    def name(self, index: int) -> str:
        """Names an example for messages: the path of its file, if it has one."""
        ...

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads one example inside a graph.

        Args:
          index: int64 scalar, 0 to `num_examples` - 1.

        Returns:
          The encoded picture (string scalar) and its label (int32 scalar).

        Raises:
          tf.errors.OpError: when the graph runs and the example cannot be read.
        """
        ...


def open_source(config: DataConfig, split: str, seed: int) -> Source:
    """Opens what `data.source` names.

    Args:
      config: says which source.
      split: "train" or "val".
      seed: of the run; only sources that draw their examples look at it.

    Raises:
      ValueError: there is nothing to read; the message says what was expected.
    """
    if split not in ("train", "val"):
        raise ValueError(f"split={split!r}: expected train or val.")
    kind, _, place = config.source.partition(":")
    if kind == "folder":
        from pipelines.sources.folder import folder

        return folder(place, split, config.held_out)
    from pipelines.sources.shapes import shapes

    return shapes(seed, split)
