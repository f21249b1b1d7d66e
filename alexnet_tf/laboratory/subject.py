"""A trained network, and the pictures to show it."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError, expected_one_of, listed
from alexnet_tf.networks.tables.shapes import Row
from alexnet_tf.serving.classifier import windows
from alexnet_tf.training.evaluation import report
from pipelines.dataset import eval_dataset
from pipelines.preprocess import preprocess
from pipelines.source import Source

BATCH_EXAMPLES = 64
"""Pictures that a network sees at once."""


class Pictures(NamedTuple):
    """Windows of pictures, as evaluation cuts them; a label of -1 is unknown."""

    index: np.ndarray
    """int64 [N]; numbers in the source, -1 for a file of its own."""
    label: np.ndarray
    """int32 [N]."""
    image: np.ndarray
    """uint8 [N, size, size, 3], RGB."""
    name: tuple[str, ...]
    """Paths or names."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """A network in float32 on one device, and its pictures."""

    what: str
    """Says which network this is, such as "runs/imagenette, step 2368"."""
    model: keras.Model
    """From preprocessed windows [N, size, size, C] to logits [N, K]."""
    config: Config
    """Settings of the run with those of the call."""
    classes: tuple[str, ...]
    """Names; a label is a place in this tuple."""
    rows: tuple[Row, ...]
    """The layers that can be shown, bottom to top: all, or up to the first without weights."""
    source: Source
    """The set of pictures."""
    split: str
    """The part of the set that it is."""
    files: tuple[str, ...] = ()
    """Paths of pictures to look at instead of those of the set."""

    @property
    def is_whole(self) -> bool:
        """Whether all layers have weights, so that there are classes."""
        return self.rows[-1].name == self.model.layers[-1].name

    @property
    def pictures(self) -> str:
        """Says which pictures are shown to the network."""
        if self.files:
            found, unread = self.given
            left_out = f", {len(unread)} left out that cannot be read" if unread else ""
            return f"{len(found.index)} pictures given{left_out}"
        source = self.source
        return f"{source.num_examples} pictures of {self.config.data.source}, split {self.split}"

    def row(self, layer: str, has_places: bool = False) -> Row:
        """Looks up a layer that can be shown.

        Raises:
          UserError: there is none, it has no weights, or it has no places.
        """
        names = [row.name for row in self.rows]
        if layer not in names:
            if layer in [x.name for x in self.model.layers]:
                raise UserError(
                    f"layer={layer}: expected a layer with weights in {self.what}, which has those "
                    f"up to {names[-1]}. Name one of {', '.join(names)}."
                )
            raise UserError(expected_one_of("layer", layer, names))
        row = self.rows[names.index(layer)]
        if has_places and len(row.output_shape) != 3:
            maps = [row.name for row in self.rows if len(row.output_shape) == 3]
            raise UserError(
                f"layer={layer}: expected a layer of maps, since {layer} gives a vector of "
                f"{row.output_shape[-1]} numbers, without places. Name one of {', '.join(maps)}."
            )
        return row

    def need_output(self, what: str) -> None:
        """Refuses to show `what` by a UserError if the output layer has no weights."""
        if not self.is_whole:
            raise UserError(
                f"{what} needs the classes that a network tells apart; expected weights of "
                f"{self.model.layers[-1].name} in {self.what}. Name a run with --run_dir."
            )

    def need_classes(self, what: str) -> None:
        """Refuses to show what needs the output layer, and labels that are its classes.

        Args:
          what: the name of what is to be shown.

        Raises:
          UserError: the output layer has no weights, or the pictures are of other classes.
        """
        self.need_output(what)
        if self.source.classes != self.classes:
            raise UserError(
                f"data.source={self.config.data.source!r} has the classes "
                f"{listed(self.source.classes)}; {what} expects those of the network: "
                f"{listed(self.classes)}. Name another set."
            )

    def part(self, layer: str) -> keras.Model:
        """Makes the model from preprocessed windows to the output of a layer."""
        return keras.Model(self.model.inputs, self.model.get_layer(layer).output)

    def preprocessed(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Turns windows [N, size, size, 3] of levels 0 to 255 into the network's input."""
        return preprocess(tf.convert_to_tensor(images), self.config.network.input)

    def batches(self) -> Iterator[Pictures]:
        """Yields all pictures of the set that can be decoded, in their order.

        Raises:
          UserError: a picture cannot be decoded and `data.on_error` is fail.
          RunFailed: a picture could not be read.
        """
        data, inputs = self.config.data, self.config.network.input
        rows = min(BATCH_EXAMPLES, max(1, self.source.num_examples))
        for batch in eval_dataset(self.source, inputs, rows, max_pixels=data.max_pixels):
            index, mask = batch.index.numpy(), batch.mask.numpy()
            report(index[~mask & (index >= 0)], self.source, data.on_error, data.max_pixels)
            index = index[mask]
            names = tuple(map(self.source.name, index.tolist()))
            yield Pictures(index, batch.label.numpy()[mask], batch.image.numpy()[mask], names)

    @functools.cached_property
    def _windows(self):
        """Decodes pictures, string [N], in one graph: to make it takes longer than to run it."""
        files = tf.TensorSpec([None], tf.string)
        inputs = self.config.network.input
        return tf.function(lambda x: windows(x, inputs), input_signature=[files], autograph=False)

    def at(self, indices: Sequence[int]) -> Pictures:
        """Reads some pictures of the set; those that cannot be decoded are left out."""
        read = [self.source.read(tf.constant(index, tf.int64)) for index in indices]
        images, is_good = self._windows(tf.stack([x for x, _ in read]))
        good = np.flatnonzero(is_good.numpy())
        index = np.asarray(indices, np.int64)[good]
        label = np.array([int(read[place][1]) for place in good], np.int32)
        return Pictures(
            index, label, images.numpy()[good], tuple(map(self.source.name, index.tolist()))
        )

    @functools.cached_property
    def given(self) -> tuple[Pictures, tuple[str, ...]]:
        """The pictures of --images, and a sentence about each that could not be read."""
        contents, unread = [], []
        for path in self.files:
            try:
                with open(path, "rb") as file:
                    contents.append((path, file.read()))
            except OSError as error:
                unread.append(f"{path!r} cannot be read: {error.strerror}")
        encoded = tf.constant([data for _, data in contents], tf.string, [len(contents)])
        images, is_good = self._windows(encoded)
        good = is_good.numpy()
        unread += [
            f"{path!r} cannot be decoded"
            for (path, _), fine in zip(contents, good, strict=True)
            if not fine
        ]
        names = tuple(path for (path, _), fine in zip(contents, good, strict=True) if fine)
        nothing = np.full(len(names), -1)
        found = Pictures(
            nothing.astype(np.int64), nothing.astype(np.int32), images.numpy()[good], names
        )
        return found, tuple(unread)

    @functools.cached_property
    def kept(self) -> dict:
        """What one exhibit has computed and others need as well."""
        return {}

    def some(self, most: int, minimum: int = 1) -> Pictures:
        """Picks pictures to look at: those of --images, or of the set as many of each class.

        Args:
          most: of the set; of --images all are taken.
          minimum: how many there have to be.

        Raises:
          UserError: there are fewer.
        """
        if self.files:
            found = self.given[0]
        else:
            found = self.at(_spread(self.source, most))
        if len(found.index) < minimum:
            raise UserError(
                f"images={','.join(self.files)}, data.source={self.config.data.source!r}: expected "
                f"at least {minimum} pictures that can be decoded, got {len(found.index)}. Name "
                "others."
            )
        return found


def _spread(source: Source, most: int) -> list[int]:
    """Picks examples at equal distances: sources list their examples class by class."""
    count = min(most, source.num_examples)
    return [(2 * i + 1) * source.num_examples // (2 * count) for i in range(count)]
