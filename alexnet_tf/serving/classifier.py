"""A trained network from encoded pictures to class names: what an export contains.

Everything between a file's bytes and a class's name is in the graph, even the decoder's limit on
the number of pixels, so that plain TensorFlow serves it without this package.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks import named_weights
from alexnet_tf.networks.alexnet import alexnet
from pipelines import augment, preprocess
from pipelines.config import InputConfig
from pipelines.parallelism import EXPORTED, Decoding
from pipelines.rows import Rows
from pipelines.source import Reader
from pipelines.squares import decoded

TOP = 5
"""Most classes in an answer; fewer where the network knows fewer."""


class Classifier(tf.Module):
    """Pictures in, probabilities out; each attribute is one signature of the export.

    serving_default(image_bytes): string [N], each a whole JPEG, PNG or BMP file, any size. Returns
      probabilities      float32 [N, K], in the order of `classes`
      top_classes        string [N, min(5, K)], the likeliest first
      top_probabilities  float32 [N, min(5, K)]
      readable           bool [N]
      A picture that cannot be decoded, or claims more than `max_pixels`, must not spoil
      the answers of the others: servers put the requests of many callers into one batch. Its row
      is not `readable`: its probabilities are 0, its names empty.
    images(images): uint8 [N, size, size, 3] RGB, windows of the network's input size. Returns the
      same without `readable`, and logits float32 [N, K].
    classes(): returns classes, string [K].

    Args:
      model: single-device float32 network from preprocessed windows to logits [N, K].
      inputs: the network's input settings, with a measured mean.
      classes: K names.
      max_pixels: the most pixels that a picture may have.

    Raises:
      ValueError: the number of names is not the number of outputs.
    """

    def __init__(
        self,
        model: keras.Model,
        inputs: InputConfig,
        classes: Sequence[str],
        max_pixels: int = EXPORTED.max_pixels,
    ):
        """Makes the three functions, not yet traced."""
        super().__init__(name="classifier")
        decoding = dataclasses.replace(EXPORTED, max_pixels=max_pixels)
        if len(classes) != model.output_shape[-1]:
            raise ValueError(
                f"classes has {len(classes)} names, expected {model.output_shape[-1]}, one for "
                "each output of the network."
            )
        # The plain variables alone: an export must not need Keras to be read.
        self.weights = [weight.value for weight in model.weights]
        names = [name.encode(errors="surrogateescape") for name in classes]  # as folders have them

        files = tf.TensorSpec([None], tf.string, name="image_bytes")

        @tf.function(input_signature=[files], autograph=False)
        def serving_default(image_bytes):
            images, is_decoded = windows(image_bytes, inputs, decoding)
            answers = answer(logits_of(model, images, inputs), names)
            return {
                name: tf.where(is_decoded[:, tf.newaxis], x, tf.zeros_like(x))  # of strings: empty
                for name, x in answers.items()
            } | {"readable": is_decoded}

        window = tf.TensorSpec([None, inputs.size, inputs.size, 3], tf.uint8, name="images")

        @tf.function(input_signature=[window], autograph=False)
        def images(images):
            logits = logits_of(model, images, inputs)
            return answer(logits, names) | {"logits": logits}

        @tf.function(input_signature=[], autograph=False)
        def class_names():
            return {"classes": tf.constant(names)}

        self.serving_default, self.images, self.classes = serving_default, images, class_names


def trained(
    network: NetworkConfig,
    weights: Mapping[str, np.ndarray],
    classes: Sequence[str],
    max_pixels: int = EXPORTED.max_pixels,
) -> Classifier:
    """Builds the classifier of a checkpoint, in float32 whatever it was trained in.

    Args:
      network: resolved settings: number of classes and mean are known.
      weights: all weights of the network and no others, by name: `conv1/kernel`, ...
      classes: names, in the order of the labels.
      max_pixels: the most pixels that a picture may have.
    """
    model = alexnet(network)
    named_weights.assign(named_weights.named_weights(model), dict(weights))
    return Classifier(model, network.input, classes, max_pixels)


def logits_of(model: keras.Model, images: tf.Tensor, inputs: InputConfig) -> tf.Tensor:
    """Runs the network on uint8 [N, size, size, 3]; N may be 0. Returns float32 [N, K]."""
    num_images = tf.shape(images)[0]
    # oneDNN's fused convolution gives no pictures the wrong number of channels (TF 2.21).
    num_added = tf.cast(num_images == 0, tf.int32)
    images = tf.pad(images, [[0, num_added], [0, 0], [0, 0], [0, 0]])
    images = tf.ensure_shape(images, [None, inputs.size, inputs.size, 3])
    return model(preprocess.preprocess(images, inputs), training=False)[:num_images]


def windows(
    image_bytes: tf.Tensor, inputs: InputConfig, decoding: Decoding = EXPORTED
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes pictures and cuts their central windows, as evaluation does.

    Args:
      image_bytes: string [N], encoded pictures; N may be 0.
      inputs: sizes of window and square.
      decoding: how many are decoded at once, and how large they may be; part of the graph.

    Returns:
      uint8 [N, size, size, 3], zeros where a picture could not be decoded; and bool [N], whether
      it could.
    """
    num_images = tf.size(image_bytes, out_type=tf.int64)
    images, _, is_decoded = read_windows(Given(image_bytes), num_images, inputs, decoding)
    return images, is_decoded


def read_windows(
    reader: Reader, num_images: tf.Tensor, inputs: InputConfig, decoding: Decoding
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Reads pictures, decodes them, and cuts their central windows, as evaluation does.

    Args:
      reader: of pictures by their numbers.
      num_images: N, int64 scalar; the pictures are those from 0 to below N.
      inputs: sizes of window and square.
      decoding: how many are decoded at once, and how large they may be; part of the graph.

    Returns:
      uint8 [N, size, size, 3]; int32 [N], the labels; both zeros where a picture could not be read
      or decoded; and bool [N], whether it could.
    """

    def window(_, square, label, is_decoded):
        return augment.center_crop(square, inputs.size), label, is_decoded

    # tf.data, not tf.map_fn: it decodes on all cores, and holds few whole pictures at a time.
    # get_single_element makes a plain stateless function of it.
    rows = Rows(source=reader, inputs=inputs, decoding=decoding, finish=window)
    ds = decoded(rows, 0, num_images, tf.maximum(num_images, 1))
    images = tf.zeros([0, inputs.size, inputs.size, 3], tf.uint8)
    nothing = (images, tf.zeros([0], tf.int32), tf.zeros([0], tf.bool))
    ds = ds.concatenate(tf.data.Dataset.from_tensors(nothing))  # reached when N is 0
    return ds.take(1).get_single_element()


class Given:
    """Encoded pictures in memory, as a Reader (`pipelines.sources`).

    Args:
      image_bytes: string [N], encoded pictures.
    """

    def __init__(self, image_bytes: tf.Tensor):
        """Stores them."""
        self._image_bytes = image_bytes

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns one of them, and 0 as its label."""
        return self._image_bytes[index], tf.constant(0)


def answer(logits: tf.Tensor, names: Sequence[bytes]) -> dict[str, tf.Tensor]:
    """Turns logits, float32 [N, K], into probabilities and the names of the likeliest classes."""
    probabilities = tf.nn.softmax(logits)
    top, indices = tf.math.top_k(probabilities, min(TOP, len(names)))
    return {
        "probabilities": probabilities,
        "top_classes": tf.gather(tf.constant(names), indices),
        "top_probabilities": top,
    }
