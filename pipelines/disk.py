"""Squares kept on disk: each picture is decoded once for all runs that need the same square."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from pipelines.config import SQUARE_FIELDS, InputConfig
from pipelines.decode import UNDECODABLE, decode, explain, to_square
from pipelines.files import size_text
from pipelines.kept import GatheredSquares, blocks, lent
from pipelines.source import Source, recoding
from pipelines.squares_file import Filling, SquaresFile, say

_SAMPLES, _SAMPLE_PIXELS = 8, 1 << 24
"""Pictures that are compared with their squares, and the size that is not too large for that."""
_MOST_APART = 1.0
"""Levels by which they differ on average, where another machine rounds otherwise."""
VERSION = 1
"""Raised when squares come out otherwise, or their file does: no older file is found then."""


@dataclasses.dataclass(frozen=True)
class DiskSource(GatheredSquares):
    """Squares in a file. Made by `on_disk`; used like the source itself."""

    called: ClassVar[str] = "squares on disk"


def on_disk(source: Source, inputs: InputConfig, max_pixels: int, place: str) -> DiskSource:
    """Opens the file that holds a source's squares; fills it first where that has not been done.

    Of processes that come at the same time one fills it, and the others wait.

    Args:
      source: numbered examples.
      inputs: side and rule of the squares.
      max_pixels: that a picture may have.
      place: directory of such files; made where it is missing.

    Raises:
      ValueError: the directory cannot be used, or the file holds squares of other pictures.
      OSError: a picture could not be read, though nothing is wrong with it.
    """
    file = _file(source, inputs, max_pixels, place)
    with _usable(place):
        if not file.is_whole():
            os.makedirs(place, exist_ok=True)
            with file.filling() as filling:
                if file.is_whole():  # another process was faster
                    filling.abandon()
                else:
                    _fill(filling, file, source, inputs, max_pixels)
        found = file.read()
    _check_same(file, source, inputs, max_pixels, found)
    return DiskSource(source, inputs, *lent(*found))


def check_space(
    sources: Sequence[Source], inputs: InputConfig, max_pixels: int, place: str
) -> None:
    """Refuses sources whose squares would not fit together, before the first is decoded.

    Raises:
      ValueError: with both figures.
    """
    with _usable(place):
        os.makedirs(place, exist_ok=True)
        files = [_file(source, inputs, max_pixels, place) for source in sources]
        needed, free = sum(x.missing_bytes() for x in files), shutil.disk_usage(place).free
    if needed > free:
        num_examples = " + ".join(f"{source.num_examples:,}" for source in sources)
        raise ValueError(
            f"data.cache_dir={place!r} has {size_text(free)} free, expected "
            f"{size_text(needed)} for the decoded pictures ({num_examples}). Make room, name "
            "another with --data.cache_dir, or use --data.cache=none."
        )


def _file(source: Source, inputs: InputConfig, max_pixels: int, place: str) -> SquaresFile:
    """Names the file: another name wherever a square, a label or a mark could be another."""
    what = {name: getattr(inputs, name) for name in SQUARE_FIELDS} | {
        "version": VERSION,
        "digest": source.digest,
        # Records of pictures that were encoded anew have the digest of the files that they were
        # made of; this says how they differ.
        "recoding": recoding(source),
        "classes": source.classes,
        "max_pixels": max_pixels,
    }
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    path = os.path.join(place, f"{key}.squares")
    return SquaresFile(path, key, source.num_examples, inputs.resize)


def _check_same(file: SquaresFile, source: Source, inputs, max_pixels: int, found) -> None:
    """Refuses squares of other pictures that have the same names and sizes.

    Two folders of bitmaps may, in color and in gray. Some pictures are decoded and compared; those
    that are gone by now, or cannot be read, say nothing.

    Raises:
      ValueError: one differs.
    """
    squares, labels, good = found

    def other(index: int) -> ValueError:
        return ValueError(
            f"data.cache_dir: {file.path!r} holds squares of other pictures of the same names "
            f"and sizes; expected those of data.source, such as {source.name(index)!r}. Name "
            "another directory with --data.cache_dir, or remove the file."
        )

    if labels.max() >= len(source.classes):
        raise other(int(labels.argmax()))
    most = min(max_pixels, _SAMPLE_PIXELS)
    for index in np.linspace(0, len(good) - 1, min(_SAMPLES, len(good)), dtype=np.int64).tolist():
        if not good[index]:
            continue
        try:
            encoded, label = source.read(tf.constant(index, tf.int64))
            image = decode(encoded, inputs.orientation, most)
        except UNDECODABLE:
            continue
        own = to_square(image, inputs.resize, inputs.resize_rule, inputs.resize_filter).numpy()
        apart = np.abs(own.astype(np.int16) - squares[index]).mean()
        if apart > _MOST_APART or label != labels[index]:
            raise other(index)


def _fill(filling: Filling, file: SquaresFile, source, inputs, max_pixels) -> None:
    """Decodes what is missing."""
    if os.path.exists(file.path):
        say(f"{file.path!r} is cut short, or not what was written there; it is filled again.")
    begun = f" ({filling.done:,} are there)" if filling.done else ""
    say(
        f"decoding {source.num_examples:,} pictures{begun} into {file.path!r}, "
        f"{size_text(file.bounds[-1])}."
    )
    try:
        for which, squares, labels, good in blocks(source, inputs, max_pixels, filling.done):
            for place in np.flatnonzero(~good):
                _check_bad(source, which.start + int(place), max_pixels)
            filling.put(squares, labels, good)
    except BaseException:
        filling.save()
        raise
    filling.finish()


def _check_bad(source: Source, index: int, max_pixels: int) -> None:
    """Makes sure that a picture will not be better another time: its mark would stay.

    Raises:
      OSError: it may be.
    """
    try:
        reason = explain(source, index, max_pixels)
        source.read(tf.constant(index, tf.int64))
    except UNDECODABLE:
        raise OSError(f"{source.name(index)!r} could not be read: {reason}") from None
    except OSError as error:
        raise OSError(f"{source.name(index)!r} could not be read: {error}") from error


@contextlib.contextmanager
def _usable(place: str) -> Iterator[None]:
    """Turns what the system says about the directory into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not the system's: it is about a picture
            raise
        raise ValueError(
            f"data.cache_dir={place!r} cannot be used: {error.strerror or error}. Expected a "
            "directory with room that this user may write, on a file system with locks. Mend "
            "that, or name another with --data.cache_dir."
        ) from error
