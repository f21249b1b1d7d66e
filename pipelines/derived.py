"""A source made of another one."""

import dataclasses

import numpy as np
import tensorflow as tf

from pipelines.source import Source, bare_name, known_reason, label_sets, recoding


@dataclasses.dataclass(frozen=True)
class Derived:
    """Base of sources made of another one: passes on what a subclass does not override."""

    origin: Source

    @property
    def classes(self) -> tuple[str, ...]:
        """The origin's."""
        return self.origin.classes

    @property
    def class_counts(self) -> tuple[int, ...]:
        """The origin's."""
        return self.origin.class_counts

    @property
    def digest(self) -> str:
        """The origin's."""
        return self.origin.digest

    @property
    def recoding(self) -> str:
        """The origin's, where it has one."""
        return recoding(self.origin)

    @property
    def num_pictures(self) -> int:
        """The origin's."""
        return self.origin.num_pictures

    @property
    def remark(self) -> str:
        """The origin's."""
        return self.origin.remark

    @property
    def label_sets(self) -> np.ndarray | None:
        """The origin's."""
        return label_sets(self.origin)

    def name(self, index: int) -> str:
        """Names an example as the origin does."""
        return self.origin.name(index)

    def bare_name(self, index: int) -> str:
        """Names an example alone, as the origin does."""
        return bare_name(self.origin, index)

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads the encoded example from the origin."""
        return self.origin.read(index)

    def reason(self, index: int) -> str:
        """Knows what the origin does."""
        return known_reason(self.origin, index)
