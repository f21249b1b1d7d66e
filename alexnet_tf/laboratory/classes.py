"""The class that a picture is asked about, and how pictures are named by their classes."""

import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.laboratory.subject import BATCH_EXAMPLES, Pictures, Subject


def probabilities(subject: Subject, x: np.ndarray) -> np.ndarray:
    """Computes what the network says: float32 [N, H, W, C] -> float32 [N, K]."""
    logits = subject.model.predict(x, batch_size=BATCH_EXAMPLES, verbose=0)
    return tf.nn.softmax(logits).numpy()


def chosen(subject: Subject, x: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Picks the class of a name, or the most likely class of each picture.

    Args:
      subject: its network has classes.
      x: preprocessed pictures, float32 [N, H, W, C].
      name: of a class; empty for the most likely ones.

    Returns:
      The numbers of the classes, int64 [N], and their probabilities, float32 [N].

    Raises:
      UserError: there is no such class.
    """
    if name and name not in subject.classes:
        raise UserError(expected_one_of("class", name, subject.classes))
    found = probabilities(subject, x)
    numbers = found.argmax(axis=1)
    if name:
        numbers = np.full(len(x), subject.classes.index(name))
    return numbers, found[np.arange(len(x)), numbers]


def true_or_likely(subject: Subject, pictures: Pictures, said: np.ndarray) -> np.ndarray:
    """Picks the true class of each picture, or the most likely one where that is not known.

    Args:
      subject: the network and its set.
      pictures: N of them.
      said: their probabilities, float32 [N, K].

    Returns:
      int64 [N].
    """
    is_known = pictures.label >= 0
    if is_known.any():
        is_known &= subject.source.classes == subject.classes
    return np.where(is_known, pictures.label, said.argmax(axis=1))


def titles(
    subject: Subject, pictures: Pictures, numbers: np.ndarray, likely: np.ndarray
) -> list[str]:
    """Writes under each picture what it is, the class that it is asked about, and how likely."""
    found = []
    for label, name, number, p in zip(pictures.label, pictures.name, numbers, likely, strict=True):
        is_known = label >= 0
        what = f"true: {subject.source.classes[label]}" if is_known else name.rpartition("/")[2]
        found.append(f"{what}\nasked: {subject.classes[number]}\n{p:.1%}")
    return found
