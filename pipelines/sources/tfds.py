"""Sets that TensorFlow Datasets has prepared, read in their own TFRecord files, by index.

The first time a split is opened its files are read once, and an index is written for each.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipelines.sources import indexed, labels
from pipelines.sources.indexed import Columns, IndexedSource, Shard
from pipelines.sources.parts import Part, part, parts
from pipelines.sources.tfds_index import UNLABELED, Keys, shards_of

_NAMES = ("file_name", "filename", "image/filename", "id")
"""Features that say what an example is called; the first that a set has is taken."""


@dataclasses.dataclass(frozen=True)
class _Set:
    """A prepared set, as far as it is needed here."""

    where: str
    builder: Any
    """A tfds.core.DatasetBuilder."""
    keys: Keys
    classes: tuple[str, ...]


def prepared(
    name: str,
    split: str,
    held_out: float,
    classes: tuple[str, ...] = (),
    train_part: float = 1.0,
    setting: str = "data.source",
) -> IndexedSource:
    """Opens one part of a prepared set.

    Args:
      name: as TFDS takes it: NAME, NAME/CONFIG, with :VERSION behind it or not.
      split: train, val (`validation` or `test`), all for both, or another by its own name.
      held_out: part of `train` that becomes val where there is none, 0 to 1, by a hash of the name.
      classes: those of a network that is only to be tested. By default the set's own.
      train_part: part of what is left to train on that is used, above 0 to 1, by the same hash.
      setting: that named the set, for messages.

    Raises:
      ValueError: the set has not been prepared, cannot be read, or is none of pictures with a
        class each; a set with several labels for each is only to be tested.
    """
    found = _open(name, setting)
    where, splits = found.where, found.builder.info.splits
    if found.keys.has_several and not classes:
        raise ValueError(
            f"{where} has several labels for each picture ({found.keys.label}); expected one to "
            "train on. It can be tested on: python -m alexnet_tf.evaluate."
        )
    chosen = part(splits, split, held_out, train_part, where)
    shards = [
        shard
        for one in chosen.splits
        for shard in shards_of(splits[one], found.keys, found.classes, where)
    ]
    columns = indexed.columns(shards, chosen, where, "Remove the index: it is made again.")
    is_labeled = columns.label >= 0
    num_unlabeled = len(is_labeled) - int(is_labeled.sum())
    if num_unlabeled and not (found.keys.has_several and is_labeled.any()):
        raise ValueError(
            f"{where}: split={split!r} has {num_unlabeled} examples without a label, of "
            f"{len(is_labeled)}; expected a label for each. Name another split, such as "
            f"{', '.join(sorted(parts(splits, held_out)))}."
        )
    sets = None
    advice = "Name a set without them."
    if found.keys.has_several:
        columns = Columns(*(column[is_labeled] for column in columns[:3]))
        sets = _label_sets(shards, chosen)
        flat = labels.matched(np.concatenate(sets), found.classes, classes, where, advice)
        sets = _padded(flat.label, list(map(len, sets)))
        matched = flat._replace(label=sets[:, 0].copy())
    else:
        matched = labels.matched(columns.label, found.classes, classes, where, advice)
    left_out = f"{where}: {num_unlabeled} examples have no label and are left out."
    return IndexedSource(
        shards=tuple(shards),
        part=chosen,
        columns=indexed.kept(columns._replace(label=matched.label)),
        classes=matched.classes,
        class_counts=matched.class_counts,
        num_pictures=sum(one.num_examples for one in splits.values()),
        remark="\n".join(filter(None, [left_out if num_unlabeled else "", matched.remark])),
        key=found.keys.image,
        stated_digest=_digest(found, shards) if chosen.is_whole else "",
        label_sets=sets,
    )


def own_splits(name: str, setting: str = "data.source") -> tuple[str, ...]:
    """Lists what can be asked for of a prepared set without dividing one of its splits.

    Raises:
      ValueError: the set has not been prepared, or cannot be read.
    """
    there = parts(_open(name, setting).builder.info.splits, held_out=0.5)
    return tuple(split for split, one in there.items() if one.is_whole)


def _open(name: str, setting: str) -> _Set:
    """Finds a prepared set.

    Raises:
      ValueError: there is none, or it has no pictures with classes.
    """
    where = f"{setting}='tfds:{name}'"
    data_dir = os.environ.get("TFDS_DATA_DIR") or None
    with _quietly():
        from tensorflow_datasets.core import naming, read_only_builder, registered

        try:
            naming.parse_builder_name_kwargs(name)
        except ValueError as error:
            raise ValueError(
                f"{where}: expected tfds:NAME or tfds:NAME/CONFIG, with :VERSION behind it or not, "
                "such as tfds:cifar10:3.0.2."
            ) from error
        try:
            builder = read_only_builder.builder_from_files(name, data_dir=data_dir)
        except registered.DatasetNotFoundError as error:
            raise ValueError(
                f"{where} has not been prepared under {_data_dir(data_dir)}; expected TFDS to have "
                f"done so. Run: tfds build {name}. TFDS_DATA_DIR names another place for both."
            ) from error
        except Exception as error:  # whatever TFDS meets in files that are damaged
            why = str(error).partition("\n")[0].rstrip(".")
            raise ValueError(
                f"{where}: TFDS cannot open it: {why}. Prepare it again: tfds build {name} "
                "--overwrite."
            ) from error
        form = builder.info.file_format
        if form and form.value != "tfrecord":
            raise ValueError(
                f"{where} was prepared as {form.value}; expected tfrecord. Prepare it so: tfds "
                f"build {name} --file_format=tfrecord --overwrite."
            )
        keys = _keys(builder.info, where)
        feature = builder.info.features[keys.label]
        named = feature.feature if keys.has_several else feature
        return _Set(where, builder, keys, tuple(named.names))


def _data_dir(data_dir: str | None) -> str:
    """Quotes the place where sets are looked for."""
    from tensorflow_datasets.core import constants

    return repr(data_dir or constants.DATA_DIR)


def _keys(info: Any, where: str) -> Keys:
    """Chooses the features that hold picture, label and name.

    Raises:
      ValueError: there is no picture of whole numbers, or no label.
    """
    from tensorflow_datasets.core import features

    def is_label(feature) -> bool:
        return isinstance(feature, features.ClassLabel)

    def is_several(feature) -> bool:
        return isinstance(feature, features.Sequence) and is_label(feature.feature)

    there = dict(info.features)
    preferred = [*(info.supervised_keys or ()), "image", "label"]
    ranks = {name: preferred.index(name) for name in there if name in preferred}
    names = sorted(there, key=lambda name: ranks.get(name, len(preferred)))  # else as they come
    images = [name for name in names if isinstance(there[name], features.Image)]
    colors = [name for name in images if there[name].np_dtype != np.float32]
    if images and not colors:  # TFDS keeps their bits in the channels of a PNG
        raise ValueError(
            f"{where} has pictures of float32 ({images[0]}); expected uint8 or uint16. Make a set "
            "of colors from it."
        )
    marked = [name for name in names if is_label(there[name]) or is_several(there[name])]
    if not images or not marked:
        raise ValueError(
            f"{where} has the features {', '.join(there)}; expected an Image and a ClassLabel, or "
            "a Sequence of these, among them. Name a set for classification."
        )
    called = next((name for name in _NAMES if isinstance(there.get(name), features.Text)), "")
    return Keys(colors[0], marked[0], is_several(there[marked[0]]), called)


def _label_sets(shards: list[Shard], chosen: Part) -> list[list[int]]:
    """Reads the labels of each example that has any, which its name in the index begins with."""
    found = []
    for shard in shards:
        index = indexed.read_index(shard.index_path)
        held = chosen.holds(index.rows["hash"]) & (index.rows["label"] >= 0)
        texts = [index.name(place).partition("/")[0] for place in np.flatnonzero(held)]
        found += [[*dict.fromkeys(map(int, text.split(",")))] for text in texts]  # each once
    return found


def _padded(flat: np.ndarray, counts: list[int]) -> np.ndarray:
    """Makes int32 [N, L] of labels one after another, filled up with UNLABELED."""
    table = np.full([len(counts), max(counts)], UNLABELED, np.int32)
    table[np.arange(max(counts)) < np.array(counts)[:, None]] = flat
    return table


def _digest(found: _Set, shards: list[Shard]) -> str:
    """Digests what tells one prepared set from another, and the splits taken of it."""
    facts = [found.builder.info.full_name, found.keys.label]
    files = [[shard.split, shard.num_examples, shard.num_bytes] for shard in shards]
    return hashlib.sha256(json.dumps(facts + files).encode()).hexdigest()


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keeps what TFDS says of itself off standard error."""
    from absl import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
