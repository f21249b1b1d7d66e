"""An evaluation that loses a picture goes on where it was, on however many devices."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny_run import picture

from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.training import evaluation
from alexnet_tf.training.evaluation import Evaluator
from alexnet_tf.training.strategy import make_strategy
from pipelines import squares
from pipelines.config import OnError

NUM, CLASSES, BATCH = 22, ("a", "b"), 4
GOOD, BAD = picture(80, 90), b"no picture"


class Given:
    """Pictures in memory; those whose index is in `bad` cannot be decoded."""

    num_examples, classes, digest, remark = NUM, CLASSES, "", ""

    def __init__(self, bad):
        self.bad = bad
        self.encoded = tf.constant([BAD if i in bad else GOOD for i in range(NUM)])

    def read(self, index):
        return self.encoded[index], tf.cast(index % 2, tf.int32)

    def name(self, index):
        return f"{index}.png"


@pytest.fixture(scope="module", params=[("single", ("cpu:0",)), ("mirrored", ("cpu:0", "cpu:1"))])
def setup(request, tmp_path_factory):
    """Settings, strategy and network."""
    name, devices = request.param
    config = tiny.config(tmp_path_factory.mktemp("none"), "")
    network = dataclasses.replace(config.network, num_classes=len(CLASSES))
    run = RunConfig(strategy=name, devices=devices, global_batch_size=BATCH)
    data = dataclasses.replace(config.data, on_error=OnError.SKIP)
    config = Config(network=network, data=data, run=run)
    strategy = make_strategy(config.run)
    with strategy.scope():
        return config, strategy, alexnet(config.network)


@pytest.mark.parametrize(
    "bad",
    [(7, 8, 21), *(pytest.param(x, marks=pytest.mark.slow) for x in ((0,), (21,), range(1, 22)))],
)
def test_what_comes_after_a_bad_picture_is_seen_once(setup, monkeypatch, bad):
    config, strategy, model = setup
    lost = []
    monkeypatch.setattr(evaluation, "report", lambda found, *_: lost.extend(found.tolist()))
    evaluator = Evaluator(model, Given(bad), config, strategy)
    for _ in range(2):  # an evaluator serves a whole run
        result = evaluator()
        assert lost == list(bad)
        assert (result["seen"], result["skipped"]) == (NUM - len(bad), len(bad))
        good = np.setdiff1d(np.arange(NUM), bad)
        counts = np.bincount(good % 2, minlength=2).tolist()
        assert evaluator.confusion.sum(axis=1).tolist() == counts
        lost.clear()


def test_the_graph_that_decodes_again_is_not_made_for_nothing(setup, monkeypatch):
    config, strategy, model = setup
    monkeypatch.setattr(squares, "decoded", None)
    assert Evaluator(model, Given(()), config, strategy)()["seen"] == NUM
