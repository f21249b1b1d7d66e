"""A run directory that was never trained, and pictures to show to its network."""

import dataclasses
import io

import keras
import numpy as np
from PIL import Image

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config
from alexnet_tf.networks import named_weights
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.training import checkpoint, state
from pipelines.config import InputConfig

CLASSES = ("ant", "bee", "crow", "dœufs", "eel", "fly", "gnu")
NETWORK = NetworkConfig(
    name="tiny",
    num_classes=len(CLASSES),
    input=InputConfig(size=64, resize=72, mean=(120.0, 110.0, 100.0), scale=1 / 64),
    width=1 / 16,
    fc_width=24,
    init="he",
)


def picture(height=90, width=120, form="JPEG", seed=0, mode="RGB") -> bytes:
    """Encodes a picture of coarse random colors, which JPEG hardly changes."""
    colors = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    image = Image.fromarray(colors).resize((width, height), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    image.convert(mode).save(file, form)
    return file.getvalue()


def write_pictures(folder, count) -> tuple[str, ...]:
    """Writes pictures of seeds from 0 on; returns their paths."""
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(picture(seed=number))
    return tuple(str(folder / f"{number}.jpg") for number in range(count))


def write_checkpoint(run_dir, step=10, best_step=10, seed=0, kept_epoch=0) -> None:
    """Adds a checkpoint with initial weights to a run directory."""
    weights = named_weights.named_weights(alexnet(NETWORK, seed))
    arrays = {name: np.asarray(weight) for name, weight in weights.items()}
    arrays |= {f"{name}/momentum": np.zeros_like(array) for name, array in arrays.items()}
    progress = dataclasses.replace(
        state.Progress(), step=step, best_step=best_step, best_error=0.25
    )
    config = Config(recipe="tiny", network=NETWORK)
    versions = {"alexnet_tf": "0"}
    directory, progress = run_dir / "checkpoints", progress.to_json()
    checkpoint.save(directory, arrays, config, CLASSES, progress, versions, kept_epoch)


def part_of(subject, layer) -> keras.Model:
    """The network of a Subject, from preprocessed windows to the output of a layer."""
    return keras.Model(subject.model.inputs, subject.model.get_layer(layer).output)
