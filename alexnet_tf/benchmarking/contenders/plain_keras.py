"""The same network in stock Keras and TensorFlow.

It has `Conv2D(groups=2)`, TensorFlow's own gradient of local response normalization, Keras' SGD.
"""

import keras
import tensorflow as tf

from alexnet_tf.benchmarking.contenders import on_tensorflow
from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import Work, check_is_stock
from alexnet_tf.config.layer_rows import Lrn
from alexnet_tf.config.network import DropoutMode, NetworkConfig
from alexnet_tf.config.run import Config
from alexnet_tf.networks.alexnet import policy_of
from alexnet_tf.networks.named_weights import compute_dtype
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.training.strategy import make_strategy


class StockLrn(keras.layers.Layer):
    """TensorFlow's local response normalization with its own gradient, tower by tower.

    Args:
      row: the layer's row in the table of layers.
      groups: towers, each normalized by itself.
    """

    def __init__(self, row: Lrn, groups: int, **kwargs):
        """Stores the arguments."""
        super().__init__(**kwargs)
        self._row, self._groups = row, groups

    def call(self, x):
        """Normalizes in float32: not every device has another kernel (TF 2.21)."""
        row, (_, height, width, channels) = self._row, x.shape
        towers = [-1, height, width * self._groups, channels // self._groups]
        wide = tf.cast(tf.reshape(x, towers), tf.float32)
        y = tf.nn.local_response_normalization(wide, row.radius, row.bias, row.alpha, row.beta)
        return tf.cast(tf.reshape(y, [-1, height, width, channels]), x.dtype)


def network(config: NetworkConfig, precision: str = "float32", decay: float = 0.0) -> keras.Model:
    """Builds any network of the family in stock layers, from uint8 pictures to float32 logits.

    Dropout doubles what it keeps in training (`network.dropout=inverted`), as Keras' own does.

    Args:
      config: what to build; `num_classes` is known.
      precision: dtype of the arithmetic.
      decay: weight decay of the kernels, as an L2 term of the loss.
    """
    policy = policy_of(precision)
    kernels = {"kernel_regularizer": keras.regularizers.L2(decay / 2) if decay else None}
    inputs, layers, last = config.input, keras.layers, config.layers[-1]
    image = keras.Input((inputs.size, inputs.size, 3), dtype="uint8")
    check_is_stock(config)
    scales = [inputs.scale / stdev for stdev in inputs.stdev]
    offset = [-level * scale for level, scale in zip(inputs.mean, scales, strict=True)]
    x = layers.Rescaling(scales, offset, dtype="float32")(image)
    for row in table(config):
        layer = row.layer
        common = {"name": row.name, "dtype": "float32" if layer is last else policy}
        activation = str(getattr(layer, "activation", "linear"))
        if layer.kind == "conv":
            if any(layer.pad):
                x = layers.ZeroPadding2D((layer.pad, layer.pad), dtype=policy)(x)
            x = layers.Conv2D(
                row.kernel_shape[-1],
                layer.kernel,
                layer.stride,
                groups=row.groups,
                activation=activation,
                **kernels,
                **common,
            )(x)
        elif layer.kind == "lrn":
            x = StockLrn(layer, row.groups, **common)(x)
        elif layer.kind == "pool":
            x = layers.MaxPooling2D(layer.size, layer.stride, **common)(x)
        elif layer.kind == "activate":
            x = layers.Activation(activation, **common)(x)
        elif layer.kind == "drop":
            rate = 0.0 if config.dropout == DropoutMode.NONE else config.dropout_rate
            x = layers.Dropout(rate, **common)(x)
        else:
            x = layers.Flatten(dtype=policy)(x) if len(row.input_shape) > 1 else x
            x = layers.Dense(row.kernel_shape[-1], activation, **kernels, **common)(x)
    return keras.Model(image, x)


def step(spec: Spec) -> Work:
    """Measures a training step in one tf.function."""
    config, device = spec.config, on_tensorflow.device_of(make_strategy(spec.config.run))
    images, labels = on_tensorflow.batch_on(device, config)
    with tf.device(device):
        model = _network(config)
        optimizer = keras.optimizers.SGD(config.optimizer.learning_rate, config.optimizer.momentum)
        optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def one_step():
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True)) + tf.add_n(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return _on(device, config, one_step)


def inference(spec: Spec) -> Work:
    """Measures the forward pass in one tf.function."""
    config, device = spec.config, on_tensorflow.device_of(make_strategy(spec.config.run))
    images, _ = on_tensorflow.batch_on(device, config)
    with tf.device(device):
        model = _network(config)

    @tf.function
    def forward():
        return model(images, training=False)

    return _on(device, config, forward)


def _network(config: Config) -> keras.Model:
    precision = compute_dtype(config.run.precision)
    return network(config.network, precision, config.optimizer.weight_decay)


def _on(device: str, config: Config, function) -> Work:
    """Makes Work of calling a function over and over on a device."""

    def do():
        with tf.device(device):
            return function()

    return on_tensorflow.repeated(device, config.run.global_batch_size, do)
