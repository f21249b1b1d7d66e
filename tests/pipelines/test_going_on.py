"""A run that goes on sees what it would have seen, whatever interrupted it, and reads no more."""

import dataclasses
import itertools
import math
import time

import numpy as np
import pytest
import tensorflow as tf

from pipelines.config import DataConfig, InputConfig, Shuffle
from pipelines.dataset import DrawVersions, train_dataset
from pipelines.order import MIXED_RUNS, ORDER_VERSIONS, order

INPUTS = InputConfig(size=2, resize=2)
LEVELS = 251
"""A prime: how many different pictures there are."""
SIZES = (3, 50, MIXED_RUNS + 300)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Any number of examples, each a picture of its index."""

    num_examples: int

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws one."""
        picture = tf.fill([2, 2, 3], tf.cast(index % LEVELS, tf.uint8))
        return tf.io.encode_png(picture), tf.cast(index % 7, tf.int32)


@dataclasses.dataclass(frozen=True)
class Noted(Numbers):
    """The same; notes which are read."""

    indices: list[int] = dataclasses.field(default_factory=list)

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws one, and notes it."""

        def note(index):
            self.indices.append(int(index))
            return index

        return super().read(tf.ensure_shape(tf.numpy_function(note, [index], tf.int64), []))


def chain(source: Numbers, shuffle: Shuffle, seed: int, first_position: int, rows: int):
    """Batches from a position on."""
    data = DataConfig(shuffle=shuffle, random_crop=False, mirror=False, color_noise=0)
    return train_dataset(source, data, INPUTS, seed, first_position, rows).as_numpy_iterator()


def seen(source, shuffle, seed, first_step: int, last_step: int, batch: int, workers: int) -> list:
    """The examples of some steps: worker r of each step takes its r-th part of the batch."""
    batches = chain(source, shuffle, seed, (first_step - 1) * batch, batch // workers)
    found = []
    for _ in range((last_step - first_step + 1) * workers):
        part = next(batches)
        assert part.mask.all()
        assert (part.image[:, 0, 0, 0] == part.index % LEVELS).all()
        assert (part.label == part.index % 7).all()
        found += part.index.tolist()
    return found


@pytest.mark.parametrize("shuffle", Shuffle)
@pytest.mark.parametrize(
    "num_examples", [*SIZES[:2], pytest.param(SIZES[2], marks=pytest.mark.slow)]
)
@pytest.mark.long
def test_interruptions_and_workers_change_nothing(num_examples, shuffle):
    draw = np.random.default_rng(num_examples)
    source, seed = Numbers(num_examples), int(draw.integers(2**32))
    batch = int(draw.choice([12, 60, 120]))
    num_steps = -(-2 * num_examples // batch)
    ends = sorted({*draw.integers(1, num_steps + 1, 2).tolist(), num_steps})
    found, first = [], 1
    for end in ends:  # each time as many workers as there happen to be
        workers = int(draw.choice([1, 2, 3, 4, 6]))
        found += seen(source, shuffle, seed, first, end, batch, workers)
        first = end + 1
    assert found == seen(source, shuffle, seed, 1, num_steps, batch, 1)
    for part in (found[:num_examples], found[num_examples : 2 * num_examples]):
        assert sorted(part) == list(range(num_examples))


@pytest.mark.parametrize("version", ORDER_VERSIONS)
def test_a_run_keeps_the_order_that_it_began_with(version):
    source, data = Numbers(50), DataConfig(random_crop=False, mirror=False, color_noise=0)
    batches = train_dataset(
        source, data, INPUTS, 7, 45, 20, DrawVersions(version, 1)
    ).as_numpy_iterator()
    expected = order(50, 7, version=version)(tf.range(45, 65, dtype=tf.int64))[1]
    assert next(batches).index.tolist() == expected.numpy().tolist()


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [pytest.param("full", marks=pytest.mark.slow), "blocks"])
def test_a_billion_examples_go_on_at_once_and_nothing_that_was_passed_is_read(shuffle):
    seed, rows, seconds = 7, 128, {0: [], 41_999_999_900: []}

    def is_at_once():
        begun, gone_on = (min(times, default=math.inf) for times in seconds.values())
        return gone_on < max(1, 1.2 * begun)  # on a slow machine to begin takes that long

    # The first time of all is TensorFlow's own; later ones may be disturbed by other processes.
    for position in itertools.chain([0], *[seconds] * 6):
        if position == 0 and min(map(len, seconds.values())) > 1 and is_at_once():
            break
        source = Noted(10**9)
        began = time.thread_time()  # of this thread alone, however busy the machine is
        batches = chain(source, shuffle, seed, position, rows)
        index = next(batches).index.tolist()
        seconds[position].append(time.thread_time() - began)
        del batches
        positions = tf.range(position, position + 10**5, dtype=tf.int64)
        to_come = order(source.num_examples, seed, shuffle)(positions)[1].numpy().tolist()
        assert index == to_come[:rows]
        assert rows <= len(source.indices) < 10**4
        assert set(source.indices) <= set(to_come)
    begun, gone_on = (min(times) for times in seconds.values())
    print(f"\n{shuffle}: a run begins in {begun:.2f} s and goes on in {gone_on:.2f} s")
    assert is_at_once()
