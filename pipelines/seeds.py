"""Numbers for the kinds of random draws, so that no two draws have the same seed.

Never renumbered: another number changes what a run's seed produces. Initial weights and dropout use
names instead of numbers (`alexnet_tf/networks/layers/initializers.py`).
"""

import enum


class Stream(enum.IntEnum):
    """Numbers of stateless draws: the upper half of the seed's first word, above the run's seed."""

    # One example in one epoch, in version 1 of the augmentation.
    CROP = 1
    MIRROR = 2
    COLOR = 3
    # One drawn picture of a split.
    SHAPES_TRAIN_LOOKS = 16
    SHAPES_TRAIN_STROKES = 17
    SHAPES_TRAIN_GRAIN = 18
    SHAPES_VAL_LOOKS = 19
    SHAPES_VAL_STROKES = 20
    SHAPES_VAL_GRAIN = 21


class OrderStream(enum.IntEnum):
    """Numbers of permutations, and of draws made of them: the first of the seed's three words."""

    EPOCH = 1
    ROTATION = 2
    RUNS = 3
    LANES = 4
    # One example in one epoch.
    CROP = 5
    MIRROR = 6
    COLOR = 7
    SIDES = 8
    OPERATIONS = 9
