"""The order of training: positions, epochs, and how well an epoch is shuffled."""

import itertools
import time

import numpy as np
import pytest
import tensorflow as tf

from pipelines.config import Shuffle
from pipelines.order import ORDER_VERSION, ORDER_VERSIONS, last_step_of_epoch, order, shuffled

SIZES = (1, 2, 10, 4097, 9469, 50_000)
IMAGENET = 1_281_167
FIRST = {
    1: (
        [(0, i) for i in (4, 0, 5, 7, 8, 1, 6, 9, 3, 2)] + [(1, i) for i in (0, 7, 4, 2)],
        [(0, 934735), (0, 1227748), (0, 984032), (1, 186447), (780, 1195010)],
    ),
    2: (
        [(0, i) for i in (8, 9, 1, 2, 5, 6, 0, 7, 4, 3)] + [(1, i) for i in (7, 2, 6, 1)],
        [(0, 135299), (0, 574889), (0, 926490), (1, 1013269), (780, 1224416)],
    ),
}
"""By version: what seed 0 shows of 10 examples, and of as many as ImageNet has."""


def permutation(num_examples: int, epoch: int, seed: int = 0) -> np.ndarray:
    places = tf.range(num_examples, dtype=tf.int64)
    return shuffled(tf.constant(epoch, tf.int64), places, num_examples, seed).numpy()


def first_pairs(
    num_examples: int, seed: int, positions, version: int = ORDER_VERSION
) -> list[tuple[int, int]]:
    find = order(num_examples, seed, version=version)
    return [tuple(int(x) for x in find(tf.constant(p, tf.int64))) for p in positions]


@pytest.mark.parametrize("version", ORDER_VERSIONS)
def test_the_first_pairs_of_seed_0_stay_what_they_are(version):
    few, many = FIRST[version]
    assert first_pairs(10, 0, range(14), version) == few
    positions = (0, 1, IMAGENET - 1, IMAGENET, 10**9)
    assert first_pairs(IMAGENET, 0, positions, version) == many


def test_a_dataset_gives_the_same_pairs_as_a_call():
    ds = tf.data.Dataset.range(95, 105).map(order(100, 7))
    mapped = [(int(epoch), int(example)) for epoch, example in ds]
    assert mapped == first_pairs(100, 7, range(95, 105))
    assert [epoch for epoch, _ in mapped] == [0] * 5 + [1] * 5


@pytest.mark.parametrize("shuffle", Shuffle)
@pytest.mark.long
def test_one_core_finds_far_more_examples_than_it_decodes(shuffle):
    find, num_batches, batch = order(1_281_167, 0, shuffle), 5000, 128
    ds = tf.data.Dataset.range(0, num_batches * batch, batch)
    ds = ds.map(lambda first: find(first + tf.range(batch, dtype=tf.int64)))
    began = time.process_time()
    assert int(ds.reduce(np.int64(0), lambda count, _: count + 1)) == num_batches
    rate = num_batches * batch / (time.process_time() - began)
    print(f"\n{shuffle}: {rate:,.0f} examples a second")
    assert rate > 50_000  # decoding allows a few thousand


@pytest.mark.parametrize("version", ORDER_VERSIONS)
@pytest.mark.parametrize("num_examples", SIZES)
def test_an_epoch_holds_every_example_once(num_examples, version):
    find = order(num_examples, 2**32 - 1, version=version)
    for epoch in (0, 1, 90):
        first, last = epoch * num_examples, (epoch + 1) * num_examples
        epochs, examples = find(tf.range(first, last, dtype=tf.int64))
        assert (epochs.numpy() == epoch).all()
        assert sorted(examples.numpy()) == list(range(num_examples))


@pytest.mark.parametrize("num_examples", (4097, 9469, 50_000, 1_281_167))
def test_consecutive_epochs_do_not_correlate(num_examples):
    epochs = [permutation(num_examples, epoch) for epoch in range(3)]
    for before, after in zip(epochs, epochs[1:], strict=False):
        assert abs(np.corrcoef(before, after)[0, 1]) < 5 / np.sqrt(num_examples)


def test_seeds_do_not_correlate():
    orders = [permutation(9469, 0, seed) for seed in (0, 1, 2**32 - 1)]
    for i, j in ((0, 1), (1, 2), (0, 2)):
        assert abs(np.corrcoef(orders[i], orders[j])[0, 1]) < 5 / np.sqrt(9469)


@pytest.mark.parametrize("num_examples", (1000, 65_536, IMAGENET))
def test_every_bit_of_seed_and_epoch_changes_the_permutation(num_examples):
    seeds = [(2**bit, 0) for bit in range(32)] + [(1 + 2**31, 0), (2**32 - 1, 0)]
    epochs = [(0, 2**bit) for bit in range(32)] + [(0, 2**32 - 1)]
    begins = {
        (seed, epoch): shuffled(
            tf.constant(epoch, tf.int64), tf.range(300, dtype=tf.int64), num_examples, seed
        ).numpy()
        for seed, epoch in [(0, 0), *seeds, *epochs]
    }
    for one, other in itertools.combinations(begins, 2):
        met = np.mean(begins[one] == begins[other])
        assert met < 0.05, (one, other)  # by chance 0.3 of 300


def test_the_permutations_of_many_epochs_differ():
    epochs = tf.range(2**17, dtype=tf.int64)
    begins = [shuffled(epochs, tf.zeros_like(epochs) + place, 50_000, 0) for place in range(5)]
    missing = 2**17 - len(np.unique(np.stack(begins, -1), axis=0))
    assert missing < 2 * 2**33 / 2**24  # by chance half of that: 2**33 pairs, 2**24 permutations


@pytest.mark.parametrize("num_examples", (4096, 9472, 51_200))
def test_classes_in_a_batch_vary_as_if_drawn_without_replacement(num_examples):
    batch, num_classes = 128, 8
    label = np.arange(num_examples) * num_classes // num_examples  # a folder, class by class
    share = 1 / num_classes
    variance = batch * share * (1 - share) * (num_examples - batch) / (num_examples - 1)
    ratios = []
    for epoch in range(8):
        rows = label[permutation(num_examples, epoch)].reshape(-1, batch)
        counts = (rows[:, :, None] == np.arange(num_classes)).sum(1)
        ratios.append(np.mean((counts - batch * share) ** 2) / variance)
    num_counts = 8 * num_examples // batch * (num_classes - 1)
    assert abs(np.mean(ratios) - 1) < 5 * np.sqrt(2 / num_counts)  # spread of a chi-square


@pytest.mark.parametrize("num_examples", (4096, 9472, 51_200))
def test_pairs_meet_again_in_a_batch_no_oftener_than_chance(num_examples):
    batch = 128
    num_batches, met = num_examples // batch, 0
    for epoch in range(4):
        before, after = (
            np.argsort(permutation(num_examples, e)) // batch for e in (epoch, epoch + 1)
        )
        together = np.zeros((num_batches, num_batches), np.int64)
        np.add.at(together, (before, after), 1)
        met += (together * (together - 1)).sum() / 2
    pairs = 4 * num_batches * batch * (batch - 1) / 2
    expected = pairs * (batch - 1) / (num_examples - 1)
    assert abs(met - expected) < 5 * np.sqrt(expected)


def test_an_epoch_ends_with_the_step_that_completes_it():
    assert [last_step_of_epoch(epoch, 10, 4) for epoch in range(4)] == [3, 5, 8, 10]
    assert last_step_of_epoch(0, 8, 4) == 2
    assert last_step_of_epoch(0, 3, 8) == last_step_of_epoch(1, 3, 8) == 1  # several in one step
    assert last_step_of_epoch(89, 1_281_167, 128) == 900_821
