"""What several layers make of a set of pictures, in one pass, kept in files without a name."""

import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import Config
from alexnet_tf.errors import writing
from alexnet_tf.experiments.places import few_places
from alexnet_tf.laboratory.activations import of_every_picture
from alexnet_tf.networks.named_weights import assign_some, named_weights
from alexnet_tf.training.evaluation import network_of
from pipelines.preprocess import preprocess
from pipelines.progress import Progress
from pipelines.source import Source

MOST_PLACES = 6
"""Windows a side that maps are brought to; pool5 of the paper's network has so many places."""


@dataclasses.dataclass(frozen=True)
class Features:
    """The pictures of a set that could be decoded, in the order of the source."""

    index: np.ndarray
    """int64 [N], numbers in the source."""
    of_layer: Mapping[str, np.ndarray]
    """float32 [N, D] of each layer, on the disk; they vanish with this object or this process."""


def computed(
    config: Config,
    arrays: Mapping[str, np.ndarray],
    layers: Sequence[str],
    source: Source,
    directory: pathlib.Path,
) -> Features:
    """Shows every picture to a network once.

    Args:
      config: its network, with the precision and the device to compute with.
      arrays: weights of the layers named and of all below, by our names.
      layers: names of layers.
      source: the pictures.
      directory: where the disk has room for the features.

    Raises:
      UserError: a picture cannot be decoded and `data.on_error` is fail.
      RunFailed: a picture could not be read, or the disk is full.
    """
    strategy, model = network_of(config)
    assign_some(named_weights(model), arrays)
    part = keras.Model(model.inputs, {layer: model.get_layer(layer).output for layer in layers})

    @tf.function(autograph=False)
    def values(images):
        found = part(preprocess(images, config.network.input), training=False)
        few = {layer: few_places(tf.cast(x, tf.float32), MOST_PLACES) for layer, x in found.items()}
        return {layer: tf.reshape(x, [x.shape[0], -1]) for layer, x in few.items()}

    count, indices, progress = 0, [], Progress("computed")
    kept: dict[str, np.memmap] = {}
    passed = of_every_picture(lambda x: strategy.run(values, (x,)), source, config)
    for index, _, found in passed:
        for layer, x in found.items():
            if layer not in kept:
                kept[layer] = _rows(directory, (source.num_examples, x.shape[1]))
            kept[layer][count : count + len(x)] = x
        count += len(index)
        indices.append(index)
        progress(count, source.num_examples)
    return Features(np.concatenate(indices), {layer: x[:count] for layer, x in kept.items()})


def _rows(directory: pathlib.Path, shape: tuple[int, int]) -> np.memmap:
    """Makes an array on the disk, in a file without a name, its room taken at once."""
    num_bytes = max(1, 4 * shape[0] * shape[1])
    with writing(directory), tempfile.TemporaryFile(dir=directory) as file:
        os.posix_fallocate(file.fileno(), 0, num_bytes)  # a full disk would kill us later
        return np.memmap(file, np.float32, "r+", shape=shape)
