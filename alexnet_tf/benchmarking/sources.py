"""What is read in a benchmark: a few hundred encoded pictures."""

import dataclasses
import functools
import hashlib

import numpy as np
import tensorflow as tf

from alexnet_tf.benchmarking.spec import NOISE, Spec, What
from alexnet_tf.errors import UserError, user_errors
from pipelines import host
from pipelines.config import DataConfig
from pipelines.derived import Derived
from pipelines.kept import KeptSquares
from pipelines.source import Source, known_reason
from pipelines.sources import open_source

NUM_PICTURES = 512
"""Enough that neither files nor squares stay in a processor's cache."""

_SIDES = (224, 257)  # of a drawn picture, from and below
_SPOTS = 12  # coarse colors along a side
_GRAIN = 10.0  # standard deviation of the levels of a pixel; makes JPEGs of about 20 kB
_QUALITY = 90


@dataclasses.dataclass(frozen=True)
class Some(Derived):
    """Some of another source's examples, evenly spread over it."""

    num_examples: int

    @functools.cached_property
    def class_counts(self) -> tuple[int, ...]:
        """How many examples each class has; found by reading the labels."""
        ds = tf.data.Dataset.range(self.num_examples).map(self.read)
        labels = [label for _, label in ds.as_numpy_iterator()]
        return tuple(np.bincount(labels, minlength=len(self.classes)).tolist())

    @property
    def digest(self) -> str:
        """A digest of the origin's digest and of the number of examples."""
        return _digest(self.num_examples, self.origin.digest)

    def name(self, index: int) -> str:
        """Names an example as the origin does."""
        return self.origin.name(index * self._stride)

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads an example from the origin."""
        return self.origin.read(index * self._stride)

    def reason(self, index: int) -> str:
        """Knows what the origin does."""
        return known_reason(self.origin, index * self._stride)

    @property
    def _stride(self) -> int:
        return self.origin.num_examples // self.num_examples


@dataclasses.dataclass(frozen=True)
class Noise:
    """Color JPEGs of coarse noise under fine noise, as large as Imagenette's photographs."""

    num_examples: int = NUM_PICTURES
    classes: tuple[str, ...] = ("noise", "more noise")
    remark: str = ""

    @property
    def class_counts(self) -> tuple[int, ...]:
        """How many pictures each class has; every second one is of the second class."""
        return (self.num_examples - self.num_examples // 2, self.num_examples // 2)

    @property
    def digest(self) -> str:
        """A digest of what the pictures depend on."""
        return _digest(self.num_examples, NOISE)

    @property
    def num_pictures(self) -> int:
        """How many pictures there are; there is one split."""
        return self.num_examples

    def name(self, index: int) -> str:
        """Names an example, such as noise/00123."""
        return f"noise/{index:05d}"

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Looks up one example: int64 scalar -> bytes (string), label (int32)."""
        return tf.gather(self._pictures, index), tf.cast(index % 2, tf.int32)

    @functools.cached_property
    def _pictures(self) -> tf.Tensor:
        """All encoded pictures, string [num_examples]."""
        with host.kept():
            ds = tf.data.Dataset.range(self.num_examples).map(_draw, tf.data.AUTOTUNE)
            return ds.batch(self.num_examples).get_single_element()


def pictures(name: str, data: DataConfig, seed: int) -> Source:
    """Opens what a benchmark reads.

    Args:
      name: NOISE, or what `data.source` may be.
      data: the other settings of the source.
      seed: the run's seed.

    Raises:
      ValueError: there is nothing to read.
    """
    if name == NOISE:
        return Noise()
    source = open_source(dataclasses.replace(data, source=name), "train", seed)
    if isinstance(source, KeptSquares):
        return source  # its squares are no pictures, of which Some takes some
    return Some(source, min(NUM_PICTURES, source.num_examples))


def of_spec(spec: Spec) -> Source:
    """Opens what a benchmark reads.

    Raises:
      UserError: there is nothing to read, or what a loop reads has classes that its network lacks.
    """
    with user_errors():
        source = pictures(spec.pictures, spec.config.data, spec.config.run.seed)
    known, there = spec.config.network.num_classes, len(source.classes)
    if spec.what == What.LOOP and there > known:
        raise UserError(
            f"network.num_classes={known}: expected at least {there}, as many classes as there are "
            f"in data.source={spec.pictures!r}. Add --network.num_classes={there}."
        )
    return source


def files(spec: Spec) -> list[str]:
    """Lists the files of the pictures, for those who read them without us.

    Raises:
      UserError: there is nothing to read.
    """
    source = of_spec(spec)
    return [source.name(index) for index in range(source.num_examples)]


def squares(spec: Spec) -> np.ndarray:
    """Copies the first squares of a packed set, for those who read them without us.

    Returns:
      uint8 [NUM_PICTURES or fewer, R, R, 3].

    Raises:
      UserError: there is nothing to read.
    """
    source = of_spec(spec)
    ds = tf.data.Dataset.range(min(NUM_PICTURES, source.num_examples))
    return np.stack(list(ds.map(lambda index: source.square(index)[0]).as_numpy_iterator()))


def _digest(*facts: int | str) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _draw(index: tf.Tensor) -> tf.Tensor:
    """Draws and encodes one picture, a function of its index: int64 scalar -> string scalar."""
    seeds = [tf.stack([tf.constant(stream, tf.int64), index]) for stream in range(3)]
    size = tf.random.stateless_uniform([2], seeds[0], *_SIDES, dtype=tf.int32)
    spots = tf.random.stateless_uniform([_SPOTS, _SPOTS, 3], seeds[1], 0, 255)
    shape = tf.concat([size, [3]], axis=0)
    grain = tf.random.stateless_normal(shape, seeds[2], stddev=_GRAIN)
    image = tf.image.resize(spots, size, "bicubic") + grain
    return tf.io.encode_jpeg(tf.saturate_cast(image, tf.uint8), quality=_QUALITY)
