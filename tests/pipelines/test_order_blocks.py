"""Shuffling in blocks: how good it is for sorted classes, and what it saves in reading.

BUILD.md, "Data", quotes the figures: `python -m pytest tests/pipelines/test_order_blocks.py -s`.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from pipelines.config import Shuffle
from pipelines.order import (
    MIXED_RUNS,
    ORDER_VERSIONS,
    RUN_EXAMPLES,
    order,
    shuffled,
    shuffled_by_low_bits,
    shuffled_in_blocks,
)

IMAGENET, NUM_CLASSES, BATCH = 1_281_167, 1000, 128
RECORD_BYTES = 21_000
AT_EDGES = (
    *(1, 2, 3, RUN_EXAMPLES - 1, RUN_EXAMPLES, RUN_EXAMPLES + 1, 10 * RUN_EXAMPLES),
    *(MIXED_RUNS - 1, MIXED_RUNS, MIXED_RUNS + 1, 2 * MIXED_RUNS, 2 * MIXED_RUNS + 1),
    *(9469, MIXED_RUNS * RUN_EXAMPLES, MIXED_RUNS * RUN_EXAMPLES + 1, 50_000),
)


def epoch_of(num_examples: int, epoch: int, shuffle=Shuffle.BLOCKS, seed: int = 0) -> np.ndarray:
    """The examples of an epoch in their order."""
    positions = tf.range(epoch * num_examples, (epoch + 1) * num_examples, dtype=tf.int64)
    epochs, examples = order(num_examples, seed, shuffle)(positions)
    assert (epochs.numpy() == epoch).all()
    return examples.numpy()


@pytest.fixture(scope="module")
def imagenet() -> list[np.ndarray]:
    """Two epochs of a set as large as ImageNet."""
    return [epoch_of(IMAGENET, epoch) for epoch in range(2)]


@pytest.mark.parametrize("version", ORDER_VERSIONS)
def test_the_first_pairs_of_seed_0_are_the_same_in_every_version(version):
    few = order(10, 0, Shuffle.BLOCKS, version)(tf.range(10, dtype=tf.int64))[1]
    assert few.numpy().tolist() == [7, 0, 2, 8, 6, 9, 1, 3, 4, 5]
    pairs = order(IMAGENET, 0, Shuffle.BLOCKS, version)
    positions = (0, 1, 1024, 1_281_166, 1_281_167, 10**9)
    assert [tuple(int(x) for x in pairs(tf.constant(p, tf.int64))) for p in positions] == [
        (0, 161091),
        (0, 811990),
        (0, 964136),
        (0, 702303),
        (1, 1251726),
        (780, 854116),
    ]


@pytest.mark.parametrize("num_examples", AT_EDGES)
def test_an_epoch_holds_every_example_once(num_examples):
    for epoch in (0, 1, 90):
        assert sorted(epoch_of(num_examples, epoch)) == list(range(num_examples))


def test_any_size_holds_every_example_once():
    draw = np.random.default_rng(0)
    for num_examples in draw.integers(1, 5000, 40):
        epoch, seed = int(draw.integers(2**20)), int(draw.integers(2**32))
        examples = epoch_of(int(num_examples), epoch, seed=seed)
        assert sorted(examples) == list(range(num_examples))


@pytest.mark.parametrize("find", (shuffled, shuffled_by_low_bits, shuffled_in_blocks))
def test_a_row_of_places_gives_what_each_alone_gives(find):
    epochs = tf.constant([0, 0, 7, 2**23], tf.int64)
    places = tf.constant([0, 4999, 1024, 5], tf.int64)
    alone = [int(find(e, p, 5000, 3)) for e, p in zip(epochs, places, strict=True)]
    assert find(epochs, places, 5000, 3).numpy().tolist() == alone


@pytest.mark.long
def test_consecutive_epochs_correlate_no_more_than_runs_by_chance(imagenet):
    correlation = np.corrcoef(*map(np.argsort, imagenet))[0, 1]
    full = (np.argsort(epoch_of(IMAGENET, epoch, Shuffle.FULL)) for epoch in range(2))
    print(f"\nconsecutive epochs: {correlation:.4f}, full {np.corrcoef(*full)[0, 1]:.4f}")
    assert abs(correlation) < 5 * np.sqrt(RUN_EXAMPLES / IMAGENET)


def test_seeds_do_not_correlate():
    places = [np.argsort(epoch_of(50_000, 0, seed=seed)) for seed in (0, 1, 256, 2**31)]
    for one, other in itertools.combinations(places, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 * np.sqrt(RUN_EXAMPLES / 50_000)


def test_no_epoch_comes_again():
    places = [np.argsort(epoch_of(50_000, epoch)) for epoch in (0, 256, 2**16, 2**22)]
    for one, other in itertools.combinations(places, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 * np.sqrt(RUN_EXAMPLES / 50_000)


def test_each_turn_takes_the_lanes_in_another_order():
    turns = tf.repeat(tf.range(300, dtype=tf.int64), MIXED_RUNS) * MIXED_RUNS
    places = turns + tf.tile(tf.range(MIXED_RUNS, dtype=tf.int64), [300])
    examples = shuffled_in_blocks(tf.constant(0, tf.int64), places, 10**9, 0)
    # An example of a lane follows that of the turn before; where it stood says how they move.
    ranks = np.argsort(examples.numpy().reshape(300, MIXED_RUNS), axis=1)
    for later in (1, 2, 255, 256):
        assert abs(np.corrcoef(ranks[0], ranks[later])[0, 1]) < 5 / np.sqrt(MIXED_RUNS)


def class_counts(examples: np.ndarray, size: int) -> tuple[float, float]:
    """What so many examples in a row show of sorted classes.

    Returns:
      The variance of the counts of classes, relative to drawing without replacement, and how many
      classes there are on average.
    """
    num_batches = len(examples) // size
    label = examples[: num_batches * size] * NUM_CLASSES // IMAGENET
    batch = np.arange(len(label)) // size
    counts = np.bincount(batch * NUM_CLASSES + label, minlength=num_batches * NUM_CLASSES)
    mean = size / NUM_CLASSES
    variance = mean * (1 - 1 / NUM_CLASSES) * (IMAGENET - size) / (IMAGENET - 1)
    return np.mean((counts - mean) ** 2) / variance, np.sum(counts > 0) / num_batches


@pytest.mark.parametrize(
    "size, most, classes",
    [(BATCH, 1.02, 119), (MIXED_RUNS // 2, 1.2, 380), (MIXED_RUNS, 1.5, 530), (64 * BATCH, 8, 700)],
)
def test_batches_mix_sorted_classes_nearly_as_drawing_does(imagenet, size, most, classes):
    somewhere = imagenet[0][min(size, MIXED_RUNS) // 2 :]  # half in one turn, half in the next
    variance, num_classes = class_counts(somewhere, size)
    chance, by_chance = class_counts(epoch_of(IMAGENET, 0, Shuffle.FULL), size)
    print(f"\n{size} in a row: variance {variance:.2f}, full {chance:.2f};", end=" ")
    print(f"{num_classes:.1f} classes, full {by_chance:.1f}")
    assert variance < most
    assert num_classes > classes


def test_pairs_meet_again_in_a_batch_no_oftener_than_chance(imagenet):
    before, after = (np.argsort(examples) // BATCH for examples in imagenet)
    _, together = np.unique(before * IMAGENET + after, return_counts=True)
    met = (together * (together - 1)).sum() / 2
    expected = IMAGENET * (BATCH - 1) / 2 * (BATCH - 1) / (IMAGENET - 1)
    print(f"\npairs that meet again: {met / expected:.2f} of what chance brings")
    assert met < 1.1 * expected


def test_a_turn_takes_one_example_of_a_run(imagenet):
    turns = imagenet[0][: len(imagenet[0]) // MIXED_RUNS * MIXED_RUNS].reshape(-1, MIXED_RUNS)
    gaps = np.diff(np.sort(turns, axis=1))
    assert np.mean(gaps < RUN_EXAMPLES // 2) < RUN_EXAMPLES * MIXED_RUNS / IMAGENET


def test_most_examples_follow_their_neighbor_and_little_is_read_ahead(imagenet):
    examples = imagenet[0]
    position = np.argsort(examples)
    waited = position - np.roll(position, 1)  # since the example before it, as in a ring
    seeks = (waited <= 0) | (waited >= 2 * MIXED_RUNS)
    print(f"\n{IMAGENET / seeks.sum():.1f} examples a seek")
    assert IMAGENET / seeks.sum() > 0.97 * RUN_EXAMPLES
    # Whoever reads a run as a whole keeps what is left of it.
    first = np.flatnonzero(seeks)
    lengths = np.diff(np.append(first, first[0] + IMAGENET))
    change = np.full(IMAGENET, -1)
    np.add.at(change, position[first], lengths)
    kept = np.cumsum(change)
    print(f"kept: {kept.mean():.0f} on average, {kept.max()} at most,", end=" ")
    print(f"{kept.max() * RECORD_BYTES / 1e6:.0f} MB")
    assert kept.max() < 0.6 * MIXED_RUNS * RUN_EXAMPLES
    # Runs begin evenly: storage has as much to do in one turn as in another.
    begun = np.bincount(position[first] // MIXED_RUNS)[1:-1]
    print(f"seeks in {MIXED_RUNS} examples: {begun.min()} to {begun.max()}")
    assert begun.max() < 3 * MIXED_RUNS / RUN_EXAMPLES
