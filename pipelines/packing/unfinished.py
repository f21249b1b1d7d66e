"""A packed set until it is whole: shard after shard, in a directory under another name.

A shard is complete when the file `.partial` beside it is there, which holds what dataset.json will
say of it and its part of the statistics. All of it has reached the disk by then, so a packing that
was killed goes on at the first shard without one.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from pipelines import files
from pipelines.packing.shard_writer import PARTIAL, ShardWriter, writing
from pipelines.packing.statistics import Sums
from pipelines.records import description, index
from pipelines.records.description import Shard, Undecoded

SUFFIX = ".unfinished"
_SETTINGS = "settings.json"


@dataclasses.dataclass(frozen=True)
class Packed:
    """A shard that is complete."""

    shard: Shard
    undecoded: tuple[Undecoded, ...]


class Unfinished:
    """The directory that a set is packed in; it has its lock until `close`."""

    def __init__(self, output: str):
        """Makes the directory, or takes one that was left.

        Raises:
          ValueError: `output` is there already, another process is at work, or nothing can be
            written there.
        """
        self._output = pathlib.Path(os.path.realpath(output))  # of a link, what it leads to
        self.path = self._output.with_name(self._output.name + SUFFIX)
        self._check_output(output)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise ValueError(
                f"output={output!r} is no place to write: {error.strerror}. Expected a directory "
                "in one where this user may make some."
            ) from error
        self._take_lock(output)
        try:
            self._check_output(output)  # again: another process may have been about to end
        except ValueError:
            self._leave()
            raise
        self._finisher, self._finishing = ThreadPoolExecutor(1), None

    def _take_lock(self, output: str) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(self._lock), os.stat(self.path))
        except (BlockingIOError, FileNotFoundError):
            is_ours = False  # another process has it, or has just given it its name
        except OSError as error:
            self._leave()
            raise ValueError(
                f"output={output!r} cannot be locked: {error.strerror}. Expected a file system "
                "that has locks; name an --output on another."
            ) from error
        if not is_ours:
            os.close(self._lock)
            self._check_output(output)
            raise ValueError(
                f"output={output!r} is being packed by another process; expected one at a time. "
                "Wait for it, or name another --output."
            )

    def _check_output(self, output: str) -> None:
        if os.path.ismount(self._output):
            inside = os.path.join(output, "packed")
            raise ValueError(
                f"output={output!r} is where a disk is mounted, which a finished set cannot take "
                f"the place of; expected a directory on it. Use --output={inside}."
            )
        if self._output.name.endswith(SUFFIX):
            whole = output.rstrip("/").removesuffix(SUFFIX)
            raise ValueError(
                f"output={output!r} is where a set is packed until it is whole; expected the name "
                f"that it gets then. Use --output={whole} to go on."
            )
        if not os.path.lexists(self._output):
            return
        if (self._output / description.FILE).is_file():
            _remove_leftovers(self._output)  # of a packing that was killed in its last moment
        if not self._output.is_dir() or any(self._output.iterdir()):
            raise ValueError(
                f"output={output!r} is there already; expected a directory that is empty or not "
                "there yet. Remove it, or name another --output."
            )

    def settle(self, settings: dict[str, Any]) -> None:
        """Writes down what is packed and how, or compares it with what was.

        Raises:
          ValueError: other pictures or settings were begun here.
        """
        path = self.path / _SETTINGS
        settings = json.loads(json.dumps(settings))  # tuples become lists
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        if before is None:
            strange = [x.name for x in self.path.iterdir() if not x.name.startswith(".")]
            if strange:
                raise ValueError(
                    f"{str(self.path)!r} is no packing that was begun: it holds {strange[0]!r}. "
                    "Expected nothing there. Move it elsewhere, or name another --output."
                )
            files.write_text(path, json.dumps(settings, indent=1))
        elif before != settings:
            names = [name for name in settings if before.get(name) != settings[name]]
            changed = "; ".join(f"{x}: {before.get(x)} -> {settings[x]}" for x in names)
            raise ValueError(
                f"{str(self.path)!r} was begun otherwise: {changed}. Expected the same, to go on. "
                "Use it, or remove that directory to begin anew."
            )

    def packed(self, name: str) -> Packed | None:
        """Says what is known of a shard; None where it is not complete, or no longer."""
        try:
            with np.load(self.path / (name + PARTIAL), allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
            num_bytes = (self.path / name).stat().st_size
            rows = (self.path / (name + index.SUFFIX)).read_bytes()
        except FileNotFoundError:
            return None
        shard = Shard(**about["shard"])
        is_whole = num_bytes == shard.num_bytes
        if not is_whole or hashlib.sha256(rows).hexdigest() != shard.index_sha256:
            return None
        undecoded = tuple(Undecoded(**one) for one in about["undecoded"])
        return Packed(shard, undecoded)

    def sums(self, name: str) -> Sums:
        """Reads the sums over the squares of a shard that is complete, if they were counted."""
        with np.load(self.path / (name + PARTIAL), allow_pickle=False) as arrays:
            return Sums.from_arrays(arrays)

    def begin_shard(self, name: str, sums: Sums | None) -> ShardWriter:
        """Opens a new shard; `sums` is where its squares are added to.

        Raises:
          OSError: the disk does not take it.
        """
        return ShardWriter(self.path, name, sums)

    def finish_shard(self, writer: ShardWriter) -> None:
        """Brings a shard to the disk while the next one is being made."""
        self.wait()
        self._finishing: Future | None = self._finisher.submit(writer.finish)

    def wait(self) -> None:
        """Waits for the shard that is on its way to the disk.

        Raises:
          OSError: the disk does not take it.
        """
        if self._finishing:
            self._finishing.result()
            self._finishing = None

    def complete(self, text: str) -> None:
        """Writes dataset.json, removes what was only needed on the way, and gives the set its name.

        Raises:
          OSError: the disk does not take it.
        """
        with writing(self._output):
            files.write_text(self.path / description.FILE, text)
            self.path.rename(self._output)  # an empty directory there gives way
            files.sync_directory(self._output.parent)
            _remove_leftovers(self._output)  # only now: until here a start may have to go on
            files.sync_directory(self._output)

    def close(self) -> None:
        """Lets another process in; a directory that nothing came into is removed."""
        self._finisher.shutdown()
        self._leave()

    def _leave(self) -> None:
        with contextlib.suppress(OSError):
            self.path.rmdir()
        os.close(self._lock)


def _remove_leftovers(output: pathlib.Path) -> None:
    """Removes from a set that is whole what was only needed on the way.

    The settings go last; where there are none, nothing there is of a packing.
    """
    settings = output / _SETTINGS
    if settings.is_file() and "digests" in settings.read_text("utf-8", "replace"):
        for leftover in output.glob(f"*{PARTIAL}"):
            leftover.unlink(missing_ok=True)
        settings.unlink(missing_ok=True)
