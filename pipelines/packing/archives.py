"""Tar files as folders: listed by their headers, read at offsets, never unpacked.

Tar files inside are folders of their own names, as in ILSVRC2012_img_train.tar. No TensorFlow.
"""

import os
import weakref
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from pipelines.packing.entries import Entries
from pipelines.packing.members import Window, members_of, objection
from pipelines.sources.layout import LITTER, SPLITS

_TAR = ".tar"


class Tars:
    """Tar files that are open for reading."""

    def __init__(self):
        """Begins with none."""
        self._tars: list[BinaryIO] = []

    def open(self, tar: BinaryIO) -> int:
        """Takes a file, which stays open as long as this, and returns its number."""
        self._tars.append(tar)
        weakref.finalize(self, tar.close)
        return len(self._tars) - 1

    def read(self, tar: int, offset: int, num_bytes: int) -> bytes:
        """Reads from a tar file; threads may do so at the same time.

        Raises:
          OSError: it cannot be read, or has become shorter.
        """
        contents = os.pread(self._tars[tar].fileno(), num_bytes, offset)
        if len(contents) < num_bytes:
            raise OSError(f"the archive ends at byte {offset + len(contents)}")
        return contents


class Archive:
    """Folders and files inside tar files: a `pipelines.sources.trees.Tree`.

    Attributes:
      left_out: name and reason of members that are no files which can be taken, and of tar files
        that may have lost some.
      tars: what is read from.
    """

    def __init__(self, typed: str):
        """Begins with nothing; `typed` is what messages call it."""
        self.left_out: list[tuple[str, str]] = []
        self.tars = Tars()
        self._typed = typed
        self._folders = {"": 0}  # path -> number
        self._inner: list[set[str]] = [set()]  # by number of a folder: the names of those in it
        self._files = Entries()
        self._numbers: dict[int, np.ndarray] | None = None  # of files by folder, once asked for

    def add(self, name: str, tar: BinaryIO, mount: str = "") -> None:
        """Lists a tar file. A folder that holds all else in it is left away.

        Args:
          name: of the tar file, for messages.
          tar: the file, uncompressed; it stays open as long as this.
          mount: the folder that its contents become; empty for the top.

        Raises:
          ValueError: it is no tar file, or a damaged one.
        """
        number, self._numbers = self.tars.open(tar), None
        if mount:
            self._folder(mount)
        window = Window(tar, 0, os.fstat(tar.fileno()).st_size)
        self._scan(name, number, window, mount)
        self._hoist(mount)

    def _scan(self, name: str, tar: int, window: "Window", mount: str) -> None:
        """Lists the members of a tar file, and of those inside it."""
        for member in members_of(name, window):
            parts = [part for part in member.name.split("/") if part not in ("", ".")]
            path = _join(mount, *parts)
            reason = objection(member, parts, path.count("/"))
            offset = window.begin + member.offset_data
            if reason is not None:
                self.left_out.append((member.name, reason))
            elif member.isdir() or _is_tar(parts[-1]):
                folder = path if member.isdir() else path[: -len(_TAR)]
                if self._folder(folder) is None:
                    self.left_out.append((f"{folder}/", "a file has the same name"))
                elif member.isreg():
                    inner = Window(window.tar, offset, offset + member.size)
                    self._scan(f"{name}: {member.name}", tar, inner, folder)
            else:
                last = path.rpartition("/")[2]
                self._enter(path, self._files.append(last, tar, offset, member.size))
        if window.is_at_end:  # two blocks of zeros end a tar file, of which one was read
            reason = "it ends without an end mark; if it was cut there, files are missing"
            self.left_out.append((name, reason))
        elif window.has_more():
            self.left_out.append((name, "more follows its end mark; if joined, pack each alone"))

    def _enter(self, path: str, number: int) -> None:
        """Puts a file into its folder."""
        above, _, last = path.rpartition("/")
        folder = self._folder(above)
        if folder is None:
            self.left_out.append((path, f"{above!r} is a file as well"))
        elif last in self._inner[folder]:
            self.left_out.append((path, "a folder has the same name"))
        elif self._files.put(number, folder):  # unpacking would write over the earlier one
            self.left_out.append((path, "a later member of the archive has the same name"))

    def _folder(self, path: str) -> int | None:
        """Finds a folder, or enters it; None where it, or one that it lies in, is a file."""
        if path not in self._folders:
            above, _, last = path.rpartition("/")
            outer = self._folder(above)
            if outer is None or self._files.find(outer, last) is not None:
                return None
            self._inner[outer].add(last)
            self._folders[path] = len(self._inner)
            self._inner.append(set())
        return self._folders[path]

    def _hoist(self, mount: str) -> None:
        """Puts what lies in a folder that holds all else into its place."""
        top = mount
        while not self.file_names(top):
            inner = self._inner[self._folders[top]]
            visible = [x for x in inner if x[0] != "." and not self._is_litter(x, top)]
            if len(visible) != 1 or (not mount and visible[0] in SPLITS):
                break
            top = _join(top, visible[0])
        if top != mount:
            there = [x for x in self._folders if x == mount or not mount or _is_in(x, mount)]
            found = {x: self._folders.pop(x) for x in there}  # those in between are gone
            for path, folder in found.items():
                if path == top or _is_in(path, top):
                    self._folders[_join(mount, path[len(top) + 1 :])] = folder

    def _is_litter(self, name: str, top: str) -> bool:
        """Tells whether a folder is one that systems leave behind, without a picture."""
        if name not in LITTER:
            return False
        path = _join(top, name)
        inside = (x for x in self._folders if x == path or _is_in(x, path))
        return not any(map(self.file_names, inside))

    def sort(self, labels: dict[str, str], mount: str, source: str) -> None:
        """Moves files that lie side by side into folders of their classes.

        Args:
          labels: name of a file -> name of its class.
          mount: the folder that they lie in; empty for the top.
          source: of the labels, for the report.
        """
        for number in self._in_folder(mount):
            name = self._files.name(number)
            self._files.take_out(number)
            if name in labels:
                self._enter(f"{_join(mount, labels[name])}/{name}", number)
            elif not name.startswith("."):
                self.left_out.append((_join(mount, name), f"{source} has no label for it"))
        self._numbers = None
        missing = {*labels}
        for path, folder in self._folders.items():
            missing -= self._inner[folder]
            missing -= {self._files.name(number) for number in self._in_folder(path)}
        self.left_out += [
            (name, f"{source} has a label for it, but it is not there") for name in sorted(missing)
        ]

    def _in_folder(self, path: str) -> list[int]:
        """Lists the numbers of the files right in a folder."""
        if self._numbers is None:
            self._numbers = self._files.by_folder()
        numbers = self._numbers.get(self._folders[path])
        return [] if numbers is None else numbers.tolist()

    def file_names(self, mount: str) -> list[str]:
        """Lists the visible files that lie right in a folder, sorted."""
        numbers = self._in_folder(mount) if mount in self._folders else ()
        return sorted(x for x in map(self._files.name, numbers) if not x.startswith("."))

    def called(self, root: str) -> str:
        """Names it in messages."""
        return f"input={self._typed!r}"

    def alone(self, path: str) -> str:
        """Says what to make in order to have one of its folders alone."""
        return f"a tar file of {path!r} alone"

    def unreadable(self, path: str, error: OSError) -> ValueError:
        """Says that the archive is no longer what was listed, or what else the system says."""
        return ValueError(
            f"{self.called('')}: {path!r} cannot be read: {error.strerror or error}. Expected the "
            "archive to stay as it was listed. Start again when it is whole."
        )

    def is_folder(self, path: str) -> bool:
        """Tells whether there is such a folder."""
        return path in self._folders

    def is_link(self, path: str) -> bool:
        """Tells that there are no links: they are left out."""
        return False

    def list_folder(self, path: str) -> Iterator[tuple[str, bool]]:
        """Lists the names in a folder, and whether each is a folder."""
        for name in self._inner[self._folders[path]]:
            yield name, True
        for number in self._in_folder(path):
            yield self._files.name(number), False

    def head(self, path: str, num_bytes: int) -> bytes:
        """Reads the first bytes of a file."""
        files, number = self._files, self._number(path)
        size = min(num_bytes, files.sizes[number])
        return self.tars.read(files.tars[number], files.offsets[number], size)

    def places(self, paths: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Says where files lie: numbers of their tar files, offsets and lengths in bytes."""
        numbers = np.fromiter(map(self._number, paths), np.int32, len(paths))
        files = self._files
        return tuple(np.array(x)[numbers] for x in (files.tars, files.offsets, files.sizes))

    def _number(self, path: str) -> int:
        above, _, last = path.rpartition("/")
        return self._files.find(self._folders[above], last)


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _is_tar(name: str) -> bool:
    return name.lower().endswith(_TAR) and not name.startswith(".")


def _join(*parts: str) -> str:
    return "/".join(filter(None, parts))
