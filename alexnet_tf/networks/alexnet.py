"""One function from a table of layers to the Keras model that computes it.

For `paper` this is the paper's figure 2:

    image [N, 224, 224, 3]
    conv1 norm1 [N, 55, 55, 96]   pool1 [N, 27, 27, 96]
    conv2 norm2 [N, 27, 27, 256]  pool2 [N, 13, 13, 256]
    conv3 conv4 [N, 13, 13, 384]
    conv5 [N, 13, 13, 256]        pool5 [N, 6, 6, 256]
    fc6 fc7 [N, 4096]             fc8 [N, K]
"""

import dataclasses
import math

import keras

from alexnet_tf.network_config import Init, NetworkConfig
from alexnet_tf.networks import family, layers
from alexnet_tf.networks.dropout import Dropout
from alexnet_tf.networks.initial import NamedNormal
from alexnet_tf.networks.table import Row, table

INIT_VERSION = 1
"""Stored in checkpoints; rises when the same seed gives other weights."""

TEXT_STD = 0.01
"""Of every initial weight (paper, section 5)."""


def build(config: NetworkConfig | str = "paper", num_classes: int = 1000) -> keras.Model:
    """Builds a network as a plain Keras model, ready for summary, compile, fit and predict.

    Args:
      config: a network of the family by its name, or a NetworkConfig.
      num_classes: K, where the config does not fix it.

    Returns:
      a functional model from float32 [N, H, W, 3] (see `alexnet_tf.preprocess`) to logits float32
      [N, K]; train it with `SparseCategoricalCrossentropy(from_logits=True)`.

    Raises:
      ValueError: the config cannot be built; the sentence says why.
    """
    if isinstance(config, str):
        config = family.network(config)
    if not config.num_classes:
        config = dataclasses.replace(config, num_classes=num_classes)
    return alexnet(config)


def alexnet(config: NetworkConfig, seed: int = 0, precision: str = "float32") -> keras.Model:
    """The functional model of a network.

    Args:
      config: what to build; `num_classes` is known.
      seed: decides the initial weights, with the name of each layer; 0 to 2**32 - 1.
      precision: dtype of the arithmetic: float32, bfloat16 or float16. Weights and logits are
        float32 in any case.
    """
    policy = precision if precision == "float32" else f"mixed_{precision}"
    size = config.input.size
    image = x = keras.Input((size, size, 3), dtype="float32", name="image")
    for row in table(config):
        is_last = row.name == config.layers[-1].name
        x = _BUILDERS[row.layer.kind](x, row, config, seed, "float32" if is_last else policy)
    return keras.Model(image, x, name=config.name)


def _conv(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    """Convolution, bias and ReLU."""
    return layers.Convolution(
        row.kernel_shape[-1],
        row.layer.kernel,
        stride=row.layer.stride,
        padding=(row.layer.pad, row.layer.pad),
        groups=row.groups,
        activation="relu" if row.layer.relu else None,
        **_initializers(row, config, seed),
        dtype=policy,
        name=row.name,
    )(x)


def _lrn(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    """Local response normalisation, inside each tower unless the config says across."""
    layer = row.layer
    return layers.LocalResponseNorm(
        layer.radius,
        layer.bias,
        layer.alpha,
        layer.beta,
        groups=row.groups,
        dtype=policy,
        name=row.name,
    )(x)


def _pool(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    """Overlapping maximum."""
    return layers.MaxPool(
        row.layer.size,
        row.layer.stride,
        dtype=policy,
        name=row.name,
    )(x)


def _dense(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    """Fully connected layer, with ReLU and dropout where the table has them."""
    if len(row.input_shape) > 1:
        flat = keras.layers.Reshape((math.prod(row.input_shape),), dtype=policy, name="flatten")
        x = flat(x)
    x = keras.layers.Dense(
        row.kernel_shape[-1],
        activation="relu" if row.layer.relu else None,
        **_initializers(row, config, seed),
        dtype=policy,
        name=row.name,
    )(x)
    if row.layer.dropout and config.dropout != "none":
        x = Dropout(
            config.dropout_rate, mode=str(config.dropout), dtype=policy, name=f"drop{row.name[2:]}"
        )(x)
    return x


_BUILDERS = {"conv": _conv, "lrn": _lrn, "pool": _pool, "dense": _dense}


def _initializers(row: Row, config: NetworkConfig, seed: int) -> dict:
    """The initial kernel and bias of a layer, by `network.init` (paper, section 5; spec 1.6)."""
    std = {
        Init.TEXT: TEXT_STD,
        Init.PROGRAM: row.layer.std,
        Init.HE: math.sqrt((2 if row.layer.relu else 1) / row.fan_in),
    }[config.init]
    bias = 0.0 if config.init == Init.HE else row.layer.bias
    return {
        "kernel_initializer": NamedNormal(std, seed=seed, layer_name=row.name),
        "bias_initializer": keras.initializers.Constant(bias),
    }
