"""The embedded data set: pictures of ten forms, drawn by the program itself.

A class is a form. All else is random: place, size, rotation and stretch of the form, its color
and the ground's (lighter or darker), shading and waves of the ground, strokes on it,
grain, and the picture's own size, aspect and file format. It needs no file and no network.

Lengths are in units of the picture's shorter side, from its center: x to the right, y down.
"""

import dataclasses
import functools
import hashlib
import math
from types import SimpleNamespace

import tensorflow as tf

from pipelines import host
from pipelines.machine import this_machine
from pipelines.seeds import Stream
from pipelines.sources.forms import FORMS, length

VERSION = 1
"""Rises when the same seed gives other pictures; part of the digest."""

NUM_EXAMPLES = {"train": 6000, "val": 1000}
"""Of each split; a multiple of the number of forms."""

MAX_BYTES = 40_000_000
"""Both splits of one seed, encoded, stay below this; seed 0 has 34 million."""

# What a picture draws, uniformly between two bounds. Levels go from 0, black, to 255.
_LOOKS = {
    "shorter_pixels": (72, 120),
    "aspect": (1.0, 1.5),
    "portrait": (0, 1),
    "format": (0, 1),
    "ground_level": (30, 225),
    "contrast": (76, 153),
    "lighter": (0, 1),
    "ground_red": (0, 76),
    "ground_green": (0, 76),
    "ground_blue": (0, 76),
    "form_red": (0, 76),
    "form_green": (0, 76),
    "form_blue": (0, 76),
    "shade": (0, 38),
    "shade_angle": (0, math.tau),
    "wave": (0, 20),
    "wave_angle": (0, math.tau),
    "wave_number": (4, 40),
    "wave_phase": (0, math.tau),
    "grain": (0, 40),
    "radius": (0.22, 0.4),
    "place_x": (-1, 1),
    "place_y": (-1, 1),
    "rotation": (0, math.tau),
    "stretch": (0.87, 1.15),
}
_STROKE = {
    "x": (-0.65, 0.65),
    "y": (-0.65, 0.65),
    "angle": (0, math.tau),
    "length": (0, 0.35),
    "radius": (0.008, 0.038),
    "level": (-110, 110),
}
_NUM_STROKES = 6
_FORM_LEVELS = (8, 247)  # a form that would leave them lies on the other side of its ground
_REACH = 0.47  # from the center to about the farthest place that a form covers
_PNG_BELOW, _GREY_BELOW = 0.03, 0.08  # of "format"; above are JPEGs in color
_JPEG_QUALITY = 90
_STREAMS = {
    "train": (Stream.SHAPES_TRAIN_LOOKS, Stream.SHAPES_TRAIN_STROKES, Stream.SHAPES_TRAIN_GRAIN),
    "val": (Stream.SHAPES_VAL_LOOKS, Stream.SHAPES_VAL_STROKES, Stream.SHAPES_VAL_GRAIN),
}


@dataclasses.dataclass(frozen=True)
class ShapesSource:
    """Drawn pictures, each form equally often. Made by `shapes`."""

    seed: int
    split: str

    @property
    def num_examples(self) -> int:
        """How many pictures there are."""
        return sum(NUM_EXAMPLES[part] for part in self._parts)

    @property
    def num_pictures(self) -> int:
        """How many both splits have together."""
        return sum(NUM_EXAMPLES.values())

    @property
    def remark(self) -> str:
        """Nothing: nothing is left out."""
        return ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the forms."""
        return tuple(FORMS)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """How many pictures there are of each form."""
        return (self.num_examples // len(FORMS),) * len(FORMS)

    @property
    def digest(self) -> str:
        """A digest of what the pictures depend on: equal on all machines, known before drawing."""
        facts = (VERSION, self.seed, self.split, self.num_examples, self.classes)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def name(self, index: int) -> str:
        """Names an example, such as shapes/train/00123."""
        first, num_first = self._parts[0], NUM_EXAMPLES[self._parts[0]]
        if index < num_first:
            return f"shapes/{first}/{index:05d}"
        return f"shapes/{self._parts[-1]}/{index - num_first:05d}"

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Looks up one example inside a graph: int64 scalar -> bytes (string), label (int32)."""
        return tf.gather(self._pictures, index), label(index)

    @functools.cached_property
    def _pictures(self) -> tf.Tensor:
        """All encoded pictures, string [num_examples]: drawn once, captured by graphs."""
        with host.kept():
            parts = [draw_all(self.seed, part, NUM_EXAMPLES[part]) for part in self._parts]
            return tf.concat(parts, axis=0)

    @property
    def _parts(self) -> tuple[str, ...]:
        """The splits that this one is made of."""
        return tuple(NUM_EXAMPLES) if self.split == "all" else (self.split,)


@functools.lru_cache(maxsize=2)
def shapes(seed: int, split: str) -> ShapesSource:
    """Opens a split. It is drawn at the first `read`; the process keeps the last two opened.

    A picture is a function of (seed, split, index) alone. Another seed of the run brings other
    pictures, so that results over several seeds include the variation of the data.

    Args:
      seed: the run's seed, 0 to 2**32 - 1.
      split: "train" or "val", which share no picture, or "all" for both.

    Raises:
      ValueError: there is no such split.
    """
    if split not in (*NUM_EXAMPLES, "all"):
        raise ValueError(f"split={split!r}: expected train, val or all.")
    return ShapesSource(seed, split)


@tf.autograph.experimental.do_not_convert
def draw_all(seed: int, split: str, num_examples: int) -> tf.Tensor:
    """Draws the first pictures of a split and encodes them: string [num_examples]."""
    ds = tf.data.Dataset.range(num_examples)
    ds = ds.map(lambda index: encode(*draw(seed, split, index)), tf.data.AUTOTUNE)
    ds = ds.batch(num_examples)
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1  # planes are too small to be worth sharing out
    options.threading.private_threadpool_size = this_machine().cpus  # training has one operation's
    return ds.with_options(options).get_single_element()


def label(index: tf.Tensor) -> tf.Tensor:
    """Returns the label (form) of an example: int64 scalar -> int32."""
    return tf.cast(index % len(FORMS), tf.int32)


def encode(image: tf.Tensor, choice: tf.Tensor) -> tf.Tensor:
    """Encodes a picture.

    Args:
      image: uint8 [H, W, 3].
      choice: float32 scalar from 0 to 1: 3 % PNG, 5 % grayscale JPEG, the rest JPEG in color.

    Returns:
      string scalar, a whole file.
    """
    formats = [
        lambda: tf.io.encode_png(image),
        lambda: tf.io.encode_jpeg(tf.image.rgb_to_grayscale(image), quality=_JPEG_QUALITY),
        lambda: tf.io.encode_jpeg(image, quality=_JPEG_QUALITY),
    ]
    passed = [choice >= _PNG_BELOW, choice >= _GREY_BELOW]
    return tf.switch_case(tf.math.count_nonzero(passed, dtype=tf.int32), formats)


def draw(seed: int, split: str, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws one picture.

    Args:
      seed: the run's seed, 0 to 2**32 - 1.
      split: "train" or "val".
      index: int64 scalar.

    Returns:
      uint8 [H, W, 3], and the choice of its format for `encode`.
    """
    looks_seed, strokes_seed, grain_seed = _seeds(seed, split, index)
    looks = _draw_table(_LOOKS, looks_seed)
    x, y, pixel = _grid(looks)
    covered = _coverage(_form(looks, label(index), x, y), pixel)
    ground = _ground(looks, x, y) + _strokes(strokes_seed, x, y, pixel)
    level = ground + covered * (_form_level(looks) - ground)
    noise = tf.random.stateless_uniform(tf.shape(level), grain_seed, alg="philox")
    level += looks.grain * (noise - 0.5)
    ground_tint = _tint(looks.ground_red, looks.ground_green, looks.ground_blue)
    form_tint = _tint(looks.form_red, looks.form_green, looks.form_blue)
    image = level[..., tf.newaxis] + ground_tint
    image += covered[..., tf.newaxis] * (form_tint - ground_tint)
    return tf.saturate_cast(image, tf.uint8), looks.format


def _seeds(seed: int, split: str, index: tf.Tensor) -> list[tf.Tensor]:
    """Makes three seeds, int64 [2], that no other picture and no augmentation has."""
    return [tf.stack([int(stream) << 32 | seed, index]) for stream in _STREAMS[split]]


def _draw_table(table: dict, seed: tf.Tensor, shape: tuple[int, ...] = ()) -> SimpleNamespace:
    """Draws a tensor of this shape for each name of a table, between its bounds."""
    draws = tf.random.stateless_uniform([len(table), *shape], seed, alg="philox")
    low, high = (
        tf.reshape(tf.constant(bounds, tf.float32), [-1] + [1] * len(shape))
        for bounds in zip(*table.values(), strict=True)
    )
    return SimpleNamespace(**dict(zip(table, tf.unstack(low + (high - low) * draws), strict=True)))


def _grid(looks: SimpleNamespace) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Places the centers of the pixels: x [W], y [H, 1], and the size of a pixel."""
    shorter = tf.floor(looks.shorter_pixels)
    longer = tf.floor(shorter * looks.aspect)
    width, height = tf.cond(
        looks.portrait < 0.5, lambda: (shorter, longer), lambda: (longer, shorter)
    )
    x = (tf.range(width) + (1 - width) / 2) / shorter
    y = (tf.range(height) + (1 - height) / 2) / shorter
    return x, y[:, tf.newaxis], 1 / shorter


def _ground(looks: SimpleNamespace, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Shades and waves the ground: levels [H, W]."""
    shade, _ = _turned(x, y, looks.shade_angle)
    wave, _ = _turned(x, y, looks.wave_angle)
    wave = tf.sin(wave * looks.wave_number + looks.wave_phase)
    return looks.ground_level + looks.shade * shade + looks.wave * wave


def _strokes(seed: tf.Tensor, x: tf.Tensor, y: tf.Tensor, pixel: tf.Tensor) -> tf.Tensor:
    """Draws random lines with round ends, some as short as dots: levels to add, [H, W]."""
    stroke = _draw_table(_STROKE, seed, (_NUM_STROKES, 1, 1))
    along, across = _turned(x - stroke.x, y - stroke.y, stroke.angle)
    beyond = along - tf.clip_by_value(along, 0, stroke.length)
    covered = _coverage(length(beyond, across) - stroke.radius, pixel)
    return tf.tensordot(tf.squeeze(stroke.level), covered, 1)


def _form(looks: SimpleNamespace, which: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Places the form: signed distance from its edge, [H, W]."""
    room = _REACH - looks.radius
    x, y = x - looks.place_x * room, y - looks.place_y * room
    x, y = _turned(x / looks.radius, y / looks.radius, looks.rotation)
    x, y = x * looks.stretch, y / looks.stretch
    return looks.radius * tf.switch_case(which, [lambda f=f: f(x, y) for f in FORMS.values()])


def _form_level(looks: SimpleNamespace) -> tf.Tensor:
    """Chooses a level that stands out from the ground's, lighter or darker."""
    difference = tf.where(looks.lighter < 0.5, looks.contrast, -looks.contrast)
    level = looks.ground_level + difference
    low, high = _FORM_LEVELS
    return tf.where((level > low) & (level < high), level, looks.ground_level - difference)


def _tint(*levels: tf.Tensor) -> tf.Tensor:
    """Makes a color that adds no brightness: float32 [3], of sum 0."""
    levels = tf.stack(levels)
    return levels - tf.reduce_mean(levels)


def _coverage(distance: tf.Tensor, pixel: tf.Tensor) -> tf.Tensor:
    """Computes how much of each pixel is inside, 0 to 1, from the signed distance of its center."""
    return tf.clip_by_value(0.5 - distance / pixel, 0, 1)


def _turned(x: tf.Tensor, y: tf.Tensor, angle: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the coordinates in axes that are turned by an angle."""
    cos, sin = tf.cos(angle), tf.sin(angle)
    return x * cos + y * sin, y * cos - x * sin
