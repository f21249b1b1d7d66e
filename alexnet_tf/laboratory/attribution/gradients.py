"""What in a picture speaks for a class: gradients, means of them, and Grad-CAM."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.laboratory.backward import INPUT, Rule, in_batches, passage, sent_down
from alexnet_tf.networks.layers.initializers import named_seed

BATCH_EXAMPLES = 16
"""Pictures that are sent up and down at once."""
COPIES_AT_ONCE = 32
"""Copies of a picture that are in memory together."""

Compute = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From inputs float32 [N, ...] and classes int [N] to the logits of the classes, float32 [N], and
the gradients, of the shape of the inputs."""


def of_logits(model: keras.Model, rule: Rule = Rule.GRADIENT, above: str = INPUT) -> Compute:
    """Makes the function that computes the gradient of a class's logit.

    It reads the network's weights when it is called.

    Args:
      model: from preprocessed pictures to logits.
      rule: what a ReLU lets down.
      above: the layer whose output the gradient is of; by default the preprocessed pictures.
    """
    climb = passage(model, rule, above)

    @tf.function(autograph=False)
    def compute(x, classes):
        logits, gradient = sent_down(climb, x, lambda y: tf.one_hot(classes, y.shape[-1]))
        return tf.gather(logits, classes, batch_dims=1), gradient

    return lambda x, classes: in_batches(compute, BATCH_EXAMPLES, x, np.asarray(classes))


def smoothed(
    compute: Compute, x: np.ndarray, classes: np.ndarray, samples: int, noise: float, seed: int
) -> np.ndarray:
    """Averages gradients over noisy copies of each picture: SmoothGrad (Smilkov et al. 2017).

    Args:
      compute: made by `of_logits`.
      x: float32 [N, H, W, C].
      classes: int [N].
      samples: copies of each picture.
      noise: standard deviation of what is added, as a part of the picture's range of values.
      seed: 0 to 2**32 - 1; equal seeds draw equal noise, the same for each picture.

    Returns:
      float32 [N, H, W, C].
    """
    ranges = noise * (x.max(axis=(1, 2, 3)) - x.min(axis=(1, 2, 3)))
    sums = np.zeros(x.shape, np.float64)
    for first in range(0, samples, COPIES_AT_ONCE):
        count = min(COPIES_AT_ONCE, samples - first)
        name = f"smoothgrad {first}" if first else "smoothgrad"
        drawn = tf.random.stateless_normal(
            (count, *x.shape[1:]), named_seed(seed, name), alg="philox"
        ).numpy()
        for picture, number, scale, total in zip(x, classes, ranges, sums, strict=True):
            total += compute(picture + scale * drawn, np.full(count, number))[1].sum(axis=0)
    return (sums / samples).astype(np.float32)


def integrated(
    compute: Compute, x: np.ndarray, classes: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Integrates gradients from an input of zeros to each picture (Sundararajan et al. 2017).

    The sum of a picture's attributions is the difference of the logit between the picture and the
    zeros, but for what the steps miss.

    Args:
      compute: made by `of_logits`.
      x: float32 [N, H, W, C].
      classes: int [N].
      steps: equal parts of the way; the gradient is taken in the middle of each.

    Returns:
      The attributions, float32 [N, H, W, C], and those differences, float32 [N].
    """
    parts = ((np.arange(steps) + 0.5) / steps).astype(np.float32)[:, None, None, None]
    sums = np.zeros(x.shape, np.float64)
    for first in range(0, steps, COPIES_AT_ONCE):
        some = parts[first : first + COPIES_AT_ONCE]
        for picture, number, total in zip(x, classes, sums, strict=True):
            total += compute(some * picture, np.full(len(some), number))[1].sum(axis=0)
    differences = compute(x, classes)[0] - compute(np.zeros_like(x), classes)[0]
    return (x * sums / steps).astype(np.float32), differences


def activation_maps(
    model: keras.Model, layer: str
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Makes the function that computes Grad-CAM (Selvaraju et al. 2017, section 3).

    The maps of a layer are added, each weighted by the mean of the logit's gradient over its
    places; what is negative becomes zero.

    Args:
      model: from preprocessed pictures to logits.
      layer: one that gives maps.

    Returns:
      From float32 [N, H, W, C] and classes int [N] to float32 [N, H', W'], the layer's places.
    """
    climb, compute = passage(model, upto=layer), of_logits(model, above=layer)

    def maps(x, classes):
        (found,) = in_batches(lambda part: (climb(part),), BATCH_EXAMPLES, x)
        weights = compute(found, classes)[1].mean(axis=(1, 2))
        return np.maximum(np.einsum("nhwc,nc->nhw", found, weights), 0)

    return maps
