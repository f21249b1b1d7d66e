"""The order of training: position -> (epoch, example), by arithmetic alone.

A position counts rows over all steps: `(step - 1) * global_batch_size + row`. No remainder is
dropped, so a batch may hold the end of one epoch and the start of the next. Resuming needs the
next position and nothing else; replicas and workers take rows of the same global batch.

Positions, epochs, places and examples are int64, [] or [N]. One call for many costs far less than
as many calls.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from pipelines.config import Shuffle
from pipelines.permutation import draw, numbered, permuted, words_of
from pipelines.seeds import OrderStream

ORDER_VERSION = 2
"""Of new runs; stored in checkpoints. Rises when the same seed gives another order."""
ORDER_VERSIONS = (1, 2)
"""Those that a run can go on with: it keeps the order that it began with."""

RUN_EXAMPLES = 32
"""Consecutive examples that `blocks` keeps in their order."""
MIXED_RUNS = 1024
"""Runs that `blocks` reads at a time: it takes one example of each before the next of any."""


def order(
    num_examples: int,
    seed: int,
    shuffle: Shuffle = Shuffle.FULL,
    version: int = ORDER_VERSION,
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Makes the function position -> (epoch, example) of a run.

    Args:
      num_examples: size of the training set, at least 1.
      seed: the run's seed, 0 to 2**32 - 1.
      shuffle: how an epoch is permuted.
      version: one of `ORDER_VERSIONS`; `blocks` is the same in all of them.

    Returns:
      A function from positions to their epochs, from 0, and their examples' indices.
    """
    full = {1: shuffled_by_low_bits, 2: shuffled}[version]
    of_epoch = {Shuffle.FULL: full, Shuffle.BLOCKS: shuffled_in_blocks}[shuffle]

    def epoch_and_example(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, place = position // num_examples, position % num_examples
        return epoch, of_epoch(epoch, place, num_examples, seed)

    return epoch_and_example


def shuffled(epoch: tf.Tensor, place: tf.Tensor, num_examples: int, seed: int) -> tf.Tensor:
    """Finds the example at a place of an epoch's permutation.

    Every bit of seed and epoch counts. Two epochs, of one run or of two, have the same permutation
    by chance alone: 1 in 2**24 of up to 65,536 examples, 1 in 2**33 of as many as ImageNet has.

    Args:
      epoch: 0 to 2**32 - 1.
      place: 0 to `num_examples` - 1.
      num_examples: size of the training set.
      seed: the run's seed, 0 to 2**32 - 1.

    Returns:
      0 to `num_examples` - 1; within an epoch each exactly once.
    """
    words = words_of(draw(OrderStream.EPOCH, seed, epoch, tf.zeros_like(epoch)))
    return permuted(place, num_examples - 1, words)


def shuffled_by_low_bits(
    epoch: tf.Tensor, place: tf.Tensor, num_examples: int, seed: int
) -> tf.Tensor:
    """Does the same as `shuffled` for runs that began with version 1 of the order.

    Epochs or seeds that differ by a multiple of 2**8 (2**11 for as many examples as ImageNet has)
    have the same permutation: see `permuted`.
    """
    return permuted(place, num_examples - 1, numbered(OrderStream.EPOCH, seed, epoch))


def shuffled_in_blocks(
    epoch: tf.Tensor, place: tf.Tensor, num_examples: int, seed: int
) -> tf.Tensor:
    """Does the same as `shuffled`, but keeps runs of consecutive examples in their order.

    The examples form a ring, which is cut open at a place drawn for the epoch and divided into
    runs. The runs are permuted, and the line that they form is divided into lanes of equal length.
    Each turn takes one example from every lane, in an order drawn for the turn. A lane continues
    where it stopped, so storage seeks only where a run begins.
    """
    lane_examples, longer_lanes = divmod(num_examples, MIXED_RUNS)
    turn, rank = place // MIXED_RUNS, place % MIXED_RUNS
    # The last turn has only the longer lanes.
    last = tf.minimum(num_examples - turn * MIXED_RUNS, MIXED_RUNS) - 1
    lane = permuted(rank, last, words_of(draw(OrderStream.LANES, seed, epoch, turn)))
    first = lane * lane_examples + tf.minimum(lane, longer_lanes)
    length = lane_examples + tf.cast(lane < longer_lanes, tf.int64)
    # Lanes start at different places of their runs, so that they do not all seek in the same turn.
    on_line = first + (turn + lane * RUN_EXAMPLES // MIXED_RUNS) % length
    # A shorter run at the end stays at the end.
    num_runs = max(num_examples // RUN_EXAMPLES, 1)
    run, within = on_line // RUN_EXAMPLES, on_line % RUN_EXAMPLES
    words = words_of(draw(OrderStream.RUNS, seed, epoch, tf.zeros_like(epoch)))
    whole = permuted(tf.minimum(run, num_runs - 1), num_runs - 1, words)
    run = tf.where(run < num_runs, whole, run)
    cut = draw(OrderStream.ROTATION, seed, epoch, tf.zeros_like(epoch)) % num_examples
    return (run * RUN_EXAMPLES + within + cut) % num_examples


def last_step_of_epoch(epoch: int, num_examples: int, global_batch_size: int) -> int:
    """Finds the step that completes an epoch (from 0); evaluation and schedules follow it."""
    return math.ceil((epoch + 1) * num_examples / global_batch_size)
