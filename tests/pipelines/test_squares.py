"""What fails keeps its place, wherever it stands in a batch, and nothing else moves."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import picture

from pipelines import squares
from pipelines.config import InputConfig
from pipelines.parallelism import Decoding
from pipelines.rows import Rows
from pipelines.squares import ENDLESS, batches, decoded, passed_once

INPUTS = InputConfig(size=8, resize=12)
HOW = Decoding(threads=3, parallel_pixels=10**6, max_pixels=10**6)
GOOD, BAD = picture(30, 40), b"no picture"


class Given:
    """Pictures in memory; those whose index is in `bad` cannot be decoded."""

    def __init__(self, num, bad):
        self.num_examples = num
        self.encoded = tf.constant([BAD if i in bad else GOOD for i in range(num)])

    def read(self, index):
        return self.encoded[index], tf.cast(index, tf.int32)


def in_whole_batches(rows, *others):
    return batches(rows.source, rows, *others)


WAYS = [(decoded, size) for size in (1, 2, 3, 7, 10)]
WAYS += [(in_whole_batches, size) for size in (1, 3, 10)]
PLACES = [(0, 6), (3, 4), (2, 3, 4, 5, 6), tuple(range(7)), (), (0,), (6,), (0, 1, 2, 3), (1, 5)]
"""Which of seven pictures are bad."""


def assert_whole(made, num, bad, first=0):
    """Expects all positions in order, and zeros in place of the bad ones."""
    index, square, label, good = (np.concatenate(parts) for parts in zip(*made, strict=True))
    assert index.tolist() == list(range(first, num))
    assert good.tolist() == [i not in bad for i in range(first, num)]
    assert label.tolist() == [0 if i in bad else i for i in range(first, num)]
    assert (square.any(axis=(1, 2, 3)) == good).all()


@pytest.mark.parametrize("make, batch_examples", WAYS)
@pytest.mark.long
def test_every_position_is_there_once_in_order(make, batch_examples):
    num = 7 * len(PLACES)
    bad = [7 * i + place for i, places in enumerate(PLACES) for place in places]
    rows = Rows(source=Given(num, bad), inputs=INPUTS, decoding=HOW)
    sets = tf.data.Dataset.range(0, num, 7)  # one graph for all: to make it takes seconds
    ds = sets.flat_map(lambda first: make(rows, first, first + 7, batch_examples))
    made = list(ds.as_numpy_iterator())
    whole, rest = divmod(7, batch_examples)
    sizes = [batch_examples] * whole + [rest] * (rest > 0)
    assert [len(index) for index, *_ in made] == sizes * len(PLACES)
    assert_whole(made, num, bad)


@pytest.mark.parametrize("first, batch_examples", [(0, 1), (0, 10), (3, 3), (3, 70)])
def test_so_it_is_where_each_is_needed_once(first, batch_examples):
    num = 7 * len(PLACES)
    bad = [7 * i + place for i, places in enumerate(PLACES) for place in places]
    rows = Rows(source=Given(num, bad), inputs=INPUTS, decoding=HOW)
    made = list(passed_once(rows, first, num, batch_examples))
    assert max(len(index) for index, *_ in made) <= batch_examples
    assert_whole(made, num, bad, first)


def test_nothing_is_made_that_decodes_again_where_all_are_good(monkeypatch):
    monkeypatch.setattr(squares, "decoded", None)
    rows = Rows(source=Given(7, ()), inputs=INPUTS, decoding=HOW)
    assert [len(index) for index, *_ in passed_once(rows, 0, 7, 3)] == [3, 3, 1]


@pytest.mark.parametrize("make, batch_examples", [(decoded, 3), (in_whole_batches, 3)])
@pytest.mark.parametrize(
    "bad", [PLACES[0], *(pytest.param(places, marks=pytest.mark.slow) for places in PLACES[1:])]
)
def test_so_it_is_where_the_graph_is_made_for_one_set(bad, make, batch_examples):
    rows = Rows(source=Given(7, bad), inputs=INPUTS, decoding=HOW)
    assert_whole(list(make(rows, 0, 7, batch_examples).as_numpy_iterator()), 7, bad)


@pytest.mark.long
def test_a_stream_without_end_begins_anywhere_and_misses_nothing():
    rows = Rows(
        source=Given(5, (0, 3)),
        inputs=INPUTS,
        decoding=HOW,
        keys=lambda position: (position, position % 5),
        finish=lambda position, index, square, label, good: (position, index, good),
    )
    ds = in_whole_batches(rows, 13, ENDLESS, 4)
    assert [spec.shape.as_list() for spec in tf.nest.flatten(ds.element_spec)] == [[4], [4], [4]]
    position, index, good = (
        np.concatenate(x) for x in zip(*ds.take(5).as_numpy_iterator(), strict=True)
    )
    assert position.tolist() == list(range(13, 33))
    assert index.tolist() == [i % 5 for i in range(13, 33)]
    assert good.tolist() == [i % 5 not in (0, 3) for i in range(13, 33)]


@pytest.mark.long
def test_padding_follows_the_last_position_even_where_that_one_fails():
    rows = Rows(
        source=Given(5, (4,)),
        inputs=INPUTS,
        decoding=HOW,
        finish=lambda index, square, label, good: (index, good),
    )
    padding = ((tf.constant(-1, tf.int64), tf.constant(False)), 3)
    ds = in_whole_batches(rows, 0, 5, 4, padding)
    index, good = (np.stack(x) for x in zip(*ds, strict=True))
    assert index.tolist() == [[0, 1, 2, 3], [4, -1, -1, -1]]
    assert good.tolist() == [[True] * 4, [False] * 4]


@pytest.mark.parametrize("is_fused", [True, False])
@pytest.mark.long
def test_batches_lose_nothing_between_signs(is_fused, monkeypatch):
    monkeypatch.setattr(squares, "_SIGN_BATCHES", 2)
    options = tf.data.Options()
    options.experimental_optimization.map_and_batch_fusion = is_fused
    bad = (4, 5, 6, 12, 17, 18, 22)
    rows = Rows(source=Given(24, bad), inputs=INPUTS, decoding=HOW)
    ds = in_whole_batches(rows, 0, 24, 3).with_options(options)
    index, _, _, good = (np.concatenate(x) for x in zip(*ds.as_numpy_iterator(), strict=True))
    assert index.tolist() == list(range(24))
    assert good.tolist() == [i not in bad for i in range(24)]


@pytest.mark.parametrize("make", [decoded, in_whole_batches])
def test_no_graph_is_converted_by_autograph(make):
    found = set()

    def finish(*row):
        found.add(tf.__internal__.autograph.control_status_ctx().status.name)
        return row

    rows = Rows(source=Given(3, (1,)), inputs=INPUTS, decoding=HOW, finish=finish)
    make(rows, 0, 3, 2)
    assert found == {"DISABLED"}  # it takes longer than all the tracing, and changes nothing


@pytest.mark.parametrize("last", [ENDLESS, 7])
def test_a_chain_has_its_decoder_twice_however_often_it_may_decode_again(last):
    rows = Rows(source=Given(7, ()), inputs=INPUTS, decoding=HOW)
    made = batches(rows.source, rows, 0, last, 3)
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(made._as_serialized_graph().numpy())
    functions = graph.library.function
    operations = [node.op for function in functions for node in function.node_def]
    assert operations.count("DecodeJpeg") == 2, "for the first time, and for lost batches"
    assert operations.count("DecodePng") == 2, "both in what all chains share"
