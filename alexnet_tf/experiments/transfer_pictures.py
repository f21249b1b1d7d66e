"""The pictures of a set that take part in a transfer experiment. No TensorFlow."""

import dataclasses
import sys
from collections.abc import Iterable, Sequence

import numpy as np

from alexnet_tf.errors import UserError, listed
from alexnet_tf.experiments.folds import Fold, fold

MOST_TEST = 50
"""Pictures of a class to test, at most (Zeiler and Fergus 2013, section 5.2)."""
CLUTTER = ("BACKGROUND_Google", "257.clutter")
"""Folders of Caltech-101 and Caltech-256 that are no class."""


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Some pictures of a source, numbered anew."""

    index: np.ndarray
    """int64 [N], numbers in the source, rising."""
    label: np.ndarray
    """int64 [N], places in `classes`."""
    classes: tuple[str, ...]

    def fold(self, per_class: int, number: int, seed: int) -> Fold:
        """Draws a split, whose examples are places in `index`."""
        return fold(self.label, per_class, MOST_TEST, number, seed)

    def without(self, undecoded: Iterable[int]) -> "Pictures":
        """Leaves out those that cannot be decoded, by their numbers in the source.

        Raises:
          UserError: too few are left of a class.
        """
        is_good = ~np.isin(self.index, list(undecoded))
        good = Pictures(self.index[is_good], self.label[is_good], self.classes)
        counts = np.bincount(good.label, minlength=len(good.classes))
        if counts.min() < 2:
            raise UserError(
                f"data.source: {counts.min()} in the class {good.classes[counts.argmin()]!r} that "
                "can be decoded; expected two pictures or more, one to train on and one to test. "
                "Add some, or remove the folder."
            )
        return good


def of_classes(names: Sequence[str], labels: np.ndarray) -> Pictures:
    """Takes the pictures of the classes, without clutter, and says what that leaves out.

    Args:
      names: of all classes.
      labels: int [N], of all pictures of a source, places in `names`.

    Raises:
      UserError: there is only one class, or one has too few pictures.
    """
    classes = [name for name in names if name not in CLUTTER]
    if len(classes) < 2:
        raise UserError(
            f"data.source: expected a folder for each of two classes or more beside clutter, got "
            f"{listed(classes)}. Add some."
        )
    is_class = np.isin(names, classes)
    index = np.flatnonzero(is_class[labels])
    if len(index) < len(labels):
        left_out = ", ".join(name for name in names if name in CLUTTER)
        print(
            f"left out {left_out}: {len(labels) - len(index):,} pictures of no class",
            file=sys.stderr,
            flush=True,
        )
    return Pictures(index, (np.cumsum(is_class) - 1)[labels[index]], tuple(classes)).without(())


def say_small(pictures: Pictures, per_class: int) -> None:
    """Says which classes have too few pictures for a fold."""
    counts = np.bincount(pictures.label)
    small = [
        f"{name} ({count})"
        for name, count in zip(pictures.classes, counts, strict=True)
        if count <= per_class
    ]
    if small:
        print(
            f"{per_class} pictures a class: {listed(small)} have no more, and train with all but "
            "one",
            file=sys.stderr,
            flush=True,
        )
