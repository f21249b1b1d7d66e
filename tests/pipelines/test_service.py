"""Batches made by a tf.data service: a dispatcher and two workers in this process."""

import collections
import contextlib
import itertools
import json
import socket

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.benchmarking.sources import Noise
from alexnet_tf.training.state import Progress
from pipelines.config import DataConfig, InputConfig
from pipelines.dataset import DrawVersions, train_dataset
from pipelines.order import order
from pipelines.service import CHUNK_EXAMPLES, check, repeated_examples

INPUTS = InputConfig(size=24, resize=32)
NUM = 150
_running = []
"""Servers stay until the process ends: to stop them takes twenty seconds."""


@pytest.fixture(scope="module")
def service():
    """The address of a service with two workers."""
    kind = tf.data.experimental.service
    dispatcher = kind.DispatchServer(kind.DispatcherConfig(port=0))
    address = dispatcher.target.partition("://")[2]
    servers = [kind.WorkerServer(kind.WorkerConfig(dispatcher_address=address)) for _ in range(2)]
    _running.extend([dispatcher, *servers])
    return dispatcher.target


def source():
    """Some pictures, a number that no chunk and no batch divides."""
    return Noise(NUM)


def rows_of(data: DataConfig, first: int, num_batches: int, rows: int = 10) -> dict:
    """Index to a list of what came with it: window, shift, label."""
    found = collections.defaultdict(list)
    for batch in train_dataset(source(), data, INPUTS, 3, first, rows).take(num_batches):
        assert batch.image.shape == (rows, 24, 24, 3)
        assert np.all(batch.mask)
        for place, index in enumerate(batch.index.numpy().tolist()):
            found[index].append(
                (batch.image[place].numpy().tobytes(), batch.shift[place].numpy().tobytes())
            )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
def test_chunks_are_cut_from_the_order_that_the_run_began_with(service, version):
    data, versions = DataConfig(service=service), DrawVersions(version, 2)
    ds = train_dataset(source(), data, INPUTS, 3, 0, 10, versions)
    served = [int(index) for batch in ds.take(NUM // 10) for index in batch.index]
    epoch = order(NUM, 3, version=version)(tf.range(NUM, dtype=tf.int64))[1].numpy().tolist()
    chunks = [epoch[first : first + CHUNK_EXAMPLES] for first in range(0, NUM, CHUNK_EXAMPLES)]
    orders = itertools.permutations(chunks)
    assert served in [list(itertools.chain(*chunks)) for chunks in orders]


@pytest.mark.slow
def test_each_example_comes_once_an_epoch_with_the_windows_it_has_without_a_service(service):
    served = rows_of(DataConfig(service=service), 0, 30, 11)  # two epochs and more
    ours = rows_of(DataConfig(), 0, 30, 11)
    assert {index: served[index][:2] for index in range(NUM)} == {
        index: ours[index][:2] for index in range(NUM)
    }


@pytest.mark.slow
def test_an_interrupted_epoch_starts_anew(service):
    whole = rows_of(DataConfig(), 2 * NUM, 15)
    served = rows_of(DataConfig(service=service), 2 * NUM + 30, 15)
    assert {index: served[index][:1] for index in range(NUM)} == {
        index: whole[index][:1] for index in range(NUM)
    }
    assert repeated_examples(2 * NUM + 30, NUM) == 30


def test_every_stop_begins_the_epoch_of_the_stream_anew():
    progress = Progress()
    assert progress.begin_epoch_anew(0, 100) == 0
    assert progress.begin_epoch_anew(50, 100) == 0  # 50 of the first epoch come again
    assert progress.served_position(120) == 70  # of the first epoch still
    assert progress.begin_epoch_anew(120, 100) == 0
    assert progress.served_position(330) == 210
    again = Progress.from_json(json.loads(json.dumps(progress.to_json())))
    assert again.begin_epoch_anew(330, 100) == 200 == again.served_position(330)


def test_a_service_that_does_not_answer_is_refused():
    with contextlib.closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"grpc://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"data.service='{place}': nothing answers there"):
            check(place)


@pytest.mark.parametrize(
    "service", ["here", "grpc://here", "http://a:1", "grpc://a:b", "grpc://:1"]
)
def test_an_address_of_another_form_is_refused(service):
    with pytest.raises(ValueError, match=f"data.service={service}: expected grpc://HOST:PORT"):
        DataConfig(service=service)


def test_copies_that_only_this_machine_has_are_refused_beside_a_service():
    with pytest.raises(ValueError, match="grpc://a:1, data.stage='/d': expected one of the two, s"):
        DataConfig(service="grpc://a:1", source="records:/set", stage="/d")


def test_a_cache_beside_a_service_is_refused():
    with pytest.raises(ValueError, match=r"data.cache=memory: expected one of the two.*cache=none"):
        DataConfig(service="grpc://a:1", cache="memory")
