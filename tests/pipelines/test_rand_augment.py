"""RandAugment's operations against torchvision's on the same pictures, and what is drawn."""

import math

import foreign
import numpy as np
import pytest
import tensorflow as tf

from pipelines import rand_augment
from pipelines.config import DataConfig

SIDE = 40
NAMES = [x.__name__.strip("_") for x in rand_augment.OPERATIONS]
MOVES = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")


@pytest.fixture(scope="module")
def pictures():
    """Noise, a smooth picture, one of few levels, one of a single level."""
    draw = np.random.default_rng(0)
    noise = draw.integers(0, 256, (SIDE, SIDE, 3))
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    smooth = np.stack([3 * x + 2 * y, 200 - 3 * y, 60 + (x - 20) ** 2 / 8], -1)
    few = np.stack([100 + x // 20, 100 + y // 30, 7 * (x // 8)], -1)
    return [np.uint8(x) for x in (noise, smooth, few, np.full_like(noise, 90))]


def torchvisions(name, picture, strength, sign):
    foreign.torchvision()
    import torch
    from torchvision.transforms import autoaugment, functional

    place = strength / 30
    magnitude = {
        "shear_x": 0.3 * place,
        "shear_y": 0.3 * place,
        "translate_x": 150 / 331 * SIDE * place,
        "translate_y": 150 / 331 * SIDE * place,
        "rotate": 30 * place,
        "posterize": 8 - round(4 * place),
        "solarize": 255 * (1 - place),
    }.get(name, 0.9 * place)
    if name not in ("posterize", "solarize"):
        magnitude *= sign
    title = "".join(part.capitalize() for part in name.split("_"))
    planes = torch.tensor(picture).permute(2, 0, 1)
    nearest = functional.InterpolationMode.NEAREST
    found = autoaugment._apply_op(planes, title, magnitude, nearest, None)
    return found.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.long
def test_an_operation_is_torchvisions(pictures, name):
    number = NAMES.index(name)
    operate = tf.function(rand_augment.augmented, autograph=False)
    for strength in (0, 9, 22, 30):
        for sign in (1, -1):
            operations = tf.constant([number if sign == 1 else -1 - number])
            for picture in pictures:
                found = operate(tf.constant(picture), operations, strength).numpy()
                expected = torchvisions(name, picture, strength, sign)
                differs = (found != expected).any(axis=-1).mean()
                if name in MOVES:  # where the nearest pixel is a tie, either may be taken
                    assert differs <= (0.1 if name == "shear_x" or name == "shear_y" else 0.02)
                else:  # where a level is cut off, the last bit before it may decide
                    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_shear_moves_each_row_by_its_part(pictures):
    picture = pictures[0]
    found = rand_augment.augmented(tf.constant(picture), tf.constant([1]), 30).numpy()
    for y in (0, 7, 20, 39):
        for x in (0, 5, 25):
            there = math.floor(x + 0.5 + 0.3 * (y + 0.5))
            expected = picture[y, there] if there < SIDE else [0, 0, 0]
            assert (found[y, x] == expected).all()


def test_all_operations_are_drawn_equally_often_and_with_either_sign():
    numbers = tf.range(14_000, dtype=tf.int64)
    found = rand_augment.chosen(3, tf.zeros_like(numbers), numbers, 3).numpy()
    counts = np.stack([np.bincount(column + 14, minlength=28) for column in found.T])
    assert counts.shape == (3, 28)
    assert (((counts - 500) ** 2 / 500).sum(axis=1) < 27 + 5 * np.sqrt(54)).all()
    np.testing.assert_allclose(np.corrcoef(found.T), np.eye(3), atol=5 / np.sqrt(14_000))
    again = rand_augment.chosen(3, tf.ones_like(numbers), numbers, 3).numpy()
    assert (again != found).mean() > 0.9  # in another epoch


def test_operations_follow_each_other(pictures):
    image = tf.constant(pictures[0])
    one = rand_augment.augmented(image, tf.constant([5]), 9)
    both = rand_augment.augmented(image, tf.constant([5, -1 - 9]), 9)
    expected = rand_augment.augmented(one, tf.constant([-1 - 9]), 9)
    np.testing.assert_array_equal(both, expected)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"rand_augment": 4}, "data.rand_augment=4: expected 0 to 3 operations"),
        ({"rand_strength": 31.0}, "data.rand_strength=31.0: expected 0 to 30"),
    ],
)
def test_more_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        DataConfig(**changes)
