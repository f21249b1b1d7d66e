"""Which splits of a set, or which part of one, is meant by train, val, all or another name.

No TensorFlow.
"""

import dataclasses
import math
from collections.abc import Collection

import numpy as np

from pipelines.records.description import WHOLE

_VAL = ("val", "validation", "test")
"""What a set may call its val; the first that it has is taken."""


@dataclasses.dataclass(frozen=True)
class Part:
    """Splits of a set, one after another; of a divided one the examples whose hashes lie within."""

    splits: tuple[str, ...]
    at_least: float = 0.0
    """Bounds of the hashes of names, taken as 0 to 1."""
    below: float = math.inf

    @property
    def is_whole(self) -> bool:
        """Whether every example of the splits belongs to it."""
        return self == Part(self.splits)

    def holds(self, hashes: np.ndarray) -> np.ndarray:
        """Tells which examples belong to it: 64-bit hashes of names -> bool."""
        places = hashes / 2.0**64
        return (places >= self.at_least) & (places < self.below)


def trained(splits: tuple[str, ...], held_out: float, train_part: float) -> Part:
    """Gives the part of some splits that training uses.

    Args:
      splits: those that it is taken from.
      held_out: what is held out of them, 0 to below 1.
      train_part: how much of the rest is used, above 0 to 1.
    """
    below = held_out + (1 - held_out) * train_part if train_part < 1 else math.inf
    return Part(splits, at_least=held_out, below=below)


def parts(splits: Collection[str], held_out: float, train_part: float = 1.0) -> dict[str, Part]:
    """Lists by name what can be asked for.

    Args:
      splits: the names of those that a set has. Its val is `val`, else `validation`, else `test`.
      held_out: part of the training split that becomes val where it has none of these, 0 to 1.
      train_part: part of what is left to train on that is used, above 0 to 1.
    """
    val = next((name for name in _VAL if name in splits), "")
    train = next((name for name in ("train", WHOLE) if name in splits), "")
    found = {name: Part((name,)) for name in splits}
    if train:
        found["train"] = trained((train,), 0 if val else held_out, train_part)
    if val:
        found["val"] = Part((val,))
    elif train:
        found["val"] = Part((train,), below=held_out)
    found[WHOLE] = Part(tuple(name for name in (train, val) if name) or tuple(splits))
    return found


def part(
    splits: Collection[str], split: str, held_out: float, train_part: float, where: str
) -> Part:
    """Finds what is asked for.

    Args:
      splits: as in `parts`.
      split: train, val, all for both, or another split by its own name.
      held_out: as in `parts`.
      train_part: as in `parts`.
      where: names the set in the message.

    Raises:
      ValueError: there is no such split.
    """
    there = parts(splits, held_out, train_part)
    if split not in there:
        raise ValueError(
            f"split={split!r}: expected one that {where} has: {', '.join(sorted(there))}."
        )
    return there[split]
