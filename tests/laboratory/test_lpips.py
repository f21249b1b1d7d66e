"""LPIPS from the file of torchvision's convolutions: its own numbers for its own pictures."""

import dataclasses
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.laboratory.backward import passage
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.family.names import network
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.training import start
from pipelines.preprocess import preprocess

DATA = os.environ.get("ALEXNET_TF_DATA", "")
pytestmark = pytest.mark.skipif(
    not DATA or not pathlib.Path(DATA, "lpips").is_dir(),
    reason="needs ALEXNET_TF_DATA, with the weights of torchvision's convolutions and lpips/",
)


@pytest.fixture(scope="module")
def features():
    """Makes the function from a picture to the unit-length activations of five layers."""
    config = network("torchvision").with_num_classes(2)
    config = dataclasses.replace(config, input=dataclasses.replace(config.input, size=64))
    weights = f"{DATA}/alexnet-torchvision-conv.npz"
    whole = Config(network=config, run=RunConfig(start_from=weights))
    arrays = start.load(whole, ("a", "b")).arrays
    model = alexnet(config)
    variables = named_weights(model)
    assign({name: variables[name] for name in arrays}, arrays)

    def compute(name):
        picture = tf.io.decode_png(tf.io.read_file(f"{DATA}/lpips/{name}.png"), channels=3)
        x = preprocess(picture[tf.newaxis], config.input)
        found = [passage(model, upto=f"conv{n}")(x).numpy()[0] for n in range(1, 6)]
        return [y / (np.sqrt(np.square(y).sum(axis=2, keepdims=True)) + 1e-10) for y in found]

    return compute


@pytest.mark.parametrize("name, expected", [("ex_p0", 0.722), ("ex_p1", 0.138)])
def test_lpips_gives_its_published_distances(features, name, expected):
    with np.load(f"{DATA}/lpips/lpips-alex-linear-v0.1.npz") as linear:
        weights = [linear[f"lin{n}"] for n in range(5)]
    pairs = zip(features("ex_ref"), features(name), weights, strict=True)
    distance = sum(float((np.square(a - b) @ w).mean()) for a, b, w in pairs)
    assert round(distance, 3) == expected
