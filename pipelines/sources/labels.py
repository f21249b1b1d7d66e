"""Labels by the names of classes: those of a set among those of a network. No TensorFlow."""

from collections.abc import Sequence

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


def places(own: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Maps a set's labels to a network's: int32 [own], -1 for names that it does not know."""
    found = {name: place for place, name in enumerate(classes)}
    return np.array([found.get(name, -1) for name in own], np.int32)


def remark(where: str, found: Sequence[str], classes: Sequence[str]) -> str:
    """Says how a set's classes differ from the network's; empty where they do not.

    Args:
      where: names the set.
      found: its classes that have examples, in its order.
      classes: of the network, all of `found` among them.
    """
    in_order = [name for name in classes if name in set(found)] == list(found)
    if in_order and len(found) == len(classes):
        return ""
    some = f"{len(found)} of the network's {len(classes)} classes"
    order = "" if in_order else ", in another order"
    return f"{where} has {some}{order}; they are matched by name."
