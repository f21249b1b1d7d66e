"""What is random about an example in an epoch: window, mirror and color noise.

Each draw is a function of (seed, epoch, example) and of its own stream. All are made beforehand,
for many examples at a time; the host then cuts and mirrors uint8 windows, and `preprocess.py` has
what runs on the device.
"""

import functools
import statistics
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines import augment_version_1, rand_augment
from pipelines.colors import COLOR_AXES, COLOR_STDEVS
from pipelines.config import DataConfig, InputConfig
from pipelines.permutation import DRAW_BITS, draw, words_of
from pipelines.seeds import OrderStream

AUGMENTATION_VERSION = 2
"""Of new runs; stored in checkpoints. Rises when the same seed gives other windows or noise."""
AUGMENTATION_VERSIONS = (1, 2)
"""Those that a run can go on with: it keeps the draws that it began with."""

_WORD_BITS = DRAW_BITS // 2
_NORMAL_BITS = 16
_SIDE_BITS = 16
MOST_STRETCHED = 4 / 3
"""Of a window whose shape is random: width by height, or height by width."""


class Draws(NamedTuple):
    """What is drawn for one example, or for each of many."""

    corner: tf.Tensor  # int32 [..., 2], top and left of the window in the square
    sides: tf.Tensor  # int32 [..., 2], its height and width there
    is_mirrored: tf.Tensor  # bool [...]
    shift: tf.Tensor  # float32 [..., 3], to add to red, green and blue, of 0 to 255
    operations: tf.Tensor  # int32 [..., K], of RandAugment, as `rand_augment.chosen` draws them


def draws(
    data: DataConfig, inputs: InputConfig, seed: int, version: int = AUGMENTATION_VERSION
) -> Callable[[tf.Tensor, tf.Tensor], Draws]:
    """Makes the function (epochs, examples) -> Draws of a run.

    Args:
      data: which augmentations. Without them the window is the central one, as it is, without
        noise.
      inputs: sizes of window and square.
      seed: the run's seed, 0 to 2**32 - 1.
      version: that of the draws; 1 for runs that began with it.

    Returns:
      A function of two int64 [N]: epochs from 0, and indices of examples.
    """
    corners, mirrored, shifts = {
        1: (augment_version_1.corners, augment_version_1.mirrored, augment_version_1.shifts),
        2: (_corners, _mirrored, _shifts),
    }[version]
    num_places = inputs.resize - inputs.size + 1

    def drawn(epochs: tf.Tensor, examples: tf.Tensor) -> Draws:
        corner = tf.fill([tf.size(examples), 2], (num_places - 1) // 2)
        sides = tf.fill([tf.size(examples), 2], inputs.size)
        is_mirrored = tf.zeros_like(examples, tf.bool)
        shift = tf.zeros([tf.size(examples), 3])
        operations = tf.zeros([tf.size(examples), 1], tf.int32)  # of none, `unbatch` crashes (2.21)
        if data.rand_augment:
            operations = rand_augment.chosen(seed, epochs, examples, data.rand_augment)
        if data.least_crop:
            sides = _sides(seed, epochs, examples, inputs.resize, data.least_crop)
            corner = _corners(seed, epochs, examples, inputs.resize + 1 - sides)
        elif data.random_crop:
            corner = corners(seed, epochs, examples, num_places)
        if data.mirror:
            is_mirrored = mirrored(seed, epochs, examples)
        if data.color_noise:
            shift = shifts(seed, epochs, examples, data.color_noise)
        return Draws(corner, sides, is_mirrored, shift, operations)

    return drawn


def _corners(
    seed: int, epochs: tf.Tensor, examples: tf.Tensor, num_places: int | tf.Tensor
) -> tf.Tensor:
    """Draws tops and lefts below num_places, one or [N, 2] (paper, section 4.1): int32 [N, 2]."""
    drawn = draw(OrderStream.CROP, seed, epochs, examples)
    words = tf.stack([tf.bitwise.right_shift(drawn, _WORD_BITS), drawn], -1)
    words = tf.bitwise.bitwise_and(words, 2**_WORD_BITS - 1)
    places = tf.cast(num_places, tf.int64)
    return tf.cast(words % places, tf.int32)  # biased by num_places / 2**31


def _sides(seed: int, epochs: tf.Tensor, examples: tf.Tensor, side: int, least: float) -> tf.Tensor:
    """Draws heights and widths of windows in a square of `side` pixels: int32 [N, 2].

    Their area, as a part of the square's, is uniform from `least` to 1, and the logarithm of their
    shape uniform up to MOST_STRETCHED, as in torchvision's RandomResizedCrop (after Szegedy et al.
    2014, "Going Deeper with Convolutions"). That draws again where a window is longer than the
    square; here it is cut to it.
    """
    words = words_of(draw(OrderStream.SIDES, seed, epochs, examples)) % 2**_SIDE_BITS
    # By tables, and otherwise by exact operations: see `_shifts`.
    root, stretch = (tf.gather(x, words[:, i]) for i, x in enumerate(_side_tables(least)))
    sides = tf.round(tf.stack([root / stretch, root * stretch], -1) * side)
    return tf.cast(tf.clip_by_value(sides, 1, side), tf.int32)


@functools.cache
def _side_tables(least: float) -> tuple[np.ndarray, np.ndarray]:
    """Lists roots of areas and of shapes, equally likely: float32 [2**16] each."""
    parts = (np.arange(2**_SIDE_BITS) + 0.5) / 2**_SIDE_BITS
    roots = np.sqrt(least + (1 - least) * parts)
    return np.float32(roots), np.float32(MOST_STRETCHED ** (parts - 0.5))


def _mirrored(seed: int, epochs: tf.Tensor, examples: tf.Tensor) -> tf.Tensor:
    """Decides, with probability 1/2, whether pictures are mirrored left to right: bool [N]."""
    return draw(OrderStream.MIRROR, seed, epochs, examples) % 2 == 1


def _shifts(seed: int, epochs: tf.Tensor, examples: tf.Tensor, stdev: float) -> tf.Tensor:
    """Draws color noise, the same for all pixels of a picture (paper, section 4.1): float32 [N, 3].

    Its standard deviation along each principal axis is `stdev` times the axis's own.
    """
    words = words_of(draw(OrderStream.COLOR, seed, epochs, examples))
    # By table: functions such as the cosine differ in their last bit by a number's place among N.
    levels = tf.gather(_quantiles(), words % 2**_NORMAL_BITS)
    shift = tf.zeros([tf.size(examples), 3])
    for component, (axis, size) in enumerate(zip(COLOR_AXES, COLOR_STDEVS, strict=True)):
        shift += levels[:, component : component + 1] * (stdev * size * np.float32(axis))
    return shift


@functools.cache
def _quantiles() -> np.ndarray:
    """Lists the normal distribution's quantiles, float32 [2**16]: equally likely, up to 4.3."""
    count, normal = 2**_NORMAL_BITS, statistics.NormalDist()
    return np.float32([normal.inv_cdf((place + 0.5) / count) for place in range(count)])


def window(
    square: tf.Tensor,
    size: int,
    corner: tf.Tensor,
    is_mirrored: tf.Tensor | bool = False,
    sides: tf.Tensor | None = None,
) -> tf.Tensor:
    """Cuts a window, and mirrors it left to right where that was drawn.

    Args:
      square: uint8 [R, R, 3].
      size: side of the result in pixels.
      corner: int32 [2], top and left of the window.
      is_mirrored: bool.
      sides: int32 [2], its height and width; it is scaled to `size` then, by a bilinear filter that
        averages where it shrinks. None for `size` pixels, at most R.

    Returns:
      uint8 [size, size, 3].
    """
    top, left = tf.unstack(corner)
    height, width = (size, size) if sides is None else tf.unstack(sides)
    cut = square[top : top + height, left : left + width]
    if sides is not None:
        scaled = tf.image.resize(cut, [size, size], "bilinear", antialias=True)
        cut = tf.cast(tf.round(scaled), tf.uint8)
    cut = tf.ensure_shape(cut, [size, size, 3])
    if is_mirrored is False:
        return cut
    return tf.cond(is_mirrored, lambda: tf.reverse(cut, [1]), lambda: cut)


def center_crop(images: tf.Tensor, size: int) -> tf.Tensor:
    """Cuts the central window: [..., H, W, C] -> [..., size, size, C]."""
    height, width = images.shape[-3], images.shape[-2]
    top, left = (height - size) // 2, (width - size) // 2
    return images[..., top : top + size, left : left + size, :]
