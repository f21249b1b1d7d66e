"""One function from a table of layers to the Keras model that computes it.

For `paper` this is the paper's figure 2:

    image [N, 224, 224, 3]
    conv1 norm1 [N, 55, 55, 96]   pool1 [N, 27, 27, 96]
    conv2 norm2 [N, 27, 27, 256]  pool2 [N, 13, 13, 256]
    conv3 conv4 [N, 13, 13, 384]
    conv5 [N, 13, 13, 256]        pool5 [N, 6, 6, 256]
    fc6 fc7 [N, 4096]             fc8 [N, K]
"""

import functools
import math
import zlib

import keras

from alexnet_tf.config.layer_rows import Activation, Pyramid
from alexnet_tf.config.network import Init, NetworkConfig
from alexnet_tf.errors import expected_one_of
from alexnet_tf.networks.layers import (
    batch_norm,
    convolution,
    dense,
    lenet,
    locally_connected,
    pooling,
    response_norm,
    spatial_norm,
    spatial_pyramid,
)
from alexnet_tf.networks.layers.dropout import Dropout
from alexnet_tf.networks.layers.initializers import NamedNormal, NamedUniform
from alexnet_tf.networks.model import Network
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row

INIT_VERSION = 2
"""Stored in checkpoints; rises when the same seed gives other weights (2: `init=he` where the ReLU
stands apart). A run that goes on has its weights already."""

DTYPES = ("float32", "bfloat16", "float16")
"""Of the arithmetic."""

TEXT_STD = 0.01
"""Of every initial weight (paper, section 5)."""


def alexnet(
    config: NetworkConfig, seed: int = 0, precision: str = "float32", any_size: bool = False
) -> Network:
    """Builds the functional model of a network: float32 [N, H, W, C] -> logits float32 [N, K].

    Args:
      config: what to build; `num_classes` is known.
      seed: 0 to 2**32 - 1; with each layer's name it decides the initial weights, and dropout
        outside `drop_position`.
      precision: dtype of the arithmetic: float32, bfloat16 or float16. Weights and logits are
        float32 in any case.
      any_size: take pictures [N, None, None, C]; for networks with `head=pyramid`, whose weights
        fit every size at which each part of the pyramid has a pixel.

    Raises:
      ValueError: the config cannot be built, or fits one size alone.
    """
    if precision not in DTYPES:
        raise ValueError(expected_one_of("precision", precision, DTYPES))
    policy = policy_of(precision)
    rows = table(config)
    if any_size and not any(isinstance(row.layer, Pyramid) for row in rows):
        raise ValueError(
            f"any_size=True with network.head={config.head}: expected head=pyramid, since the "
            "weights fit one size otherwise."
        )
    size = None if any_size else config.input.size
    image = x = keras.Input((size, size, config.input.num_channels), dtype="float32", name="image")
    for row in rows:
        is_last = row is rows[-1]
        x = BUILDERS[row.layer.kind](x, row, config, seed, "float32" if is_last else policy)
    model = Network(image, x, name=config.name)
    model.network, model.dtype_policy = config, policy
    return model


def policy_of(precision: str) -> str:
    """Names Keras' policy for arithmetic in one of DTYPES with float32 weights."""
    return precision if precision == "float32" else f"mixed_{precision}"


def one_layer(row: Row, config: NetworkConfig) -> keras.Model:
    """Builds one layer of a network as a model, from its input [N, ...] to its output, float32."""
    x = keras.Input(row.input_shape, dtype="float32")
    return keras.Model(x, BUILDERS[row.layer.kind](x, row, config, 0, "float32"))


def _convolution(
    make: type[convolution.BaseConvolution],
    x,
    row: Row,
    config: NetworkConfig,
    seed: int,
    policy: str,
):
    """Adds a convolution of class `make`, with bias and activation."""
    layer = row.layer
    sizes = {
        "filters": row.output_shape[-1],
        "kernel_size": layer.kernel,
        "stride": layer.stride,
        "padding": (layer.pad, layer.pad),
        "groups": row.groups,
        "connections": getattr(layer, "connections", ()),
    }
    return make(
        **{name: sizes[name] for name in make.SIZES},
        use_bias=layer.bias is not None,
        activation=_activation(row),
        **_initializers(row, config, seed),
        dtype=policy,
        name=row.name,
    )(x)


def _lrn(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    """Adds local response normalization, inside each tower unless the config says across."""
    layer = row.layer
    return response_norm.LocalResponseNorm(
        layer.radius,
        layer.bias,
        layer.alpha,
        layer.beta,
        groups=row.groups,
        dtype=policy,
        name=row.name,
    )(x)


def _spatial_norm(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    layer = row.layer
    return spatial_norm.SpatialResponseNorm(
        layer.size, layer.bias, layer.alpha, layer.beta, dtype=policy, name=row.name
    )(x)


def _batch_norm(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    layer = row.layer
    return batch_norm.BatchNorm(layer.momentum, layer.epsilon, dtype=policy, name=row.name)(x)


def _pool(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    layer = row.layer
    return pooling.Pooling(
        layer.size, layer.stride, layer.is_mean, layer.round_up, dtype=policy, name=row.name
    )(x)


def _subsample(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    return lenet.Subsampling(_activation(row), dtype=policy, name=row.name)(x)


def _pyramid(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    return spatial_pyramid.SpatialPyramid(row.layer.levels, dtype=policy, name=row.name)(x)


def _activate(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    return keras.layers.Activation(_activation(row), dtype=policy, name=row.name)(x)


def _drop(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    return Dropout(
        config.dropout_rate,
        mode=str(config.dropout),
        seed=zlib.crc32(f"{row.name}/{seed}".encode()),
        dtype=policy,
        name=row.name,
    )(x)


def _dense(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    return dense.Dense(
        row.kernel_shape[-1],
        use_bias=row.layer.bias is not None,
        activation=_activation(row),
        **_initializers(row, config, seed),
        dtype=policy,
        name=row.name,
    )(_flat(x, row, policy))


def _rbf(x, row: Row, config: NetworkConfig, seed: int, policy: str):
    return lenet.DigitDistance(dtype=policy, name=row.name)(x)


BUILDERS = {
    "conv": functools.partial(_convolution, convolution.Convolution),
    "local": functools.partial(_convolution, locally_connected.LocallyConnected),
    "sparse": functools.partial(_convolution, lenet.SparseConvolution),
    "lrn": _lrn,
    "spatial_norm": _spatial_norm,
    "batch_norm": _batch_norm,
    "pool": _pool,
    "subsample": _subsample,
    "pyramid": _pyramid,
    "activate": _activate,
    "drop": _drop,
    "dense": _dense,
    "rbf": _rbf,
}
"""The function that builds each kind of row, on top of a tensor."""


def _flat(x, row: Row, policy: str):
    """Flattens a picture to a vector, in H, W, C order."""
    if len(row.input_shape) == 1:
        return x
    shape = (math.prod(row.input_shape),)
    return keras.layers.Reshape(shape, dtype=policy, name="flatten")(x)


def _activation(row: Row):
    """Returns what Keras takes as the activation: a name or a function."""
    activation = row.layer.activation
    return lenet.scaled_tanh if activation == Activation.SCALED_TANH else str(activation)


def _initializers(row: Row, config: NetworkConfig, seed: int) -> dict:
    """Makes the initializers of kernel and bias, by `network.init` (paper, section 5)."""
    if config.init == Init.TORCH:
        limit = 1 / math.sqrt(row.fan_in)
        return {
            "kernel_initializer": NamedUniform(limit, seed, row.name),
            "bias_initializer": NamedUniform(limit, seed, f"{row.name}/bias"),
        }
    is_relu = row.activation == Activation.RELU  # its own, or one that stands apart
    std = {
        Init.TEXT: TEXT_STD,
        Init.PROGRAM: row.layer.std,
        Init.HE: math.sqrt((2 if is_relu else 1) / row.fan_in),
    }[config.init]
    bias = 0.0 if config.init == Init.HE else row.layer.bias or 0.0
    return {
        "kernel_initializer": NamedNormal(std, seed=seed, layer_name=row.name),
        "bias_initializer": keras.initializers.Constant(bias),
    }
