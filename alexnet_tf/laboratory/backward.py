"""Backward passes by three rules: the gradient, guided backpropagation, and the deconvnet.

All three are gradients of the same network, which differ in what a ReLU lets down to the layer
below. Maxima are unpooled by the switches of the way up, which is the gradient of the maximum:
overlapping windows that share a maximum add their values. (PyTorch's `max_unpool2d` keeps one of
them.) Convolutions go down by their transposed filters; no bias plays a part.
"""

import enum
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.networks.layers.locally_connected import LocallyConnected
from alexnet_tf.networks.layers.response_norm import LocalResponseNorm
from alexnet_tf.networks.layers.spatial_norm import SpatialResponseNorm

INPUT = "image"
"""The name of the network's input layer."""

NORMALIZATIONS = (LocalResponseNorm, SpatialResponseNorm)
"""What divides an activation by those around it. Batch normalization is none of them here: with
the statistics of training it is a factor and an offset of each filter, and goes down as the filter
does, by its factor."""

FAST_IN_TRAINING = (*NORMALIZATIONS, LocallyConnected)
"""Layers that compute the same in training, and their gradient many times faster."""

Function = Callable[[tf.Tensor], tf.Tensor]


class Rule(enum.Enum):
    """What a ReLU lets down."""

    GRADIENT = "gradient"
    """What comes down, where the input was positive on the way up."""
    GUIDED = "guided"
    """What comes down and is positive, where the input was positive on the way up (Springenberg et
    al. 2015, section 3.4)."""
    DECONVNET = "deconvnet"
    """What comes down and is positive (Zeiler and Fergus 2013, section 2.1)."""


@tf.custom_gradient
def _guided(x):
    """Is a ReLU on the way up."""
    return tf.nn.relu(x), lambda dy: tf.where(x > 0, tf.nn.relu(dy), 0)


@tf.custom_gradient
def _deconvnet(x):
    """Is a ReLU on the way up, and another on the way down."""
    return tf.nn.relu(x), tf.nn.relu


RELUS = {Rule.GUIDED: _guided, Rule.DECONVNET: _deconvnet}
"""What takes the place of a ReLU. Other activations go down by their gradients."""


def passage(
    model: keras.Model,
    rule: Rule = Rule.GRADIENT,
    above: str = INPUT,
    upto: str = "",
    through_norm: bool = True,
) -> Function:
    """Makes the function from one layer's output to another's, whose gradient follows a rule.

    It computes what the network computes at test, bit for bit but for response normalization,
    and reads the network's weights when it is called.

    Args:
      model: a network, each of whose layers stands on the one before.
      rule: what a ReLU lets down.
      above: the layer whose output it takes; by default the preprocessed pictures.
      upto: the layer whose output it gives; by default the logits.
      through_norm: whether what comes down passes response normalization by its gradient;
        otherwise it passes straight through.

    Returns:
      From float32 [N, ...] to float32 [N, ...].
    """
    names = [layer.name for layer in model.layers]
    last = names.index(upto) if upto else len(names) - 1
    layers = model.layers[names.index(above) + 1 : last + 1]

    def climb(x):
        for layer in layers:
            x = _through(layer, x, rule, through_norm)
        return x

    return climb


def _through(layer: keras.layers.Layer, x: tf.Tensor, rule: Rule, through_norm: bool) -> tf.Tensor:
    """Calls a layer with the rule's ReLU in place of its own."""
    if isinstance(layer, NORMALIZATIONS) and not through_norm:
        return tf.custom_gradient(lambda x: (layer(x), lambda dy: dy))(x)
    own = getattr(layer, "activation", None)
    is_changed = own is keras.activations.relu and rule in RELUS
    try:
        if is_changed:
            layer.activation = RELUS[rule]
        return layer(x, training=isinstance(layer, FAST_IN_TRAINING))
    finally:
        if is_changed:
            layer.activation = own


def has_relus(model: keras.Model) -> bool:
    """Whether a network has an activation that a rule is about."""
    relu = keras.activations.relu
    return any(getattr(layer, "activation", None) is relu for layer in model.layers)


def sent_down(climb: Function, x: tf.Tensor, seed: Function) -> tuple[tf.Tensor, tf.Tensor]:
    """Sends values down from the outputs of a passage to its inputs.

    Args:
      climb: made by `passage`.
      x: float32 [N, ...].
      seed: from the outputs to the values that start at each of them.

    Returns:
      The outputs, and what has come down, of the shape of `x`.
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = climb(x)
        down = seed(tf.stop_gradient(y))
    return y, tape.gradient(y, x, down)


def in_batches(
    function: Callable[..., Sequence[tf.Tensor]], size: int, *arrays: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Calls a function on batches of one size, so that it is compiled once.

    Args:
      function: from arrays [size, ...] to tensors [size, ...].
      size: of a batch; the last one is filled with its last row.
      arrays: [N, ...], N at least 1.

    Returns:
      What the function gives for all rows, each [N, ...].
    """
    count, found = len(arrays[0]), []
    for first in range(0, count, size):
        rows = np.minimum(np.arange(first, first + size), count - 1)
        made = function(*(tf.constant(array[rows]) for array in arrays))
        found.append([x.numpy()[: count - first] for x in made])
    return tuple(map(np.concatenate, zip(*found, strict=True)))
