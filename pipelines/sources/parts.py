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


def parts(splits: Collection[str], held_out: float) -> dict[str, Part]:
    """Lists by name what can be asked for.

    Args:
      splits: the names of those that a set has. Its val is `val`, else `validation`, else `test`.
      held_out: part of the training split that becomes val where it has none of these, 0 to 1.
    """
    val = next((name for name in _VAL if name in splits), "")
    train = next((name for name in ("train", WHOLE) if name in splits), "")
    found = {name: Part((name,)) for name in splits}
    if train and not val:
        found["train"] = Part((train,), at_least=held_out)
        found["val"] = Part((train,), below=held_out)
    elif val:
        found["val"] = Part((val,))
    found[WHOLE] = Part(tuple(name for name in (train, val) if name) or tuple(splits))
    return found


def part(splits: Collection[str], split: str, held_out: float, where: str) -> Part:
    """Finds what is asked for.

    Args:
      splits: as in `parts`.
      split: train, val, all for both, or another split by its own name.
      held_out: as in `parts`.
      where: names the set in the message.

    Raises:
      ValueError: there is no such split.
    """
    there = parts(splits, held_out)
    if split not in there:
        raise ValueError(
            f"split={split!r}: expected one that {where} has: {', '.join(sorted(there))}."
        )
    return there[split]
