"""Keeps what is written out of the folders that pictures are read from."""

import os

from pipelines.sources.layout import SPLITS


def check_apart(
    place: str, name: str, root: str, has_pictures: bool = False, setting: str = "output"
) -> None:
    """Refuses a directory to write in that would be taken for a class of the folder around it.

    Args:
      place: the directory, as it was typed; it need not be there yet.
      name: of the folder, for the message, as in `input='DIR'`.
      root: that folder.
      has_pictures: whether pictures are written, which are a class beside a single split as well.
      setting: that names the directory, for the message.

    Raises:
      ValueError: it lies in the folder, or in one of its splits.
    """
    if not os.path.isdir(root):
        return
    inner, outer = os.path.realpath(place), os.path.realpath(root).rstrip("/") + "/"
    there = [os.path.isdir(os.path.join(root, split)) for split in SPLITS]
    has_room = (all if has_pictures else any)(there)
    folders = f"{inner}/".removeprefix(outer).split("/")
    is_class = folders[0] in SPLITS or not has_room
    is_hidden = any(folder.startswith(".") for folder in folders)  # and is passed over
    if f"{inner}/".startswith(outer) and is_class and not is_hidden:
        raise ValueError(
            f"{setting}={place!r} lies in {name}, where each folder is a class; expected a "
            f"directory elsewhere. Name another --{setting}."
        )


def check_pictures_apart(output: str, source: str) -> None:
    """Refuses a directory for pictures that would become a class of `data.source`.

    Args:
      output: the directory, as it was typed.
      source: as `data.source`; only a folder has such places.

    Raises:
      ValueError: it lies in the folder.
    """
    _check_apart_from_source(output, source, has_pictures=True)


def check_cache_apart(cache_dir: str, source: str) -> None:
    """Refuses a `data.cache_dir` that would be taken for a class of `data.source`, as above."""
    _check_apart_from_source(cache_dir, source, setting="data.cache_dir")


def _check_apart_from_source(place: str, source: str, **how) -> None:
    kind, _, root = source.partition(":")
    if kind == "folder":
        check_apart(place, f"data.source={source!r}", root, **how)
