"""Initial weights: He's gain by the activation that the outputs come to, wherever that stands."""

import dataclasses
import math

import numpy as np
import pytest

from alexnet_tf.networks.alexnet import INIT_VERSION, alexnet
from alexnet_tf.networks.family.names import FAMILY, network
from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.training import versions
from pipelines.config import InputConfig


def gains(name: str, **changes) -> dict[str, float]:
    """Computes the variance of each initial kernel times the inputs of a neuron."""
    changes = {"num_classes": FAMILY[name].num_classes, "init": "he"} | changes
    config = dataclasses.replace(network(name), **changes)
    weights = named_weights(alexnet(config, seed=3))
    kernels = {
        row.name: np.asarray(weights[f"{row.name}/kernel"]) for row in table(config) if row.fan_in
    }
    fan_ins = {row.name: row.fan_in for row in table(config)}
    return {name: float(kernel.var()) * fan_ins[name] for name, kernel in kernels.items()}


SMALLER = {"width": 0.25, "fc_width": 256, "input": InputConfig(size=96, resize=104)}
LARGER = SMALLER | {"input": InputConfig(size=224)}


@pytest.mark.parametrize(
    "name, changes",
    [
        ("paper", SMALLER),
        ("run2012", SMALLER),  # conv1 norm1 pool1 relu1, conv5 pool5 relu5
        ("owt2014", SMALLER),  # dropout in front of fc6 and fc7
        ("batchnorm", SMALLER),  # every activation behind its normalization
        ("run2012", LARGER | {"normalization": "batch", "head": "pyramid", "groups": 1}),
        ("cifar_18pct", {"width": 2.0}),
    ],
)
def test_he_doubles_the_variance_in_front_of_every_relu(name, changes):
    found = gains(name, **changes)
    *hidden, last = found
    assert {layer: round(found[layer], 1) for layer in hidden} == dict.fromkeys(hidden, 2.0)
    assert found[last] == pytest.approx(1.0, rel=0.1)


def test_he_keeps_the_variance_in_front_of_other_activations():
    found = gains("run2012", activation="tanh", **SMALLER)
    assert {layer: round(gain, 1) for layer, gain in found.items()} == dict.fromkeys(found, 1.0)


def test_a_layer_without_an_activation_before_the_next_one_keeps_the_variance():
    config = dataclasses.replace(network("run2012"), num_classes=10, without=("relu1",))
    rows = {row.name: row.activation for row in table(config)}
    assert (rows["conv1"], rows["conv2"], rows["pool5"]) == ("linear", "relu", "relu")


def test_other_initial_weights_are_no_remark_on_a_run_that_has_its_own():
    now = versions.versions(["CPU:0"])
    assert now["init_version"] == INIT_VERSION == 2
    assert versions.check_versions(now | {"init_version": 1}, now) is None


def test_the_scale_of_the_logits_is_that_of_the_network_with_its_own_relus():
    """He's rule is there to keep it, so it should not depend on where a ReLU stands."""
    spreads = {}
    for name in ("no_lrn", "paper"):
        changes = {"num_classes": 10, "init": "he", "normalization": "none", "dropout": "none"}
        config = dataclasses.replace(network(name), **changes, **SMALLER)
        images = np.random.default_rng(0).normal(size=(16, 96, 96, 3)).astype(np.float32)
        spreads[name] = float(np.std(alexnet(config)(images)))
    assert math.isclose(spreads["no_lrn"], spreads["paper"], rel_tol=1e-3)
