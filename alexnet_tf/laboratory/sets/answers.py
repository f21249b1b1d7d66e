"""What a network says of every picture of a set, computed once for all exhibits that ask."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.layer_rows import Drop
from alexnet_tf.errors import UserError
from alexnet_tf.laboratory.sets.confidence import softmax
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.networks.tables.shapes import activated
from pipelines.source import label_sets

THUMBNAIL_PIXELS = 32
"""Side of the small pictures; TensorBoard's projector shows up to 65,000 of them."""
MOST_BYTES = 2 * 2**30
"""What is kept of all pictures, in memory."""
LEAST_PICTURES = 9
"""A set of fewer says nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers:
    """Rows of all pictures that can be decoded, in the order of the set."""

    layer: str
    """The layer of `features`."""
    index: np.ndarray
    """int64 [N]; numbers in the source."""
    label: np.ndarray
    """int32 [N]. Of several labels that which the network chose, or the first."""
    features: np.ndarray
    """float32 [N, D]; of a layer of maps the means over its places."""
    thumbnails: np.ndarray
    """uint8 [N, 32, 32, 3]."""
    logits: np.ndarray | None
    """float32 [N, K]; None where the output layer has no weights."""

    @property
    def guess(self) -> np.ndarray:
        """The class of the highest score, of equal scores the first: int64 [N]."""
        return self.logits.argmax(axis=1)

    @property
    def probabilities(self) -> np.ndarray:
        """Those of all classes, float64 [N, K]."""
        return softmax(self.logits)


def last_hidden(subject: Subject) -> str:
    """Names the last layer before the output, or the last with weights; dropout is none.

    The output itself where nothing is before it.
    """
    names = [row.name for row in subject.rows if not isinstance(row.layer, Drop)]
    return names[-2] if subject.is_whole and len(names) > 1 else names[-1]


def answers(subject: Subject, what: str, layer: str = "", least: int = LEAST_PICTURES) -> Answers:
    """Shows all pictures of the set to the network, or finds what it said before.

    Args:
      subject: the network and the set.
      what: who asks, for messages.
      layer: whose activations become `features`; by default those of `last_hidden`.
      least: pictures that have to be there.

    Raises:
      UserError: there is no such layer; the set has fewer pictures, or one class; the features are
        too large for memory.
      RunFailed: a picture could not be read.
    """
    layer = activated(subject.rows, subject.row(layer or last_hidden(subject)).name).name
    if layer not in subject.kept:
        subject.kept[layer] = _computed(subject, layer)
    found, source = subject.kept[layer], f"data.source={subject.config.data.source!r}"
    if len(found.index) < least:
        raise UserError(
            f"{source}: expected at least {least} pictures for {what}, got {len(found.index)} that "
            "can be decoded. Name a larger set."
        )
    if len(np.unique(found.label)) < 2:
        raise UserError(
            f"{source}: expected pictures of two classes or more for {what}; all are of "
            f"{subject.source.classes[found.label[0]]}. Name a set with classes."
        )
    return found


def resized(images: np.ndarray | tf.Tensor, side: int) -> tf.Tensor:
    """Resizes pictures [N, H, W, 3], averaged by area: uint8 [N, side, side, 3]."""
    return tf.cast(tf.round(tf.image.resize(images, (side, side), "area")), tf.uint8)


def network(subject: Subject, layer: str):
    """Makes the concrete function from windows uint8 [N, size, size, 3] to what is kept of each.

    Raises:
      UserError: the layer does not exist or has no weights.
    """
    subject.row(layer)
    outputs = {"features": subject.model.get_layer(layer).output}
    if subject.is_whole:
        outputs["logits"] = subject.model.output
    model, size = keras.Model(subject.model.inputs, outputs), subject.config.network.input.size
    window = tf.TensorSpec([None, size, size, 3], tf.uint8)

    @tf.function(autograph=False, input_signature=[window])
    def said(images):
        found = model(subject.preprocessed(images), training=False)
        features = found["features"]
        if len(features.shape) == 4:
            found["features"] = tf.reduce_mean(features, axis=[1, 2])
        return found | {"thumbnails": resized(images, THUMBNAIL_PIXELS)}

    return said.get_concrete_function()


def _computed(subject: Subject, layer: str) -> Answers:
    """Shows all pictures to the network."""
    said = network(subject, layer)
    total, signature = subject.source.num_examples, said.structured_outputs
    num_bytes = total * sum(x.dtype.size * x.shape[1:].num_elements() for x in signature.values())
    if num_bytes > MOST_BYTES:
        raise UserError(
            f"layer={layer}: expected at most {MOST_BYTES / 2**30:.0f} GiB, but what is kept of "
            f"{total:,} pictures takes {num_bytes / 2**30:.1f}. Name a smaller set, or where there "
            "is a --layer one of fewer units."
        )
    whole = {
        name: np.empty([total, *x.shape[1:]], x.dtype.as_numpy_dtype)
        for name, x in signature.items()
    }
    index, label, count = np.empty(total, np.int64), np.empty(total, np.int32), 0
    for batch in subject.batches():
        rows = slice(count, count + len(batch.index))
        index[rows], label[rows], count = batch.index, batch.label, rows.stop
        for name, x in said(tf.constant(batch.image)).items():
            whole[name][rows] = x.numpy()
    if not count:
        raise UserError(
            f"data.source={subject.config.data.source!r}: expected pictures, but none can be "
            "decoded. Name another set."
        )
    whole = {name: x[:count] for name, x in whole.items()}
    index, label, logits = index[:count], label[:count], whole.pop("logits", None)
    sets = label_sets(subject.source)
    if sets is not None and logits is not None:
        guess = logits.argmax(axis=1)
        label = np.where((sets[index] == guess[:, None]).any(axis=1), guess, label)
    return Answers(layer=layer, index=index, label=label, logits=logits, **whole)
