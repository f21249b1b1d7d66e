"""Folders and files by path: those of the file system, or of anything else that has such names.

No TensorFlow.
"""

import os
from collections.abc import Iterator
from typing import Protocol


class Tree(Protocol):
    """Where a data set lies."""

    def called(self, root: str) -> str:
        """Names a folder in messages, as one types it."""
        ...

    def alone(self, path: str) -> str:
        """Says in messages what to name in order to have one of its folders alone."""
        ...

    def unreadable(self, path: str, error: OSError) -> ValueError:
        """Words what is raised for a file or a folder that cannot be read."""
        ...

    def is_folder(self, path: str) -> bool:
        """Tells whether there is such a folder."""
        ...

    def is_link(self, path: str) -> bool:
        """Tells whether a name leads to another one."""
        ...

    def list_folder(self, path: str) -> Iterator[tuple[str, bool]]:
        """Lists the names in a folder, and whether each is a folder.

        Raises:
          OSError: it cannot be read.
        """
        ...

    def head(self, path: str, num_bytes: int) -> bytes:
        """Reads the first bytes of a file; none of what is no file, such as a pipe.

        Raises:
          OSError: it cannot be read.
        """
        ...


class Disk:
    """The file system."""

    setting = "data.source"
    """That names a folder."""

    def called(self, root: str) -> str:
        """Names a folder in messages."""
        return f"{self.setting}={f'folder:{root}'!r}"

    def alone(self, path: str) -> str:
        """Names a folder in it."""
        return f"folder:{path}"

    def unreadable(self, path: str, error: OSError) -> ValueError:
        """Says that this user may not read it, or what else the system says."""
        return ValueError(
            f"{self.setting}: {path!r} cannot be read: {error.strerror}. Expected files and "
            "folders that this user may read; permit it, or move this one elsewhere."
        )

    def is_folder(self, path: str) -> bool:
        """Tells whether there is such a folder."""
        return os.path.isdir(path)

    def is_link(self, path: str) -> bool:
        """Tells whether a name leads to another one."""
        return os.path.islink(path)

    def list_folder(self, path: str) -> Iterator[tuple[str, bool]]:
        """Lists the names in a folder, and whether each is a folder."""
        with os.scandir(path) as entries:
            # Known without another look at the disk, but for links.
            for x in entries:
                yield x.name, os.path.isdir(x.path) if x.is_symlink() else x.is_dir()

    def head(self, path: str, num_bytes: int) -> bytes:
        """Reads the first bytes of a file."""
        if not os.path.isfile(path):
            return b""  # a link that leads nowhere, a pipe
        with open(path, "rb") as file:
            return file.read(num_bytes)
