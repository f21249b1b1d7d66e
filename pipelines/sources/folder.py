"""A folder of pictures: DIR/train/<class>/* and DIR/val/<class>/*, or just DIR/<class>/*."""

import concurrent.futures
import dataclasses
import functools
import hashlib
import itertools
import os
import stat
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import host
from pipelines.records.index import name_hash
from pipelines.sources import labels
from pipelines.sources.file_count import FileCount
from pipelines.sources.layout import DISK, SPLITS, Layout, first_names, look, nearest
from pipelines.sources.names import Folder, Names
from pipelines.sources.parts import Part, trained
from pipelines.sources.trees import Tree

_PART_FILES = 1000
_BLOCK_FILES = 64
"""So many names are one string inside graphs."""
_ASKING_THREADS = 16
"""That ask for sizes: on a network each answer takes a while."""


@dataclasses.dataclass(frozen=True)
class FolderSource:
    """Pictures in files, each class in a folder of its own. Made by `folder`."""

    root: str
    files: Names
    """Paths below `root`, sorted."""
    labels: np.ndarray
    """int32 [N]."""
    classes: tuple[str, ...]
    digest: str
    num_pictures: int
    """In the whole folder, of all splits."""
    remark: str
    """What was left out of the whole folder, in a sentence; empty where nothing was."""

    @property
    def num_examples(self) -> int:
        """How many pictures there are."""
        return len(self.files)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Counts the pictures of each class."""
        return tuple(np.bincount(self.labels, minlength=len(self.classes)).tolist())

    def name(self, index: int) -> str:
        """Gives the path of an example's file."""
        return os.path.join(self.root, self.files[index])

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads one file inside a graph: int64 scalar -> its bytes (string), label (int32)."""
        folders, folder_of, blocks, ends, labels = self._tensors
        begin, end = tf.gather(ends, index), tf.gather(ends, index + 1)
        block = index // _BLOCK_FILES
        names, first = tf.gather(blocks, block), tf.gather(ends, block * _BLOCK_FILES)
        file = tf.strings.substr(names, begin - first, end - begin)
        path = tf.strings.join([tf.gather(folders, tf.gather(folder_of, index)), file])
        return tf.io.read_file(path), tf.gather(labels, index)

    @functools.cached_property
    def _tensors(self) -> tuple[tf.Tensor, ...]:
        """Makes, once, what graphs capture instead of holding copies.

        Returns:
          Folders (string [F]); that of each file (int32 [N]); names of files, one after another, in
          blocks of _BLOCK_FILES (string [B]); where each begins among all, and the last ends (int64
          [N + 1]); labels (int32 [N]).
        """
        parts, root = self.files.folders, os.path.join(self.root, "")
        counts = [len(part) for part in parts]
        firsts = np.cumsum([0, *(len(part.contents) for part in parts)])
        ends = np.zeros(len(self.files) + 1, np.int64)
        if parts:
            np.concatenate([part.ends for part in parts], out=ends[1:])
            ends[1:] += np.repeat(firsts[:-1], counts)
        # All names in one string would be a constant in each graph: it is one element (TF 2.21).
        names, cuts = b"".join(part.contents for part in parts), ends[::_BLOCK_FILES].tolist()
        blocks = [names[a:b] for a, b in itertools.pairwise([*cuts, len(names)])]
        del names
        with host.kept():
            return (
                tf.constant([os.fsencode(root + part.path) for part in parts], tf.string),
                tf.constant(np.repeat(np.arange(len(parts), dtype=np.int32), counts)),
                tf.constant(blocks, tf.string),
                tf.constant(ends),
                tf.constant(self.labels, tf.int32),
            )


def folder(
    root: str,
    split: str,
    held_out: float,
    classes: tuple[str, ...] = (),
    train_part: float = 1.0,
) -> FolderSource:
    """Opens one split of a folder.

    Args:
      root: the folder.
      split: "train", "val", or "all" for both.
      held_out: part that becomes val where the folder has no split of its own, 0 to 1, chosen by
        a hash of class and file name: adding pictures moves none from one split to the other.
      classes: the classes of a network that is only evaluated: labels are places among them, and
        the folder need not have them all. By default the folder's own.
      train_part: part of what is left to train on that is used, above 0 to 1, by the same hash.

    Raises:
      ValueError: there is no such folder, no picture, a class without one, or fewer than two
        classes in it; train and val have different ones; or one is not one of `classes`.
    """
    layout = look_for_pictures(root)
    files = _files(layout, split, held_out, train_part)
    remarks = [_remark(root, layout.left_out)]
    if classes:
        where = f"data.source={f'folder:{root}'!r}"
        found = sorted(set(map(class_of, files.folders)))
        advice = "Rename the folders, or move them elsewhere."
        labels.check_known(where, found, classes, advice)
        remarks.append(labels.remark(where, found, classes))
    else:
        classes = classes_of(root, layout)
    if not files:
        raise ValueError(_no_files(root, split))
    return FolderSource(
        root,
        files,
        labels_of(files, classes),
        tuple(classes),
        digest_of(files, sizes_of(root, files)),
        layout.num_pictures,
        "\n".join(filter(None, remarks)),
    )


def look_for_pictures(root: str, tree: Tree = DISK) -> Layout:
    """Finds what lies in a folder.

    Raises:
      ValueError: as `look` does, or there is no picture in it.
    """
    layout = look(root, tree)
    if not layout.num_pictures:
        at = os.path.join(root, "")  # empty in an archive
        raise ValueError(
            f"{tree.called(root)}: no picture in it; expected {at}train/<class>/<file>.jpg and "
            f"{at}val/<class>/<file>.jpg, or {at}<class>/<file>.jpg.{nearest(root, tree)}"
        )
    return layout


def _files(layout: Layout, split: str, held_out: float, train_part: float) -> Names:
    """Lists the pictures of a split, in order."""
    has_splits = "" not in layout.pictures
    names = SPLITS if split == "all" else (split,)
    there = [layout.pictures[name] for name in names if name in layout.pictures]
    whole = (
        Names(x for files in there for x in files.folders) if has_splits else layout.pictures[""]
    )
    held_out = 0 if has_splits else held_out
    if split == "train":
        chosen = trained(SPLITS, held_out, train_part)
    elif split == "val" and not has_splits:
        chosen = Part(SPLITS, below=held_out)
    else:
        chosen = Part(SPLITS)
    if chosen.is_whole:
        return whole
    hashes = (name_hash(os.fsencode(file)) for file in whole)
    return whole.where(chosen.holds(np.fromiter(hashes, np.uint64, len(whole))))


def class_of(folder: Folder) -> str:
    """Names the class that a folder is of."""
    return folder.path.split("/")[-2]


def labels_of(files: Names, classes: Sequence[str]) -> np.ndarray:
    """Finds the place of each picture's class among `classes`: int32 [N]."""
    places = {name: place for place, name in enumerate(classes)}
    of_folders = np.array([places[class_of(folder)] for folder in files.folders], np.int32)
    return np.repeat(of_folders, [len(folder) for folder in files.folders])


def classes_of(root: str, layout: Layout, tree: Tree = DISK) -> list[str]:
    """Lists the classes: two or more, and the same in each split.

    Args:
      root: the folder.
      layout: what lies in it.
      tree: where it lies.

    Raises:
      ValueError: train and val have different classes, or there is only one.
    """
    found = [set(map(class_of, files.folders)) for files in layout.pictures.values()]
    odd = sorted(found[0] ^ found[-1])
    if odd:
        raise ValueError(
            f"{tree.called(root)}: {odd[0]!r} and {len(odd) - 1} more classes have pictures in "
            "only one of train and val; expected the same classes in both. To hold out a part of "
            f"the training pictures use {tree.alone(os.path.join(root, 'train'))}."
        )
    classes = sorted(found[0])
    if len(classes) < 2:
        raise ValueError(
            f"{tree.called(root)}: only one class, {classes[0]!r}; expected a folder for each."
        )
    return classes


def _no_files(root: str, split: str) -> str:
    return (
        f"data.source={f'folder:{root}'!r}: no picture for {split}; expected some in "
        f"{root}/{split}/<class>/, or in {root}/<class>/ with a data.held_out that leaves some to "
        "both splits, and a data.train_part that leaves some of those. To hold out a part of a "
        "folder's only split name that: "
        f"folder:{root}/train or folder:{root}/val.{nearest(root)}"
    )


def _remark(root: str, left_out: list[str]) -> str:
    """Says what was left out; empty where nothing was."""
    if not left_out:
        return ""
    return (
        f"data.source={f'folder:{root}'!r}: left out {len(left_out)} that "
        f"{'is' if len(left_out) == 1 else 'are'} no picture of a class: {first_names(left_out)}"
    )


def digest_of(files: Sequence[str], sizes: Sequence[int]) -> str:
    """Digests the names and sizes of a split's files."""
    digest = hashlib.sha256()
    for i in range(0, len(files), _PART_FILES):
        add_to_digest(digest, files[i : i + _PART_FILES], sizes[i : i + _PART_FILES])
    return digest.hexdigest()


def add_to_digest(digest: Any, files: Sequence[str], sizes: Sequence[int]) -> None:
    """Adds the next files to a digest, a hash of `hashlib`."""
    part = zip(files, sizes, strict=True)
    digest.update(os.fsencode("".join(f"{file}\0{num_bytes}\n" for file, num_bytes in part)))


def sizes_of(root: str, files: Names) -> np.ndarray:
    """Looks up the sizes of files, many at a time: int64 [N], 0 for one that cannot be read.

    Raises:
      ValueError: one is no file.
    """
    progress, paths = FileCount(f"looking up sizes in {root}"), os.path.join(root, "")
    found, first = np.empty(len(files), np.int64), 0

    def sizes(first: int) -> np.ndarray:
        return np.array([_size(paths + file) for file in files[first : first + _PART_FILES]])

    threads = concurrent.futures.ThreadPoolExecutor(_ASKING_THREADS)
    try:
        for part in threads.map(sizes, range(0, len(files), _PART_FILES)):
            found[first : first + len(part)] = part
            first += len(part)
            progress.add(len(part))
    finally:
        threads.shutdown(cancel_futures=True)
    return found


def _size(path: str) -> int:
    try:
        found = os.stat(path)
    except OSError:
        return 0
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(
            f"{path!r} is a pipe or a device, at which reading would wait or never end; expected "
            "a picture. Remove it."
        )
    return found.st_size
