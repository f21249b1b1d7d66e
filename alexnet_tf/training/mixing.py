"""From a batch to what is trained on, on the device: rectangles erased, pictures mixed in pairs.

Each draw is a function of (seed, step, row of the global batch). Rows 2 k and 2 k + 1 are mixed
with each other: they are on one replica and in one part of its batch, so that neither changes a
result. Since each epoch has another order, so do pairs.
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import Config
from alexnet_tf.networks.layers.dropout import DropPosition
from alexnet_tf.networks.layers.initializers import named_seed
from pipelines.config import DataConfig
from pipelines.dataset import Batch
from pipelines.preprocess import preprocess

ERASED = (0.02, 0.33)
"""The least and the largest part of a picture that is erased (Zhong et al. 2017)."""
MOST_STRETCHED = 3.3
"""Of an erased rectangle: width by height, or height by width."""

_BITS = 12
_COUNT = 2**_BITS


class Mixed(NamedTuple):
    """A batch whose pictures may be parts of two."""

    images: tf.Tensor
    """float32 [N, h, w, C]."""
    part: tf.Tensor | None = None
    """float32 [N], 0 to 1: the part of the row's own label; the rest is the other's."""
    other: tf.Tensor | None = None
    """int32 [N], the label of the picture that was mixed in. Both are None where none was."""


def seen(batch: Batch, config: Config, position: DropPosition) -> Mixed:
    """Makes of a batch what the network is trained on.

    Args:
      batch: rows of the global batch; an even number, if pictures are mixed.
      config: the run's settings.
      position: of the rows.
    """
    data = config.data
    images = preprocess(
        batch.image,
        config.network.input,
        shift=batch.shift,
        divide_by=1 + data.color_noise if data.color_rescale else 1.0,
    )
    if data.erasing:
        images = erased(images, data, position)
    if data.mixup or data.cutmix:
        return mixed(images, batch.label, batch.mask, data, position)
    return Mixed(images)


def erased(images: tf.Tensor, data: DataConfig, position: DropPosition) -> tf.Tensor:
    """Sets a random rectangle of some pictures to 0, which is the mean color.

    A rectangle that would be longer than the picture is cut to it, where torchvision draws again.

    Args:
      images: float32 [N, h, w, C], as the network sees them; h = w.
      data: `erasing` is the part of them.
      position: of the rows.
    """
    size = images.shape[1]
    chosen, top, left, *sides = _numbers(position, "erasing", images.shape[0], 5)
    roots, stretches = _erasing_tables(size)
    root, stretch = (tf.gather(x, i) for x, i in zip((roots, stretches), sides, strict=True))
    height, width = (
        tf.clip_by_value(tf.cast(tf.round(x), tf.int32), 1, size)
        for x in (root / stretch, root * stretch)
    )
    top, left = (place % (size + 1 - side) for place, side in ((top, height), (left, width)))
    is_erased = _inside(size, top, left, top + height, left + width)
    is_erased &= (chosen < round(data.erasing * _COUNT))[:, None, None]
    return tf.where(is_erased[..., None], tf.zeros([], images.dtype), images)


def mixed(
    images: tf.Tensor,
    label: tf.Tensor,
    mask: tf.Tensor,
    data: DataConfig,
    position: DropPosition,
) -> Mixed:
    """Mixes the pictures of each pair, each with a part of its own.

    Args:
      images: float32 [N, h, w, C]; N is even and h = w.
      label: int32 [N].
      mask: bool [N]; where it is False there is no picture, and its partner stays as it is.
      data: `mixup` and `cutmix`.
      position: of the rows.
    """
    size = images.shape[1]
    place, y, x, chosen = _numbers(position, "mixing", images.shape[0], 4)
    place = tf.where(_partner(mask), place, _COUNT)  # the last of the tables: nothing of the other
    half = {(True, True): _COUNT // 2, (True, False): _COUNT, (False, True): 0}
    is_blended = chosen < half[bool(data.mixup), bool(data.cutmix)]
    part, pictures = tf.ones(tf.shape(label)), images
    other = _partner(images)
    if data.mixup:
        part = tf.gather(_beta_table(data.mixup), place)
        weight = tf.cast(part, images.dtype)[:, None, None, None]
        pictures = weight * images + (1 - weight) * other
    if data.cutmix:
        side = tf.gather(_side_table(data.cutmix, size), place)
        ends = [tf.clip_by_value(at % size + d, 0, size) for at in (y, x) for d in _around(side)]
        top, bottom, left, right = ends
        area = tf.cast((bottom - top) * (right - left), tf.float32)
        cut = tf.where(_inside(size, top, left, bottom, right)[..., None], other, images)
        pictures = tf.where(is_blended[:, None, None, None], pictures, cut)
        part = tf.where(is_blended, part, 1 - area / size**2)
    return Mixed(pictures, part, _partner(label))


def _around(side: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where a side that is centered at 0 begins and ends."""
    return -(side // 2), side - side // 2


def _partner(rows: tf.Tensor) -> tf.Tensor:
    """Exchanges the rows of each pair."""
    pairs = tf.reshape(rows, [-1, 2, *rows.shape[1:]])
    return tf.reshape(pairs[:, ::-1], tf.shape(rows))


def _inside(size: int, top, left, bottom, right) -> tf.Tensor:
    """Tells which pixels lie in rectangles: bool [N, size, size]."""
    pixels = tf.range(size)
    rows = (pixels >= top[:, None]) & (pixels < bottom[:, None])
    columns = (pixels >= left[:, None]) & (pixels < right[:, None])
    return rows[:, :, None] & columns[:, None, :]


def _numbers(position: DropPosition, name: str, num_rows: int, count: int) -> list[tf.Tensor]:
    """Draws integers from 0 to below 2**12 for each row: `count` times int32 [N]."""
    seed = named_seed(position.seed, name, position.step)
    shape = [position.num_rows, count]
    bits = tf.random.stateless_uniform(shape, seed, None, None, dtype=tf.uint32, alg="philox")
    # Integers and tables alone: XLA makes other floats of the same bits (TF 2.21).
    numbers = tf.cast(tf.bitwise.right_shift(bits, 32 - _BITS), tf.int32)
    first = tf.cast(position.first_row, tf.int32)
    return tf.unstack(tf.slice(numbers, [first, 0], [num_rows, count]), axis=1)


@functools.cache
def _erasing_tables(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Lists roots of areas, in pixels, and of shapes, equally likely: float32 [2**12] each."""
    parts = (np.arange(_COUNT) + 0.5) / _COUNT
    least, most = ERASED
    roots = size * np.sqrt(least + (most - least) * parts)
    return np.float32(roots), np.float32(MOST_STRETCHED ** (parts - 0.5))


@functools.cache
def _beta_table(alpha: float) -> np.ndarray:
    """Lists the quantiles of Beta(alpha, alpha), float32 [2**12 + 1]; one more is 1."""
    # The density is x ** (alpha - 1) * (1 - x) ** (alpha - 1), on the lower half; below alpha = 1
    # it is smooth over t = x ** alpha alone, where it is (1 - x) ** (alpha - 1).
    power = min(alpha, 1.0)
    x = np.linspace(0, 0.5**power, 2**16 + 1) ** (1 / power)
    density = (2 * x) ** (alpha - power) * (2 - 2 * x) ** (alpha - 1)
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    lower = np.interp((np.arange(_COUNT // 2) + 0.5) / (_COUNT // 2), mass / mass[-1], x)
    return np.float32(np.concatenate([lower, 1 - lower[::-1], [1]]))


@functools.cache
def _side_table(alpha: float, size: int) -> np.ndarray:
    """Lists the sides of what CutMix replaces, in pixels: int32 [2**12 + 1]; the last is 0."""
    return np.int32(np.round(size * np.sqrt(1 - _beta_table(alpha).astype(np.float64))))
