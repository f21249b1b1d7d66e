"""A trained network, and the pictures to show it."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import Config
from alexnet_tf.errors import RunFailed, UserError, expected_one_of, listed
from alexnet_tf.laboratory.picking import Chosen, spread_over_classes
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row
from alexnet_tf.serving.classifier import Given, read_windows
from alexnet_tf.training.evaluation import report
from pipelines.dataset import eval_batches
from pipelines.decode import explain
from pipelines.parallelism import decoding
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
    lost: int = 0
    """Others that were asked for as well, but could not be decoded."""


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
    opened: Callable[[], tuple[Source, str]]
    """Opens the set of pictures, and says which split of it that is."""
    files: tuple[str, ...] = ()
    """Paths of pictures to look at instead of those of the set."""

    @functools.cached_property
    def _opened(self) -> tuple[Source, str]:
        return self.opened()

    @property
    def source(self) -> Source:
        """The set of pictures, opened when it is first asked for.

        Raises:
          UserError: there is none.
        """
        return self._opened[0]

    @property
    def split(self) -> str:
        """The part of the set that it is."""
        return self._opened[1]

    @property
    def is_whole(self) -> bool:
        """Whether all layers have weights, so that there are classes."""
        return self.rows[-1].name == self.model.layers[-1].name

    @property
    def named_set(self) -> str:
        """Names the set of pictures."""
        return f"{self.config.data.source}, split {self.split}"

    def told(self, pictures: Pictures) -> str:
        """Says which pictures these are, and how many were left out."""
        where = "given" if self.files else f"of {self.named_set}"
        return _counted(len(pictures.index), where, pictures.lost)

    def told_all(self, num_seen: int) -> str:
        """Says which pictures are seen by one who looks at --images, or else at the whole set."""
        return self.told(self.given[0]) if self.files else self.told_set(num_seen)

    def told_set(self, num_seen: int) -> str:
        """Says which pictures are seen by one who looks at the whole set in any case."""
        lost = self.source.num_examples - num_seen
        return _counted(num_seen, f"of {self.named_set}", lost)

    def row(self, layer: str, has_places: bool = False) -> Row:
        """Looks up a layer that can be shown.

        Raises:
          UserError: there is none, it has no weights, or it has no places.
        """
        names = [row.name for row in self.rows]
        if layer not in names:
            if layer in [x.name for x in table(self.config.network)]:
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

    def preprocessed(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Turns windows [N, size, size, 3] of levels 0 to 255 into the network's input."""
        return preprocess(tf.convert_to_tensor(images), self.config.network.input)

    def batches(self) -> Iterator[Pictures]:
        """Yields all pictures of the set that can be decoded, in their order; no empty batches.

        Raises:
          UserError: a picture cannot be decoded and `data.on_error` is fail.
          RunFailed: a picture could not be read.
        """
        data, inputs = self.config.data, self.config.network.input
        rows = min(BATCH_EXAMPLES, max(1, self.source.num_examples))
        for batch in eval_batches(self.source, inputs, rows, data.max_pixels):
            index, mask = batch.index.numpy(), batch.mask.numpy()
            report(index[~mask & (index >= 0)], self.source, data)
            index = index[mask]
            names = tuple(map(self.source.name, index.tolist()))
            if names:  # convolutions refuse a batch of none
                yield Pictures(index, batch.label.numpy()[mask], batch.image.numpy()[mask], names)

    @functools.cached_property
    def _windows(self):
        """Decodes pictures, string [N], in one graph: to make it takes longer than to run it."""

        def windows(encoded):
            return self._read(Given(encoded), tf.size(encoded, out_type=tf.int64))

        return tf.function(
            windows, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
        )

    @functools.cached_property
    def _windows_at(self):
        """Reads and decodes pictures of the set by their numbers, int64 [N], in one graph."""

        def windows(numbers):
            return self._read(Chosen(self.source, numbers), tf.size(numbers, out_type=tf.int64))

        return tf.function(
            windows, input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False
        )

    def _read(self, reader, count):
        config = self.config
        return read_windows(reader, count, config.network.input, decoding(config.data.max_pixels))

    def at(self, indices: Sequence[int]) -> Pictures:
        """Reads pictures of the set that could be decoded before, in the order of `indices`.

        Raises:
          UserError: one of them cannot be decoded any more and `data.on_error` is fail.
          RunFailed: the same where it is skip, or one could not be read.
        """
        found = self._tried(indices)
        if found.lost:
            raise RunFailed(
                f"data.source={self.config.data.source!r}: a picture that could be decoded a "
                "moment ago cannot be decoded now. Leave the set as it is while this runs."
            )
        return found

    def _tried(self, indices: Sequence[int]) -> Pictures:
        """Reads some pictures of the set; names and counts those that cannot be decoded."""
        index = np.asarray(indices, np.int64)
        images, labels, is_good = (x.numpy() for x in self._windows_at(tf.constant(index)))
        bad, index = index[~is_good], index[is_good]
        report(bad, self.source, self.config.data)
        names = tuple(map(self.source.name, index.tolist()))
        return Pictures(index, labels[is_good], images[is_good], names, len(bad))

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
        images, label, good = (x.numpy() for x in self._windows(encoded))
        given, most = Given(encoded), self.config.data.max_pixels
        for n in np.flatnonzero(~good):
            unread.append(f"{contents[n][0]!r} cannot be decoded: {explain(given, n, most)}")
        names = tuple(path for (path, _), fine in zip(contents, good, strict=True) if fine)
        nothing = np.full_like(label[good], -1)
        found = Pictures(nothing.astype(np.int64), nothing, images[good], names, len(unread))
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
        found = self.given[0] if self.files else self._tried(spread_over_classes(self.source, most))
        if len(found.index) < minimum:
            where = f"data.source={self.config.data.source!r}"
            if self.files:
                where = f"images={','.join(self.files)}"
            raise UserError(
                f"{where}: expected {minimum} pictures or more that can be decoded, got "
                f"{len(found.index)}. Name others."
            )
        return found


def _counted(count: int, where: str, lost: int) -> str:
    left_out = f" ({lost} left out that cannot be decoded)" if lost else ""
    return f"{count} {'pictures' if count != 1 else 'picture'} {where}{left_out}"
