"""The streams of random draws, all in one table: no two draws have the same seed.

A number once given stays, since another one changes what a seed of the run brings. Initial weights
and dropout have names for it (`alexnet_tf/networks/layers/initializers.py`).
"""

import enum


class Stream(enum.IntEnum):
    """Of stateless draws: in the upper half of the first word of their seed, above the run's."""

    # One example in one epoch.
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
    """Of permutations: the first word of their seed, of three words."""

    EPOCH = 1
