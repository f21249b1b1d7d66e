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
from pipelines.records.description import Description, Shard, Undecoded

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
        self._typed = output
        self._output = pathlib.Path(os.path.realpath(output))  # of a link, what it leads to
        self.path = self._output.parent / (self._output.name + SUFFIX)  # with_name refuses `/`
        self._check_output()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise ValueError(
                f"output={output!r} is no place to write: {error.strerror}. Expected a directory "
                "in one where this user may make some."
            ) from error
        self._take_lock()
        try:
            self._check_output()  # again: another process may have been about to end
        except ValueError:
            self._leave()
            raise
        self._finisher, self._finishing = ThreadPoolExecutor(1), None

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(self._lock), os.stat(self.path))
        except (BlockingIOError, FileNotFoundError):
            is_ours = False  # another process has it, or has just given it its name
        except OSError as error:
            self._leave()
            raise ValueError(
                f"output={self._typed!r} cannot be locked: {error.strerror}. Expected a file "
                "system that has locks; name an --output on another."
            ) from error
        if not is_ours:
            os.close(self._lock)
            self._check_output()
            raise ValueError(
                f"output={self._typed!r} is being packed by another process; expected one at "
                "a time. Wait for it, or name another --output."
            )

    def _check_output(self) -> None:
        if os.path.ismount(self._output):
            inside = os.path.join(self._typed, "packed")
            raise ValueError(
                f"output={self._typed!r} is where a disk is mounted, which a finished set cannot "
                f"take the place of; expected a directory on it. Use --output={inside}."
            )
        if self._output.name.endswith(SUFFIX):
            whole = self._typed.rstrip("/").removesuffix(SUFFIX)
            raise ValueError(
                f"output={self._typed!r} is where a set is packed until it is whole; expected the "
                f"name that it gets then. Use --output={whole} to go on."
            )
        if not os.path.lexists(self._output) or _settings_left(self._output) is not None:
            return  # `ended` compares the settings that were left
        if not self._output.is_dir() or any(self._output.iterdir()):
            raise self._there_already()

    def _there_already(self) -> ValueError:
        return ValueError(
            f"output={self._typed!r} is there already; expected a directory that is empty or not "
            "there yet. Remove it, or name another --output."
        )

    def ended(self, settings: dict[str, Any]) -> Description | None:
        """Takes a set whose packing was killed in its last moment, when it had its name.

        Returns:
          What its dataset.json says; None where no set is there.

        Raises:
          ValueError: another set is there.
          OSError: what was only needed on the way cannot be removed.
        """
        before = _settings_left(self._output)
        if before is None:
            self._check_output()
            return None
        with writing(self._output):
            _remove_leftovers(self._output)
        if before != _plain(settings):
            raise self._there_already()
        return description.from_text((self._output / description.FILE).read_text(encoding="utf-8"))

    def settle(self, settings: dict[str, Any]) -> None:
        """Writes down what is packed and how, or compares it with what was.

        Raises:
          ValueError: other pictures or settings were begun here.
          OSError: the disk does not take it.
        """
        path, settings = self.path / _SETTINGS, _plain(settings)
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        if before is None:
            strange = [x.name for x in self.path.iterdir() if not x.name.startswith(".")]
            if strange:
                raise ValueError(
                    f"{str(self.path)!r} is no packing that was begun: it holds {strange[0]!r}. "
                    "Expected nothing there. Move it elsewhere, or name another --output."
                )
            with writing(path):
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


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(settings))  # tuples become lists


def _settings_left(output: pathlib.Path) -> dict[str, Any] | None:
    """Reads the settings that a kill left in a set that is whole; None where there are none."""
    if not (output / description.FILE).is_file():
        return None
    try:
        settings = json.loads((output / _SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return settings if isinstance(settings, dict) and "digests" in settings else None


def _remove_leftovers(output: pathlib.Path) -> None:
    """Removes from a set that is whole what was only needed on the way; the settings go last."""
    for leftover in output.glob(f"*{PARTIAL}"):
        leftover.unlink(missing_ok=True)
    (output / _SETTINGS).unlink(missing_ok=True)
