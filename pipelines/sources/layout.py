"""What lies in a folder: its splits, its classes, their pictures, and what is left out.

What a folder holds decides, not what it is called: a `train` with class folders in it is a split, a
`train` with pictures in it is a class. No TensorFlow.
"""

import contextlib
import contextvars
import dataclasses
import os
from collections.abc import Iterator

from pipelines.sources.file_count import FileCount
from pipelines.sources.names import Folder, Names, folder
from pipelines.sources.trees import Disk, Tree

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
"""Files that end so are pictures, unopened: the decoder names those that are not. All others are
opened, since an open a file takes minutes where there are a million."""

SPLITS = ("train", "val")
_MEANT = dict.fromkeys(("train", "training"), "train") | dict.fromkeys(
    ("val", "valid", "validation", "dev", "eval", "test", "testing"), "val"
)
LITTER = ("__MACOSX", "lost+found", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
"""Folders that systems leave behind; they are classes only if they hold pictures."""
_OURS = ({"config.json", "data.json"}, {"classes.txt", "weights"}, {"saved_model.pb"})
"""Names in a run, in converted weights, in an export; a run that failed at once has its lock."""
_NUM_NAMED = 5
DISK = Disk()
_KNOWN: contextvars.ContextVar[dict | None] = contextvars.ContextVar("known", default=None)


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a folder of pictures contains."""

    pictures: dict[str, Names]
    """Paths below the folder, sorted, by split; the only key is "" where it has no splits."""
    left_out: list[str]
    """Visible names that are not pictures of a class; folders have a slash at the end."""

    @property
    def num_pictures(self) -> int:
        """Counts the pictures of all splits."""
        return sum(map(len, self.pictures.values()))


@contextlib.contextmanager
def looking_once() -> Iterator[None]:
    """Inside, a folder is looked through once, however many of its splits are opened."""
    token = _KNOWN.set({})
    try:
        yield
    finally:
        _KNOWN.reset(token)


def look(root: str, tree: Tree = DISK) -> Layout:
    """Finds the splits, classes and pictures of a folder.

    Args:
      root: the folder.
      tree: where it lies.

    Raises:
      ValueError: there is no such folder, it may not be read, it is ambiguous, or a class has
        files but no picture among them.
    """
    known = _KNOWN.get()
    if known is None:
        return _look(root, tree)
    if (root, tree) not in known:
        known[root, tree] = _look(root, tree)
    return known[root, tree]


def _look(root: str, tree: Tree) -> Layout:
    if tree is DISK and "://" in root:
        raise ValueError(
            f"{tree.called(root)}: expected a folder on a disk or mount of this machine. Pack the "
            "pictures where they are at hand (python -m pipelines.prepare), copy the shards there, "
            f"and read them: records:{root}."
        )
    if not tree.is_folder(root):
        raise ValueError(
            f"{tree.called(root)}: there is no such folder; expected one that holds "
            "train/<class>/* and val/<class>/*, or just <class>/*."
        )
    top = _contents(tree, root)
    progress = FileCount(f"looking through {tree.called(root)}")
    inside = top.folders_inside(progress)
    below = {name: inside[name].folders_inside(progress) for name in SPLITS if name in inside}
    splits = _splits(tree, root, inside, below)
    found, left_out = {}, top.beside_folders()
    if not splits:
        found[""], rest = _classes(tree, root, "", inside)
        left_out += rest
    for split in splits:
        found[split], rest = _classes(tree, root, f"{split}/", below[split])
        left_out += [f"{split}/{name}" for name in inside.pop(split).beside_folders()] + rest
    if splits:
        left_out += [f"{name}/" for name in inside if name not in LITTER]
    return Layout(found, sorted(left_out))


def first_names(names: list[str]) -> str:
    """Quotes the first of some names, and counts the others."""
    more = len(names) - _NUM_NAMED
    return ", ".join(map(repr, names[:_NUM_NAMED])) + (f" and {more} more" if more > 0 else "")


@dataclasses.dataclass(frozen=True)
class _Contents:
    """The visible names in one folder."""

    tree: Tree
    path: str
    pictures: Folder
    """Sorted."""
    files: list[str]
    """Those that are not pictures."""
    folders: list[str]

    def names(self) -> list[str]:
        """Lists the pictures by name."""
        return self.pictures.slice(0, len(self.pictures))

    def beside_folders(self) -> list[str]:
        """Lists all files, pictures or not: where the folders are classes or splits, no example."""
        return self.names() + self.files

    def is_ours(self) -> bool:
        """Tells whether a run, converted weights or an export lie here."""
        names = {*self.files, *self.folders}
        return names == {"lock"} or any(marks <= names for marks in _OURS)

    def has_classes(self) -> bool:
        """Tells whether a folder in it holds pictures."""
        return any(contents.pictures for contents in self.inner())

    def folders_inside(self, progress: FileCount) -> dict[str, "_Contents"]:
        """Lists its folders, by name."""
        found = {}
        for name, contents in zip(self.folders, self.inner(), strict=True):
            found[name] = contents
            progress.add(len(contents.pictures) + len(contents.files))
        return found

    def inner(self) -> Iterator["_Contents"]:
        """Lists its folders, one after another."""
        for name in self.folders:
            yield _contents(self.tree, os.path.join(self.path, name))


def _contents(tree: Tree, path: str) -> _Contents:
    """Lists one folder, without what lies deeper."""
    pictures, others, files, folders = [], [], [], []
    try:
        for name, is_folder in tree.list_folder(path):
            if not name.startswith("."):
                is_known = not is_folder and name.lower().endswith(SUFFIXES)
                pictures.append(name) if is_known else others.append((name, is_folder))
    except OSError as error:
        raise tree.unreadable(path, error) from error
    for name, is_folder in sorted(others):
        inner = os.path.join(path, name)
        kind = folders if is_folder else pictures if _is_picture(tree, inner) else files
        kind.append(name)
    return _Contents(tree, path, folder("", sorted(pictures)), files, folders)


def _is_picture(tree: Tree, path: str) -> bool:
    """Tells whether the first bytes of a file whose name says nothing are a picture's."""
    try:
        head = tree.head(path, 18)
    except OSError as error:
        raise tree.unreadable(path, error) from error
    is_bmp = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in range(12, 256)
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return is_bmp or is_webp or head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8"))


def _splits(tree: Tree, root: str, inside: dict[str, _Contents], below: dict) -> list[str]:
    """Tells which of train and val are splits: none where the folder itself holds the classes.

    Args:
      tree: where it lies.
      root: the whole folder.
      inside: its folders, by name.
      below: the folders in train and val, by both names.

    Raises:
      ValueError: both readings are possible.
    """
    splits = [name for name in below if any(x.pictures for x in below[name].values())]
    rivals = [name for name in inside if inside[name].pictures and name not in splits]
    if not splits:
        if rivals and set(rivals) & set(SPLITS) and all(x.lower() in _MEANT for x in rivals):
            raise ValueError(
                f"{tree.called(root)}: expected a folder for each class in "
                f"{first_names(rivals)}, found pictures. Sort them into train/<class>/ and "
                "val/<class>/."
            )
        return []
    rivals = [name for name in rivals if name in SPLITS or name.lower() not in _MEANT]
    if len(splits) == 1 and rivals:
        raise ValueError(
            f"{tree.called(root)} may be meant in two ways: {splits[0]!r} holds class folders, "
            f"as a split does, and {first_names(rivals)} beside it pictures, as a class does. "
            "Expected one of the two: move one of them elsewhere, or name "
            f"{tree.alone(os.path.join(root, splits[0]))}."
        )
    return splits


def _classes(
    tree: Tree, root: str, above: str, folders: dict[str, _Contents]
) -> tuple[Names, list[str]]:
    """Lists the pictures <class>/<file> of a folder of classes, and what is left out.

    Args:
      tree: where it lies.
      root: the whole folder.
      above: the path from `root` to the classes: "" or such as "train/".
      folders: by name.

    Raises:
      ValueError: a class has no picture.
    """
    pictures, left_out = [], []
    if not any(contents.pictures for contents in folders.values()):
        return Names([]), []  # not one class: `folder` says what was expected
    for name, contents in folders.items():
        here = f"{above}{name}"
        rest = contents.files + [f"{inner}/" for inner in contents.folders]
        if contents.pictures:
            pictures.append(dataclasses.replace(contents.pictures, path=f"{here}/"))
            left_out += [f"{here}/{file}" for file in rest]
        elif _is_no_class(name, contents):
            left_out += [f"{here}/"] * (name not in LITTER)
        else:
            only = f"only {first_names(rest)}" if rest else "it is empty"
            raise ValueError(
                f"{tree.called(root)}: no picture in the class folder {here!r}, {only}; expected "
                "JPEG, PNG or BMP files right in it. Put them there, or remove the folder if it is "
                "no class."
            )
    # With its slash "a/" sorts as all paths in it do: behind "a-b/", though "a" is before "a-b".
    return Names(sorted(pictures, key=lambda x: x.path)), left_out


def _is_no_class(name: str, contents: _Contents) -> bool:
    """Tells whether a folder without pictures is no class: litter, a run, an export, or runs."""
    if name in LITTER or contents.is_ours():
        return True
    return bool(contents.folders and not contents.files and not _has_pictures_below(contents))


def _has_pictures_below(contents: _Contents) -> bool:
    """Tells whether a folder holds pictures at any depth, other than in runs and exports."""
    left = [contents]
    while left:
        one = left.pop()
        if one.is_ours():
            continue
        if one.pictures:
            return True
        left += [x for x in one.inner() if not x.tree.is_link(x.path)]  # which may lead in circles
    return False


def nearest(root: str, tree: Tree = DISK) -> str:
    """Suggests what was meant by a folder without pictures: a sentence, or ""."""
    top = _contents(tree, root)
    inside = {name: _contents(tree, os.path.join(root, name)) for name in top.folders}
    holders = [
        name
        for name, contents in inside.items()
        if name not in SPLITS and (contents.has_classes() or set(SPLITS) & set(contents.folders))
    ]
    misnamed = [name for name in holders if name.lower() in _MEANT]
    if misnamed:
        names = " and ".join(f"{name!r} to {_MEANT[name.lower()]!r}" for name in misnamed)
        one = tree.alone(os.path.join(root, misnamed[0]))
        return f" Perhaps rename {names}, or name one of them: {one}."
    if holders:
        return f" Perhaps {tree.alone(os.path.join(root, holders[0]))} is meant."
    return f" Sort {first_names(top.names())} into such folders." if top.pictures else ""
