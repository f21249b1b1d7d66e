"""Indexes of the files of a set that TensorFlow Datasets has prepared: made once, and kept.

They lie beside the files, or, where this user may not write there, in
`$XDG_CACHE_HOME/alexnet_tf/tfds` (`~/.cache` by default).
"""

import dataclasses
import hashlib
import os
import pathlib
import socket
import sys
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import files, storage
from pipelines.decode import last_words
from pipelines.records import index as indexes
from pipelines.records.shards import FRAME_BYTES
from pipelines.sources.indexed import Shard

_BATCH_EXAMPLES = 256
_DAMAGE = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.OutOfRangeError,
)
"""What TensorFlow raises where a file is not what it should be."""
UNLABELED = -1
"""Label of an example that has none."""


@dataclasses.dataclass(frozen=True)
class Keys:
    """Which features of an example are read."""

    image: str
    label: str
    has_several: bool
    """Whether an example may have several labels, or none."""
    name: str
    """Empty where no feature says what an example is called: it is numbered then."""


def shards_of(split: Any, keys: Keys, classes: tuple[str, ...], where: str) -> list[Shard]:
    """Lists the files of a split; makes the indexes that are missing.

    An example is named "<class>/<file>"; one of several labels "<label>,<label>/<file>".

    Args:
      split: a tfds.core.SplitInfo.
      keys: what to read.
      classes: names of the labels.
      where: names the set in messages.

    Raises:
      ValueError: a file is missing or damaged, or no index can be written.
    """
    shards, first = [], 0
    for path, count in zip(map(os.fspath, split.filepaths), split.shard_lengths, strict=True):
        try:
            num_bytes = storage.num_bytes(path)
        except FileNotFoundError as error:
            raise ValueError(_unusable(where, path, "is missing")) from error
        except OSError as error:
            raise ValueError(_unread(where, path, error.strerror or str(error))) from error
        places = _places(path, num_bytes)
        there = next((place for place in places if _is_newer(place, path)), None)
        shards.append(Shard(path, there or "", count, num_bytes, split.name, first))
        first += count
    missing = [shard for shard in shards if not shard.index_path]
    if missing:
        count = sum(shard.num_examples for shard in missing)
        print(
            f"{where}: reading {count:,} examples of {split.name} once, to find them by index "
            "from now on",
            file=sys.stderr,
            flush=True,
        )
    made = {
        shard.path: _write(shard, _index(shard, keys, classes, where), where) for shard in missing
    }
    return [
        dataclasses.replace(shard, index_path=made.get(shard.path, shard.index_path))
        for shard in shards
    ]


def _is_newer(place: str, path: str) -> bool:
    """Tells whether an index is there, and was made since its file was last written."""
    try:
        made, written = (tf.io.gfile.stat(x).mtime_nsec for x in (place, path))
    except tf.errors.OpError:  # also where a part of the place is a file
        return False
    return made >= written


def _places(path: str, num_bytes: int) -> tuple[str, str]:
    """Lists where the index of a file may lie: beside it, or in the cache of this user.

    Its name has the file's size, so that a set that is prepared anew gets another.
    """
    directory, name = os.path.split(path)
    name = f"{name}-{num_bytes}{indexes.SUFFIX}"
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    whole = os.path.abspath(directory) if storage.is_local(directory) else directory
    mine = hashlib.sha256(os.fsencode(whole)).hexdigest()[:16]
    return os.path.join(directory, name), os.path.join(caches, "alexnet_tf", "tfds", mine, name)


def _write(shard: Shard, index: indexes.Index, where: str) -> str:
    """Writes an index whole, and returns its place.

    Raises:
      ValueError: neither place takes it.
    """
    beside, mine = _places(shard.path, shard.num_bytes)
    is_ours = os.access(os.path.dirname(beside), os.W_OK)  # never so of a path that is not local
    place = pathlib.Path(beside if is_ours else mine)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        writer = f".{socket.gethostname()}-{os.getpid()}"  # workers begin at the same time
        files.write_bytes(place, indexes.to_bytes(index), writer)
    except OSError as error:
        raise ValueError(
            f"{where}: {str(place)!r} cannot be written: {error.strerror}. Expected a place for "
            "an index of the set; name one that this user may write by XDG_CACHE_HOME."
        ) from error
    return str(place)


@tf.autograph.experimental.do_not_convert
def _index(shard: Shard, keys: Keys, classes: tuple[str, ...], where: str) -> indexes.Index:
    """Reads a file from its beginning to its end.

    Raises:
      ValueError: it is damaged, or has another number of records than it should.
    """
    ds = tf.data.TFRecordDataset(shard.path)
    ds = ds.map(lambda record: _facts(record, keys), tf.data.AUTOTUNE, deterministic=True)
    columns = [[], [], [], []]
    try:
        for batch in ds.batch(_BATCH_EXAMPLES).as_numpy_iterator():
            for column, part in zip(columns, batch, strict=True):
                column.extend(part.tolist())
    except _DAMAGE as error:
        raise ValueError(_unusable(where, shard.path, "is damaged, or no such set's")) from error
    except tf.errors.OpError as error:
        raise ValueError(_unread(where, shard.path, last_words(error))) from error
    lengths, sizes, labels, names = columns
    if len(lengths) != shard.num_examples:
        reason = f"has {len(lengths)} records, expected {shard.num_examples}"
        raise ValueError(_unusable(where, shard.path, reason))
    ends = np.cumsum([length + FRAME_BYTES for length in lengths])
    each = [[int(label) for label in text.split(b",") if label] for text in labels]
    each = [[label for label in some if label != UNLABELED] for some in each]
    highest = max((label for some in each for label in some), default=0)
    if highest >= len(classes):
        reason = f"has the label {highest} in a set of {len(classes)} classes"
        raise ValueError(_unusable(where, shard.path, reason))
    called = [
        f"{_class(some, keys, classes)}/{_file(name, shard.first + place)}"
        for place, (some, name) in enumerate(zip(each, names, strict=True))
    ]
    firsts = [some[0] if some else UNLABELED for some in each]
    return indexes.make([0, *ends[:-1]][: len(lengths)], sizes, firsts, called)


def _facts(record: tf.Tensor, keys: Keys) -> tuple[tf.Tensor, ...]:
    """Tells of a record: its bytes, its picture's, its labels as text, its name."""
    features = {
        keys.image: tf.io.FixedLenFeature([], tf.string),
        keys.label: tf.io.VarLenFeature(tf.int64),
    }
    if keys.name:
        features[keys.name] = tf.io.FixedLenFeature([], tf.string, "")
    found = tf.io.parse_single_example(record, features)
    labels = tf.strings.reduce_join(tf.as_string(found[keys.label].values), separator=",")
    name = found[keys.name] if keys.name else tf.constant("")
    num_bytes, picture = tf.strings.length(record), tf.strings.length(found[keys.image])
    return num_bytes, picture, labels, name


def _class(labels: list[int], keys: Keys, classes: tuple[str, ...]) -> str:
    if keys.has_several:
        return ",".join(map(str, labels))
    return classes[labels[0]] if labels else ""


def _file(name: bytes, number: int) -> str:
    return os.fsdecode(name).rpartition("/")[2] or f"{number:08}"


def _unread(where: str, path: str, reason: str) -> str:
    return (
        f"{where}: {path!r} cannot be read: {reason}. Expected a file of the set that this user "
        "may read; permit it, or run the same command again where the disk was at fault."
    )


def _unusable(where: str, path: str, reason: str) -> str:
    return (
        f"{where}: {path!r} {reason}; expected the file that TFDS has written. Prepare the set "
        "again: tfds build --overwrite."
    )
