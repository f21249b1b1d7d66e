"""The chains: what reaches the device, in which order, and that nothing is lost or seen twice."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from pipelines import preprocess
from pipelines.cache import in_memory
from pipelines.config import DataConfig, InputConfig, Views
from pipelines.dataset import PADDING, Batch, dataset_mean, eval_dataset, train_dataset
from pipelines.order import order
from pipelines.sources.folder import folder

ROOT = pathlib.Path(__file__).parents[2]
INPUTS = InputConfig(size=24, resize=32)
DATA = DataConfig()
NUM_EXAMPLES = 22
BAD, GONE = 3, 15
TRAIN = {"seed": 5, "first_position": 0, "rows_per_replica": 4}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """22 pictures of two classes: one is not a picture, one disappears."""
    root = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for i in range(NUM_EXAMPLES):
        path = root / "train" / f"class{i // 11}" / f"{i:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = draw.integers(0, 256, (draw.integers(20, 60), draw.integers(20, 60), 3), np.uint8)
        path.write_bytes(b"no picture" if i == BAD else tf.io.encode_jpeg(image).numpy())
    source = folder(str(root / "train"), "train", 1e-9)
    os.remove(source.name(GONE))
    return source


@pytest.fixture(scope="module")
def memory(source):
    return in_memory(source, INPUTS)


def take(ds, num_batches=None) -> list[Batch]:
    ds = ds if num_batches is None else ds.take(num_batches)
    return list(ds.as_numpy_iterator())


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        for name in Batch._fields:
            np.testing.assert_array_equal(getattr(batch, name), getattr(other, name), name)


def rows(batches) -> Batch:
    return Batch(*map(np.concatenate, zip(*batches, strict=True)))


@pytest.fixture(scope="module")
def chain(source):
    return train_dataset(source, DATA, INPUTS, **TRAIN)


@pytest.fixture(scope="module")
def trained(chain):
    """17 batches of 4 to train on, three epochs and two rows."""
    return take(chain, 17)


@pytest.fixture(scope="module")
def evaluated(source):
    """Six batches of 4, two rows of them padding."""
    return take(eval_dataset(source, INPUTS, 4))


@pytest.mark.long
def test_training_goes_on_in_order_over_the_ends_of_epochs(trained):
    batch = rows(trained)
    positions = tf.data.Dataset.range(17 * 4).map(order(NUM_EXAMPLES, 5))
    np.testing.assert_array_equal(batch.index, [int(example) for _, example in positions])
    good = ~np.isin(batch.index, [BAD, GONE])
    np.testing.assert_array_equal(batch.mask, good)
    np.testing.assert_array_equal(batch.label, np.where(good, batch.index // 11, 0))


def test_a_bad_example_keeps_its_place_as_zeros(trained):
    batch = rows(trained[:6])
    np.testing.assert_array_equal(batch.image.any(axis=(1, 2, 3)), batch.mask)
    assert (~batch.mask).sum() == 2


def test_batches_are_static_uint8_windows(chain):
    spec = chain.element_spec
    assert spec.image == tf.TensorSpec([4, 24, 24, 3], tf.uint8)
    assert spec.shift == tf.TensorSpec([4, 3], tf.float32)
    assert spec.label == tf.TensorSpec([4], tf.int32)
    assert spec.mask == tf.TensorSpec([4], tf.bool)
    assert spec.index == tf.TensorSpec([4], tf.int64)


@pytest.mark.long
def test_a_run_resumes_anywhere_with_the_same_batches(source, trained):
    later = take(train_dataset(source, DATA, INPUTS, **TRAIN | {"first_position": 28}), 5)
    assert_same(trained[7:12], later)


@pytest.mark.slow
def test_replicas_share_the_rows_of_one_device(source, trained):
    halves = take(train_dataset(source, DATA, INPUTS, **TRAIN | {"rows_per_replica": 2}), 12)
    assert_same([rows(trained[:6])], [rows(halves)])


@pytest.mark.long
def test_squares_in_memory_give_the_same_bits(source, memory, chain, trained, evaluated):
    from_memory = train_dataset(memory, DATA, INPUTS, **TRAIN)
    assert from_memory.element_spec == chain.element_spec
    assert_same(trained[:12], take(from_memory, 12))
    assert (memory.num_examples, memory.digest) == (source.num_examples, source.digest)
    assert (memory.classes, memory.name(2)) == (source.classes, source.name(2))
    assert (memory.class_counts, memory.num_pictures) == ((11, 11), NUM_EXAMPLES)
    assert memory.remark == source.remark
    assert_same(evaluated, take(eval_dataset(memory, INPUTS, 4)))


def test_squares_in_memory_are_for_one_size(memory):
    inputs = InputConfig(size=24, resize=40)
    with pytest.raises(ValueError, match="squares in memory have resize=32; expected resize=40"):
        train_dataset(memory, DATA, inputs, **TRAIN)


def test_squares_that_do_not_fit_are_refused_before_the_first_is_decoded(source, monkeypatch):
    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    with pytest.raises(ValueError, match="data.cache=memory needs .* or use --data.cache=none"):
        in_memory(source, INPUTS)


@pytest.mark.long
def test_without_augmentation_training_sees_what_evaluation_sees(source, evaluated):
    plain = DataConfig(random_crop=False, mirror=False, color_noise=0)
    seen = rows(take(train_dataset(source, plain, INPUTS, 5, 0, NUM_EXAMPLES), 1))
    np.testing.assert_array_equal(seen.image, rows(evaluated).image[seen.index])
    assert not seen.shift.any()


@pytest.mark.long
def test_each_augmentation_is_drawn_anew_for_each_epoch(trained):
    batch = rows(trained)
    first, second = (np.flatnonzero(batch.index == 0)[i] for i in range(2))
    assert (batch.image[first] != batch.image[second]).any()
    assert (batch.shift[first] != batch.shift[second]).all()


@pytest.mark.parametrize(
    "rows_per_replica, replicas, padded", [(4, 1, 24), (5, 2, 30), (22, 1, 22)]
)
@pytest.mark.long
def test_evaluation_sees_every_example_once(source, rows_per_replica, replicas, padded):
    batches = take(eval_dataset(source, INPUTS, rows_per_replica, replicas))
    assert len(batches) % replicas == 0
    batch = rows(batches)
    expected = [*range(NUM_EXAMPLES), *[PADDING] * (padded - NUM_EXAMPLES)]
    assert batch.index.tolist() == expected
    assert batch.mask.tolist() == [i not in (BAD, GONE, PADDING) for i in expected]


@pytest.mark.long
def test_ten_views_get_the_whole_square(source, evaluated):
    squares = rows(take(eval_dataset(source, INPUTS, 11, views=Views.TEN))).image
    windows = rows(evaluated).image[:NUM_EXAMPLES]
    assert squares.shape == (NUM_EXAMPLES, 32, 32, 3)
    np.testing.assert_array_equal(preprocess.ten_views(squares, 24)[4::10], windows)


@pytest.mark.long
def test_the_mean_is_exact_and_leaves_out_what_fails(source, memory):
    squares = memory.images.numpy()[memory.good.numpy()]
    assert len(squares) == NUM_EXAMPLES - 2
    expected = tuple(squares.mean(axis=(0, 1, 2), dtype=np.float64))
    np.testing.assert_allclose(dataset_mean(source, INPUTS), expected, rtol=1e-12)
    assert dataset_mean(source, INPUTS) == dataset_mean(memory, INPUTS)


def test_a_mean_needs_a_picture(source):
    only = source.files.where(np.arange(len(source.files)) == BAD)
    lost = dataclasses.replace(source, files=only, labels=np.zeros(1, np.int32))
    with pytest.raises(
        ValueError, match="data.source: none of the 1 training pictures can be decoded"
    ):
        dataset_mean(lost, INPUTS)


DETERMINISM = """
import tensorflow as tf
from pipelines.config import DataConfig, InputConfig
from pipelines.dataset import train_dataset
from pipelines.sources.folder import folder
tf.config.experimental.enable_op_determinism()
source = folder({root!r}, "train", 1e-9)
next(iter(train_dataset(source, DataConfig(), InputConfig(size=24, resize=32), 5, 0, 4)))
"""


@pytest.mark.slow
def test_op_determinism_leaves_decoding_parallel(source):
    environment = {**os.environ, "TF_CPP_VMODULE": "make_deterministic=2"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "0", "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-c", DETERMINISM.format(root=source.root)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    assert "ewrit" not in done.stderr  # TF 2.21 says "Rewriting node ParallelMap..." otherwise
