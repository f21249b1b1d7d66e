"""What a layer gives for each picture of a set, batch by batch."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import activated
from alexnet_tf.training import checkpoint
from alexnet_tf.training.evaluation import network_of, nothing_decoded, report
from pipelines.dataset import eval_batches
from pipelines.preprocess import preprocess
from pipelines.source import Source

POOLS = {"mean": tf.reduce_mean, "max": tf.reduce_max}
"""What may become of the places of a map; none keeps them."""


class Activations(NamedTuple):
    """Those of a batch, without the pictures that could not be decoded."""

    index: np.ndarray
    """int64 [N]; numbers in the source, in rising order."""
    label: np.ndarray
    """int32 [N]."""
    values: np.ndarray
    """float32 [N, ...]."""


class Extractor:
    """Computes what one layer gives, in the precision and on the device of `config.run`.

    Args:
      stored: a checkpoint.
      config: its settings, with those of the call.
      layer: the layer's name, such as fc7; its activation function is part of it, also where that
        is a row of its own (`row`).
      pool: what becomes of the places of a map: mean, max or none.

    Attributes:
      row: the row that gives the layer's activations, such as relu7.
      shape: of one picture's activations.

    Raises:
      UserError: there is no such layer, or none with places to pool.
      RunFailed: the checkpoint is damaged.
    """

    def __init__(
        self, stored: checkpoint.Checkpoint, config: Config, layer: str, pool: str = "none"
    ):
        """Builds the network up to the layer."""
        run = self._config = config
        weights = stored.weights()
        strategy, model = network_of(run)
        assign(named_weights(model), weights)
        names = [x.name for x in model.layers[1:]]
        if layer not in names:
            raise UserError(expected_one_of("layer", layer, names))
        rows = table(run.network)
        is_row = layer in [row.name for row in rows]
        self.row = activated(rows, layer).name if is_row else layer
        output = model.get_layer(self.row).output
        if pool in POOLS and len(output.shape) != 4:
            raise UserError(
                f"pool={pool}: expected none, since {layer} gives a vector of {output.shape[-1]} "
                "numbers, without places. Leave --pool out, or name a layer before the fully "
                "connected ones."
            )
        part = keras.Model(model.inputs, output)
        self.shape = tuple(output.shape[1:] if pool not in POOLS else output.shape[-1:])

        @tf.function(autograph=False)
        def values(images):
            found = tf.cast(part(preprocess(images, run.network.input), training=False), tf.float32)
            return POOLS[pool](found, axis=[1, 2]) if pool in POOLS else found

        self._values = lambda images: strategy.run(values, (images,))

    def __call__(self, source: Source) -> Iterator[Activations]:
        """Yields the activations of every picture of a source, batch by batch.

        Raises:
          UserError: a picture cannot be decoded and `data.on_error` is fail; or none can be.
          RunFailed: a picture could not be read.
        """
        count = 0
        for index, label, values in of_every_picture(self._values, source, self._config):
            count += len(index)
            yield Activations(index, label, values)
        if not count:
            raise nothing_decoded(source, self._config.data.source)


def of_every_picture(
    function: Callable[[tf.Tensor], Any], source: Source, config: Config
) -> Iterator[tuple[np.ndarray, np.ndarray, Any]]:
    """Yields what a function makes of every picture of a source, batch by batch.

    Args:
      function: takes uint8 windows [N, h, w, 3]; gives tensors [N, ...], one or a structure.
      source: the pictures, without those that cannot be decoded.
      config: `run.global_batch_size` pictures are one batch.

    Yields:
      index and label as in Activations, and the structure with arrays in the tensors' places.

    Raises:
      UserError: a picture cannot be decoded and `data.on_error` is fail.
      RunFailed: a picture could not be read.
    """
    data, inputs = config.data, config.network.input
    rows = min(config.run.global_batch_size, max(1, source.num_examples))
    for batch in eval_batches(source, inputs, rows, data.max_pixels):
        values = function(batch.image)
        index, mask = batch.index.numpy(), batch.mask.numpy()
        report(index[~mask & (index >= 0)], source, data)
        arrays = tf.nest.map_structure(lambda x, mask=mask: x.numpy()[mask], values)
        yield index[mask], batch.label.numpy()[mask], arrays
