"""Where examples come from: the sources there are, by name."""

import dataclasses
import os
from collections.abc import Callable
from typing import NamedTuple

from pipelines.config import DataConfig, InputConfig, Split
from pipelines.source import Source
from pipelines.sources.file_count import MANY_FILES


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is to be opened."""

    place: str
    """What follows the kind in data.source."""
    split: str
    held_out: float
    train_part: float
    seed: int
    classes: tuple[str, ...]
    inputs: InputConfig | None
    stage: str
    is_served: bool


class _Kind(NamedTuple):
    """A kind of source."""

    open: Callable[[_Asked], Source]
    own_splits: Callable[[str], tuple[str, ...]]
    """From a place to the splits that it brings."""


def open_source(
    config: DataConfig,
    split: str,
    seed: int,
    classes: tuple[str, ...] = (),
    inputs: InputConfig | None = None,
) -> Source:
    """Opens what `data.source` names.

    Args:
      config: says which source.
      split: train, val, or all for both; of a packed or a TFDS set also another by its own name.
      seed: of the run; only sources that draw their examples look at it.
      classes: those of a network that is only to be tested; the source need not hold them all. By
        default the source's own.
      inputs: what the network expects; a source of squares that it would cut otherwise is refused.

    Raises:
      ValueError: there is nothing to read, or a class that is not among `classes`; the message
        says what was expected.
    """
    kind, _, place = config.source.partition(":")
    if config.service and kind in ("folder", "records") and "://" not in place:
        place = os.path.abspath(place)  # its workers have directories of their own
    source = _KINDS[kind].open(
        _Asked(
            place=place,
            split=str(split),
            held_out=config.held_out,
            train_part=config.train_part,
            seed=seed,
            classes=classes,
            inputs=inputs,
            stage=config.stage,
            is_served=bool(config.service),
        )
    )
    if config.train_part < 1 and split == Split.TRAIN and not (classes or all(source.class_counts)):
        raise ValueError(
            f"data.train_part={config.train_part}: no training picture of "
            f"{source.classes[source.class_counts.index(0)]!r} is left; expected some of each "
            "class. Raise it."
        )
    return source


def own_splits(config: DataConfig) -> tuple[str, ...]:
    """Lists the splits that the source brings, train and val among them if it has these.

    Raises:
      ValueError: there is nothing to read.
    """
    kind, _, place = config.source.partition(":")
    return _KINDS[kind].own_splits(place)


def _check_split(split: str) -> None:
    """Refuses other splits than those that every source has."""
    if split not in list(Split):
        raise ValueError(f"split={split!r}: expected train, val or all.")


def _shapes(asked: _Asked) -> Source:
    from pipelines.sources.shapes import shapes

    _check_split(asked.split)
    if asked.train_part < 1:
        raise ValueError(
            f"data.source=shapes, data.train_part={asked.train_part}: expected pictures in files, "
            "since a hash of their names chooses. Name others, or leave data.train_part out."
        )
    drawn = shapes(asked.seed, asked.split)
    if asked.classes and drawn.classes != asked.classes:
        raise ValueError(
            f"data.source=shapes has the classes {', '.join(drawn.classes)}; expected those of the "
            "network. Name a folder that holds some of them: --data.source=folder:DIR."
        )
    return drawn


def advice(config: DataConfig, source: Source) -> str:
    """Says in a sentence what would make a source faster to open; empty where nothing would."""
    kind, _, place = config.source.partition(":")
    if kind != "folder" or source.num_pictures < MANY_FILES:
        return ""
    return (
        f"data.source={config.source!r} has {source.num_pictures:,} files, and every start looks "
        f"at each of them. Pack them once, and they open at once: python -m pipelines.prepare "
        f"--input={place} --output=DIR"
    )


def _folder(asked: _Asked) -> Source:
    from pipelines.sources.folder import folder

    _check_split(asked.split)
    return folder(asked.place, asked.split, asked.held_out, asked.classes, asked.train_part)


def _folder_splits(place: str) -> tuple[str, ...]:
    from pipelines.sources.layout import look

    return tuple(look(place).pictures)


def _records(asked: _Asked) -> Source:
    from pipelines.sources.records import packed

    return packed(
        asked.place,
        asked.split,
        asked.held_out,
        train_part=asked.train_part,
        classes=asked.classes,
        inputs=asked.inputs,
        stage=asked.stage,
        is_served=asked.is_served,
    )


def _records_splits(place: str) -> tuple[str, ...]:
    from pipelines.sources import records

    return records.own_splits(place)


def _tfds(asked: _Asked) -> Source:
    from pipelines.sources.tfds import prepared

    return prepared(asked.place, asked.split, asked.held_out, asked.classes, asked.train_part)


def _tfds_splits(place: str) -> tuple[str, ...]:
    from pipelines.sources import tfds

    return tfds.own_splits(place)


_KINDS = {
    "shapes": _Kind(_shapes, lambda place: (Split.TRAIN, Split.VAL)),
    "folder": _Kind(_folder, _folder_splits),
    "records": _Kind(_records, _records_splits),
    "tfds": _Kind(_tfds, _tfds_splits),
}
