"""What there is to pack: splits, their examples in order, and what is left out."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from pipelines.decode import last_words
from pipelines.packing.archives import Archive
from pipelines.packing.decompressed import open_tar
from pipelines.packing.labels import read_labels
from pipelines.packing.settings import Packing
from pipelines.records.description import WHOLE
from pipelines.source import Reader
from pipelines.sources import tfds
from pipelines.sources.folder import (
    FolderSource,
    classes_of,
    digest_of,
    labels_of,
    look_for_pictures,
    sizes_of,
)
from pipelines.sources.indexed import read_index
from pipelines.sources.layout import SPLITS, SUFFIXES
from pipelines.sources.names import Folder, Names
from pipelines.sources.trees import Disk, Tree

_TFDS = "tfds:"


@dataclasses.dataclass(frozen=True)
class Part:
    """The examples of one split, in the order and with the numbers that `folder:` gives them."""

    names: Sequence[str]
    """Paths below the whole folder."""
    labels: np.ndarray
    """int32 [n]."""
    num_bytes: np.ndarray
    """int64 [n], of each file; 0 where it cannot be known."""
    digest: str
    """Of names and sizes, as `folder:` has it; of a TFDS set what `tfds:` has."""
    reader: Reader
    contents: Callable[[int], bytes]
    """Reads a file by index, as `reader` does inside a graph; raises OSError."""
    called: Callable[[int], str]
    """Names an example in messages."""


@dataclasses.dataclass(frozen=True)
class Inventory:
    """A whole data set."""

    classes: tuple[str, ...]
    parts: dict[str, Part]
    """By split: train and val, or WHOLE alone."""
    left_out: tuple[tuple[str, str], ...]
    """Name and reason of what is no example."""


def take_inventory(
    packing: Packing, scratch: pathlib.Path, say: Callable[[str], None]
) -> Inventory:
    """Lists what `input` names.

    Args:
      packing: says what it is.
      scratch: a folder on the disk of the output, for archives that have to be decompressed.
      say: is called with a sentence before work that takes a while.

    Raises:
      ValueError: there is nothing to pack, or not as it is expected.
      OSError: the disk does not take what has to be decompressed.
    """
    typed = packing.input
    is_set = typed.startswith(_TFDS)
    if packing.labels and (is_set or os.path.isdir(typed)):
        raise ValueError(
            f"labels={packing.labels!r}: expected nothing with a folder or a TFDS set, which say "
            "themselves what is in them. Leave it out."
        )
    if is_set:
        return _tfds(typed.removeprefix(_TFDS))
    if os.path.isdir(typed):
        say(f"listing {typed}")
        tree = _Input([packing.output, str(scratch)])
        return _inventory(typed, tree, functools.partial(_folder_part, typed))
    mounts = _mounts(typed)
    archive = Archive(typed)
    for mount, path in mounts.items():
        say(f"listing {path}")
        archive.add(path, open_tar(path, scratch, say), mount)
    if packing.labels:
        _sort(archive, packing, [*mounts])
    return _inventory("", archive, functools.partial(_archive_part, archive))


class _Input(Disk):
    """The file system, as messages of this command call it.

    Args:
      own: folders of the packing itself, which may lie in what is packed and are no part of it.
    """

    setting = "input"

    def __init__(self, own: Sequence[str]):
        """Finds out where they are."""
        self._own = {os.path.realpath(path) for path in own}

    def list_folder(self, path: str) -> Iterator[tuple[str, bool]]:
        """Lists the names in a folder, and whether each is a folder."""
        own = {
            os.path.basename(x) for x in self._own if os.path.dirname(x) == os.path.realpath(path)
        }
        return (found for found in super().list_folder(path) if found[0] not in own)

    def called(self, root: str) -> str:
        """Names a folder in messages."""
        return f"input={root!r}"

    def alone(self, path: str) -> str:
        """Names a folder in it."""
        return f"--input={path}"


def _mounts(typed: str) -> dict[str, str]:
    """Splits train=FILE,val=FILE into its parts; a plain FILE is mounted at the top."""
    pairs = [part.partition("=") for part in typed.split(",")]
    if all(split in SPLITS and path for split, _, path in pairs):
        names = [split for split, _, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"input={typed!r}: expected each of {' and '.join(SPLITS)} once, but {name} is "
                    "named twice. Put its pictures into one tar file."
                )
        return {split: path for split, _, path in pairs}
    return {"": typed}


def _sort(archive: Archive, packing: Packing, mounts: list[str]) -> None:
    """Gives files that lie side by side the folders of their classes."""
    flat = [mount for mount in mounts if archive.file_names(mount)]
    if not flat:
        raise ValueError(
            f"labels={packing.labels!r}: expected an archive whose files lie side by side; in "
            f"input={packing.input!r} folders say what is in them. Leave it out."
        )
    for mount in flat:
        labels = read_labels(packing.labels, packing.classes, archive.file_names(mount))
        archive.sort(labels, mount, f"labels={packing.labels}")


def _inventory(root: str, tree: Tree, make: Callable[..., Part]) -> Inventory:
    """Applies the rules of `folder:` to a tree of folders and files."""
    layout = look_for_pictures(root, tree)
    classes = tuple(classes_of(root, layout, tree))
    parts = {}
    for split, names in layout.pictures.items():
        parts[split or WHOLE] = make(names, labels_of(names, classes))
    left_out = [(name, _reason(name)) for name in layout.left_out]
    left_out += tree.left_out if isinstance(tree, Archive) else []
    return Inventory(classes, parts, tuple(left_out))


def _reason(name: str) -> str:
    """Says why something was left out; a folder has a slash at the end."""
    if name.endswith("/"):
        return "a folder that is neither train, val nor a class"
    return "a picture in no class" if name.lower().endswith(SUFFIXES) else "no picture"


def _folder_part(root: str, names: Names, labels: np.ndarray) -> Part:
    sizes = sizes_of(root, names)
    digest = digest_of(names, sizes)
    source = FolderSource(root, names, labels, (), digest, len(names), "")

    def contents(index: int) -> bytes:
        with open(source.name(index), "rb") as file:
            return file.read()

    return Part(names, labels, sizes, digest, source, contents, source.name)


def _archive_part(archive: Archive, names: Names, labels: np.ndarray) -> Part:
    numbers, offsets, sizes = archive.places(names)
    tars, where = archive.tars, archive.called("")  # the list itself is not kept

    def contents(index: int) -> bytes:
        return tars.read(int(numbers[index]), int(offsets[index]), int(sizes[index]))

    def called(index: int) -> str:
        return f"{where}: {names[index]}"

    reader = _CalledReader(contents, labels)
    return Part(names, labels, sizes, digest_of(names, sizes), reader, contents, called)


@dataclasses.dataclass(frozen=True)
class _CalledReader:
    """Reads in a graph by calling Python: what no operation of TensorFlow reads."""

    contents: Callable[[int], bytes]
    labels: np.ndarray

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        encoded = tf.numpy_function(lambda place: self.contents(int(place)), [index], tf.string)
        return tf.ensure_shape(encoded, []), tf.gather(self.labels, index)


def _tfds(name: str) -> Inventory:
    """Lists train and val of a prepared TFDS set; one that has no more than one split, whole."""
    there = tfds.own_splits(name, "input")
    parts, used = {}, {*SPLITS, WHOLE}
    for split in SPLITS if {*SPLITS} <= {*there} else (WHOLE,):
        # Nothing is held out of what is whole.
        source = tfds.prepared(name, split, held_out=0.5, setting="input")
        indices = [read_index(shard.index_path) for shard in source.shards]
        names = Names(Folder("", index.names, index.rows["name_end"].copy()) for index in indices)
        sizes = np.concatenate([index.rows["num_bytes"] for index in indices]).astype(np.int64)
        labels, contents = np.asarray(source.columns.label), functools.partial(_read_now, source)
        parts[split] = Part(names, labels, sizes, source.digest, source, contents, source.name)
        used |= {shard.split for shard in source.shards}
    left_out = [(f"{x}/", "a split that is neither train nor val") for x in there if x not in used]
    return Inventory(source.classes, parts, tuple(left_out))


def _read_now(source: Reader, index: int) -> bytes:
    """Reads an example outside of a graph."""
    try:
        return source.read(tf.constant(index, tf.int64))[0].numpy()
    except tf.errors.OpError as error:
        raise OSError(last_words(error)) from error
    except UnicodeDecodeError as error:  # TensorFlow cannot say what it met
        raise OSError("the set's directory has a name that is not UTF-8") from error
