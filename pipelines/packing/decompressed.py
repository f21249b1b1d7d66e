"""Archives open at any place: a compressed one is decompressed once. No TensorFlow."""

import bz2
import gzip
import lzma
import pathlib
import tempfile
import zlib
from collections.abc import Callable
from typing import BinaryIO

_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def open_tar(path: str, scratch: pathlib.Path, say: Callable[[str], None]) -> BinaryIO:
    """Opens a tar file; a compressed one is decompressed once, into a file that has no name.

    Pictures are read in the order of their sorted names, which a compressed stream cannot do.

    Raises:
      ValueError: it cannot be read, or decompressed.
      OSError: there is no room for what is decompressed.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115
        magic = file.read(6)
    except OSError as error:
        raise ValueError(
            f"input={path!r} cannot be read: {error.strerror}. Expected a folder, a tar file, "
            "train=FILE.tar,val=FILE.tar or tfds:NAME."
        ) from error
    opener = next((x for start, x in _COMPRESSED.items() if magic.startswith(start)), None)
    if opener is None:
        return file
    say(f"decompressing {path} into {scratch}")
    whole = tempfile.TemporaryFile(dir=scratch)
    try:
        with file, opener(path) as stream:
            while part := _decompressed(path, stream):
                _append(whole, part, path, scratch)
    except BaseException:
        whole.close()
        raise
    return whole


def _append(whole: BinaryIO, part: bytes, path: str, scratch: pathlib.Path) -> None:
    """Writes a part of what is decompressed; OSError in a sentence where the disk is full."""
    try:
        whole.write(part)
        whole.flush()
    except OSError as error:
        raise OSError(
            f"{path!r} is decompressed into {str(scratch)!r}, which takes no more: "
            f"{error.strerror}. Make room, or name an --output on another disk."
        ) from error


def _decompressed(path: str, stream: BinaryIO) -> bytes:
    try:
        return stream.read(1 << 20)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(
            f"input={path!r} cannot be decompressed: {error}. Expected it whole; fetch it again."
        ) from error
