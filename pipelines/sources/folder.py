"""A folder of pictures: DIR/train/<class>/* and DIR/val/<class>/*, or just DIR/<class>/*."""

import dataclasses
import functools
import hashlib
import os

import tensorflow as tf

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
"""Other files are no examples. GIF and WebP are, so that the decoder names what it refuses."""


@dataclasses.dataclass(frozen=True)
class FolderSource:
    """Pictures in files, each class in a folder of its own. Made by `folder`."""

    root: str
    files: tuple[str, ...]
    """Paths below `root`, sorted."""
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    digest: str

    @property
    def num_examples(self) -> int:
        """How many pictures there are."""
        return len(self.files)

    def name(self, index: int) -> str:
        """Gives the path of an example's file."""
        return os.path.join(self.root, self.files[index])

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads one file inside a graph: int64 scalar -> its bytes (string), label (int32)."""
        root, files, labels = self._tensors
        path = tf.strings.join([root, tf.gather(files, index)])
        return tf.io.read_file(path), tf.gather(labels, index)

    @functools.cached_property
    def _tensors(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Folder, files and labels, made once: graphs capture them instead of holding copies."""
        with tf.init_scope(), tf.device("CPU:0"):
            root = tf.constant(os.fsencode(os.path.join(self.root, "")))
            files = tf.constant([os.fsencode(file) for file in self.files])
            return root, files, tf.constant(self.labels, tf.int32)


def folder(root: str, split: str, held_out: float) -> FolderSource:
    """Opens one split of a folder.

    Args:
      root: the folder.
      split: "train" or "val".
      held_out: part that becomes val where the folder has no split of its own, 0 to 1, chosen by
        a hash of class and file name: adding pictures moves none from one split to the other.

    Raises:
      ValueError: there is no such folder, no picture, or fewer than two classes in it; or train
        and val do not have the same classes.
    """
    if not os.path.isdir(root):
        raise ValueError(
            f"data.source='folder:{root}': there is no such folder; expected one that holds "
            "train/<class>/* and val/<class>/*, or just <class>/*."
        )
    folders = _folders(root)
    if "train" in folders or "val" in folders:
        classes = _common_classes(root, [name for name in ("train", "val") if name in folders])
        files = [os.path.join(split, file) for file in _pictures(os.path.join(root, split))]
        labels = [classes.index(file.split("/")[1]) for file in files]
    else:
        pictures = _pictures(root)
        classes = sorted({os.path.dirname(file) for file in pictures})
        files = [file for file in pictures if (_hash(file) < held_out) == (split == "val")]
        labels = [classes.index(os.path.dirname(file)) for file in files]
    _check(root, split, classes, files)
    return FolderSource(root, tuple(files), tuple(labels), tuple(classes), _digest(root, files))


def _common_classes(root: str, splits: list[str]) -> list[str]:
    """Lists the classes of the splits that are there, which must be the same."""
    found = []
    for split in splits:
        pictures = _pictures(os.path.join(root, split))
        found.append({os.path.dirname(file) for file in pictures})
    odd = sorted(found[0] ^ found[-1])
    if odd:
        raise ValueError(
            f"data.source='folder:{root}': {odd[0]!r} and {len(odd) - 1} more classes have "
            "pictures in only one of train and val; expected the same classes in both. To hold "
            f"out a part of the training pictures use folder:{root}/train."
        )
    return sorted(found[0])


def _check(root: str, split: str, classes: list[str], files: list[str]) -> None:
    """Refuses what nothing can be learnt from."""
    place = f"data.source='folder:{root}'"
    if not classes:
        raise ValueError(
            f"{place}: no picture in it; expected {root}/train/<class>/<file>.jpg and "
            f"{root}/val/<class>/<file>.jpg, or {root}/<class>/<file>.jpg."
        )
    if len(classes) < 2:
        raise ValueError(f"{place}: only one class, {classes[0]!r}; expected a folder for each.")
    if not files:
        raise ValueError(
            f"{place}: no picture for {split}; expected some in {root}/{split}/<class>/, or in "
            f"{root}/<class>/ with a data.held_out that leaves some to both splits. To hold out a "
            f"part of a folder's only split name that: folder:{root}/train or folder:{root}/val."
        )


def _folders(path: str) -> list[str]:
    """Lists the visible folders in a folder, sorted; none if it does not exist."""
    if not os.path.isdir(path):
        return []
    names = (name for name in _listed(path) if not name.startswith("."))
    return sorted(name for name in names if os.path.isdir(os.path.join(path, name)))


def _listed(path: str) -> list[str]:
    """Lists a folder; raises ValueError where the user may not look into it."""
    try:
        return os.listdir(path)
    except OSError as error:
        raise ValueError(
            f"data.source: {path!r} cannot be read: {error.strerror}. Expected folders that this "
            "user may read; permit it, or move this one elsewhere."
        ) from error


def _pictures(path: str) -> list[str]:
    """Lists <class>/<file> of all visible pictures, sorted."""
    pictures = []
    for name in _folders(path):
        for file in _listed(os.path.join(path, name)):
            if file.lower().endswith(SUFFIXES) and not file.startswith("."):
                pictures.append(f"{name}/{file}")
    return sorted(pictures)


def _hash(file: str) -> float:
    """Spreads names evenly over 0 to 1."""
    return int.from_bytes(hashlib.sha256(os.fsencode(file)).digest()[:8]) / 2**64


def _digest(root: str, files: list[str]) -> str:
    """Digests names and sizes; a file that cannot be looked at counts as empty."""
    digest = hashlib.sha256()
    for file in files:
        path = os.path.join(root, file)
        num_bytes = os.path.getsize(path) if os.path.exists(path) else 0
        digest.update(os.fsencode(file) + f"\0{num_bytes}\n".encode())
    return digest.hexdigest()
