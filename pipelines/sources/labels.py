"""Labels by the names of classes: those of a set among those of a network. No TensorFlow."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipelines.sources.layout import first_names


def check_known(where: str, found: Sequence[str], classes: Sequence[str], advice: str) -> None:
    """Refuses classes that a network does not know.

    Args:
      where: names the set.
      found: the classes that have examples.
      classes: of the network.
      advice: a sentence: what to do about those that it does not know.

    Raises:
      ValueError: one is not among `classes`, or more than once.
    """
    unknown = sorted(name for name in found if classes.count(name) != 1)
    if unknown:
        raise ValueError(
            f"{where} has classes that the network does not know, or knows twice: "
            f"{first_names(unknown)}; expected some or all of its {len(classes)}: "
            f"{first_names(list(classes))}. {advice}"
        )


class Matched(NamedTuple):
    """Labels that are places among the classes of a network."""

    label: np.ndarray  # int32 [N]
    classes: tuple[str, ...]
    remark: str
    """How the set's classes differ from the network's; empty where they do not."""

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Counts the examples of each class."""
        return tuple(np.bincount(self.label, minlength=len(self.classes)).tolist())


def matched(
    label: np.ndarray, own: tuple[str, ...], classes: tuple[str, ...], where: str, advice: str
) -> Matched:
    """Matches the classes of a set by name with those of a network.

    Args:
      label: int32 [N], places among the set's own classes.
      own: these.
      classes: of the network; none takes the set's own.
      where: names the set.
      advice: as in `check_known`.

    Raises:
      ValueError: an example is of a class that is not among `classes`.
    """
    if not classes:
        return Matched(label, own, "")
    counts = np.bincount(label, minlength=len(own))
    found = [name for name, count in zip(own, counts, strict=True) if count]
    check_known(where, found, classes, advice)
    places = {name: place for place, name in enumerate(classes)}
    label = np.array([places.get(name, -1) for name in own], np.int32)[label]
    return Matched(label, classes, remark(where, found, classes))


def remark(where: str, found: list[str], classes: tuple[str, ...]) -> str:
    """Says how the classes of a set differ from a network's; empty where they do not.

    Args:
      where: names the set.
      found: the classes that have examples, in the order of the set.
      classes: of the network, all of `found` among them.
    """
    places = list(map(classes.index, found))
    in_order = places == sorted(places)
    if in_order and len(found) == len(classes):
        return ""
    some = f"{len(found)} of the network's {len(classes)} classes"
    order = "" if in_order else ", in another order"
    return f"{where} has {some}{order}; they are matched by name."
