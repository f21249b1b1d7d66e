"""What can be set when a data set is packed. Imports no TensorFlow."""

import dataclasses
import enum
import math
from typing import Any

from pipelines.checks import LARGEST_SIDE, check_megapixels, pixels
from pipelines.config import (
    SQUARE_FIELDS,
    DataConfig,
    InputConfig,
    Orientation,
    ResizeFilter,
    ResizeRule,
)
from pipelines.records import description
from pipelines.typed import Typed

ORIGINAL = "original"
"""The size that keeps files as they are."""
MOST_RAW_BYTES = 2**31 - 2**20
"""Of a square: TensorFlow reads no record of 2 GiB, and a record has a name and more besides."""
QUALITY = 95
CHROMA = "4:2:0"
"""Colors have half the resolution of brightness, as most JPEGs of photographs have them."""


class Format(enum.StrEnum):
    """How a picture is stored."""

    JPEG = description.JPEG
    RAW = description.RAW


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packing(Typed):
    """Packs pictures into shards of TFRecords, or checks a packed set.

    --input=... --output=DIR packs: a folder, tar files, a set of TensorFlow Datasets. Killed at any
    moment and started again, it goes on. --verify=DIR checks every record.
    """

    input: str = ""
    """A folder (DIR/train/<class>/* and DIR/val/<class>/*, or DIR/<class>/*), a tar file with the
    same in it (also with a tar file for each class), train=FILE.tar,val=FILE.tar, or
    tfds:NAME[/CONFIG]. Nothing is unpacked; a compressed file is decompressed once, beside the
    output."""
    output: str = ""
    """Directory to write; it must not be there yet, or be empty."""
    verify: str = ""
    """A packed directory: every record's checksum, picture and label are checked."""
    labels: str = ""
    """For a tar file whose pictures lie side by side: a file with lines NAME LABEL, or one label a
    line in the order of the sorted names. Or wnid: names begin with their class, n01440764_...."""
    classes: str = ""
    """For --labels that are numbers: a file whose lines begin with the names of the classes, in the
    order of their numbers from 0, or each followed by its number."""
    format: Format = Format.JPEG
    """jpeg, or raw: uint8 squares that need no decoding, side * side * 3 bytes each."""
    size: int | str = InputConfig().resize
    """Side of the squares in pixels, or original: each file's bytes as they are."""
    resize_rule: ResizeRule = InputConfig().resize_rule
    """As network.input.resize_rule: shorter_side cuts the central square, warp squeezes."""
    resize_filter: ResizeFilter = InputConfig().resize_filter
    """As network.input.resize_filter: area_cubic, bilinear (OpenCV's) or antialias (Pillow's)."""
    orientation: Orientation = InputConfig().orientation
    """As network.input.orientation: ignore, or apply what EXIF says; squares keep no EXIF."""
    quality: int | None = None
    """Of the JPEGs that are made of squares, 1 to 100; 95 unless it is set."""
    shard_examples: int = 4096
    """Examples in a shard; the last of a split may have fewer."""
    max_megapixels: float = DataConfig().max_megapixels
    """Pictures with more millions of pixels are not decoded; the report names them."""
    workers: int = 0
    """Threads that decode; 0 takes as many as there are processors. Changes no byte."""

    def __post_init__(self):
        """Refuses values outside their range, and what does not go together."""
        super().__post_init__()
        if bool(self.verify) == bool(self.input or self.output):
            raise ValueError(
                "expected either --input=... and --output=DIR, to pack, or --verify=DIR, to check "
                "a packed set; see --help."
            )
        if not self.verify and not (self.input and self.output):
            raise ValueError(
                f"input={self.input!r}, output={self.output!r}: expected both. Say what is packed "
                "and where to: --input=... --output=DIR."
            )
        if self.classes and not self.labels:
            raise ValueError(
                f"classes={self.classes!r}: expected nothing without --labels, whose numbers it is "
                "for. Add --labels."
            )
        is_side = isinstance(self.size, int) and 1 <= self.size <= LARGEST_SIDE
        if self.size != ORIGINAL and not is_side:
            raise ValueError(
                f"size={self.size}: expected a number of pixels from 1 to {LARGEST_SIDE:,}, or "
                f"{ORIGINAL}."
            )
        if self.size == ORIGINAL and self.format == Format.RAW:
            raise ValueError(
                "format=raw, size=original: expected squares of one size. Name it, as in "
                "--size=256, or use --format=jpeg."
            )
        if self.format == Format.RAW and 3 * self.size**2 > MOST_RAW_BYTES:
            raise ValueError(
                f"format=raw, size={self.size}: expected at most "
                f"{math.isqrt(MOST_RAW_BYTES // 3):,}, since a record has less than 2 GiB. Use a "
                "smaller --size, or --format=jpeg."
            )
        if self.quality is not None and not self.makes_jpegs:
            raise ValueError(
                f"quality={self.quality}: expected nothing with --format=raw or --size=original, "
                "which make no JPEGs. Leave it out."
            )
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"quality={self.quality}: expected 1 to 100.")
        self.at_least(1, "shard_examples")
        self.at_least(0, "workers")
        self.at_most(1024, "workers")  # thousands take a minute to begin
        check_megapixels("max_megapixels", self.max_megapixels)

    @property
    def keeps_files(self) -> bool:
        """Tells whether each file's bytes are stored as they are."""
        return self.size == ORIGINAL

    @property
    def makes_jpegs(self) -> bool:
        """Tells whether squares are encoded."""
        return self.format == Format.JPEG and not self.keeps_files

    @property
    def jpeg_quality(self) -> int:
        """Quality of the JPEGs that are made."""
        return QUALITY if self.quality is None else self.quality

    @property
    def inputs(self) -> InputConfig:
        """How squares are cut: those that are stored, or those of the statistics."""
        side = InputConfig().resize if self.keeps_files else self.size
        cut = {name: getattr(self, name) for name in SQUARE_FIELDS if name != "resize"}
        return InputConfig(size=min(side, InputConfig().size), resize=side, **cut)

    @property
    def max_pixels(self) -> int:
        """The most pixels that a picture may have."""
        return pixels(self.max_megapixels)

    def about(self) -> dict[str, Any]:
        """What else decides on the bytes of the records, by name."""
        jpeg = {"quality": self.jpeg_quality, "chroma": CHROMA} if self.makes_jpegs else {}
        return jpeg | {name: getattr(self, name) for name in ("shard_examples", "max_megapixels")}
