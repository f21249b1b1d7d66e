"""Checks a packed data set: its shards, and what dataset.json says of them together."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from pipelines.machine import this_machine
from pipelines.packing.check import Check, Problem
from pipelines.parallelism import decoding
from pipelines.records import description
from pipelines.records.description import Description, PackedSplit
from pipelines.records.index import Index
from pipelines.sources.folder import add_to_digest

_MOST_PIXELS = 178_000_000  # a packed picture has passed the limit of its packing


def verify(
    folder: str, progress: Callable[[int, int], None], workers: int = 0
) -> tuple[Description, list[Problem]]:
    """Checks a packed data set.

    Args:
      folder: of the set.
      progress: is called with the number of records that were checked, and that of all.
      workers: threads that decode; 0 takes as many as there are processors.

    Returns:
      What dataset.json says, and all that is wrong.

    Raises:
      ValueError: there is no dataset.json that can be read.
    """
    found = _read_description(pathlib.Path(folder))
    machine = this_machine()
    machine = dataclasses.replace(machine, cpus=workers or machine.cpus)
    check = Check(pathlib.Path(folder), found, decoding(_MOST_PIXELS, machine))
    total = sum(shard.num_examples for split in found.splits.values() for shard in split.shards)
    done, problems = 0, []
    progress(done, total)
    for name, split in found.splits.items():
        bad = {one.index: one.name for one in found.undecoded if one.split == name}
        facts, is_known, first = _Facts(len(found.classes)), True, 0
        for shard in split.shards:
            here = {x - first: bad[x] for x in bad if first <= x < first + shard.num_examples}
            rows, wrong = check.index(shard)
            problems += wrong
            problems += check.shard(shard, rows, here)
            is_known = is_known and rows is not None
            if is_known:
                facts.add(rows)
            first += shard.num_examples
            done += shard.num_examples
            progress(done, total)
        if is_known:
            problems += facts.misfits(name, split, found)
    return found, problems


def _read_description(folder: pathlib.Path) -> Description:
    try:
        return description.from_text((folder / description.FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(
            f"verify={str(folder)!r}: {description.FILE} cannot be read: {reason}. Expected a "
            "directory that this command has packed; name one, or pack the pictures again."
        ) from error


class _Facts:
    """What the indices of a split say together, taken one after another."""

    def __init__(self, num_classes: int):
        """Begins with nothing."""
        self._counts, self._num_examples = np.zeros(num_classes, np.int64), 0
        self._digest = hashlib.sha256()

    def add(self, rows: Index) -> None:
        """Adds the index of the next shard."""
        labels = rows.rows["label"].astype(np.int64)
        labels = labels[(labels >= 0) & (labels < len(self._counts))]
        self._counts += np.bincount(labels, minlength=len(self._counts))
        self._num_examples += len(rows)
        names = [rows.name(place) for place in range(len(rows))]
        add_to_digest(self._digest, names, rows.rows["num_bytes"].tolist())

    def misfits(self, name: str, split: PackedSplit, found: Description) -> Iterator[Problem]:
        """Compares them with what dataset.json says of the split."""
        facts = [
            ("num_examples", split.num_examples, self._num_examples),
            ("class_counts", list(split.class_counts), self._counts.tolist()),
        ]
        if not found.origin.startswith("tfds:"):  # whose digest is not of names and sizes
            facts.append(("digest", split.digest, self._digest.hexdigest()))
        for what, said, is_so in facts:
            if said != is_so:
                reason = f"{what} of split {name} is {said}, the indices have {is_so}"
                yield Problem(description.FILE, None, reason)
