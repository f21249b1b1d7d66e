"""The smallest whole run: a few pictures in a folder and a network of a few thousand weights."""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.networks.named_weights import named_weights
from pipelines.config import DataConfig, InputConfig

CLASSES = ("bright", "dark", "red")


def write_pictures(
    root: pathlib.Path, train: int = 10, val: int = 5, classes: tuple[str, ...] = CLASSES
) -> pathlib.Path:
    """Writes JPEGs of up to three classes that a network can learn; returns `root`."""
    draw = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for name, color in zip(classes, ([220] * 3, [30] * 3, [200, 30, 30]), strict=False):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                shape = (int(draw.integers(70, 90)), int(draw.integers(70, 90)), 3)
                noise = draw.normal(scale=25, size=shape)
                picture = np.clip(noise + color, 0, 255).astype(np.uint8)
                (folder / f"{i}.jpg").write_bytes(tf.io.encode_jpeg(picture).numpy())
    return root


class StopAt(keras.callbacks.Callback):
    """Interrupts a run after a step."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 >= self.step:
            raise KeyboardInterrupt


def config(pictures: pathlib.Path, run_dir: pathlib.Path, cache="disk", **run) -> Config:
    """Configures a run on `pictures`: 30 examples, 8 a step, so epochs end inside batches.

    Squares are kept beside the pictures, where all later runs find them: they take half the time,
    since graphs that decode are large.
    """
    values = {"epochs": 0, "steps": 12, "global_batch_size": 8, "log_every_steps": 3} | run
    return Config(
        recipe="quickstart",
        network=NetworkConfig(
            width=1 / 16,
            fc_width=16,
            input=InputConfig(size=67, resize=72, scale=1 / 64),
            init="he",
            dropout="inverted",
        ),
        data=DataConfig(
            source=f"folder:{pictures}",
            cache=cache,
            cache_dir=str(squares_of(pictures)) if cache == "disk" else "",
        ),
        optimizer=OptimizerConfig(learning_rate=0.02, schedule="constant"),
        run=RunConfig(run_dir=str(run_dir), tensorboard=False, **values),
    )


FLAGS = [
    "--network.width=0.0625",
    "--network.fc_width=16",
    "--network.input.size=67",
    "--network.input.resize=72",
    "--network.init=he",
    "--network.input.scale=0.015625",
    "--global_batch_size=8",
    "--log_every_steps=3",
    "--optimizer.schedule=constant",
]
"""The same for a command line, on top of the quickstart recipe."""


def squares_of(pictures: pathlib.Path) -> pathlib.Path:
    """Names the folder where runs keep the squares of pictures."""
    return pathlib.Path(pictures).with_name("squares")


def with_network(config: Config, **changes) -> Config:
    """Copies a Config with other values under network."""
    return dataclasses.replace(config, network=dataclasses.replace(config.network, **changes))


def metrics(run_dir: pathlib.Path) -> list[dict]:
    """Reads the lines of metrics.jsonl without their time columns."""
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [
        {tag: x for tag, x in json.loads(line).items() if not tag.startswith("time/")}
        for line in lines
    ]


def weights(model) -> dict[str, np.ndarray]:
    """Lists all weights of a model by name."""
    return {name: variable.numpy() for name, variable in named_weights(model).items()}


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray], atol: float = 0.0):
    """Compares weights, bit for bit unless `atol` allows more."""
    assert one.keys() == other.keys()
    for name in one:
        if atol:
            np.testing.assert_allclose(one[name], other[name], atol=atol, rtol=0, err_msg=name)
        else:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
