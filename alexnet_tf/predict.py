"""Names what pictures show: python -m alexnet_tf.predict --model=DIR IMAGE... [--json].

DIR is an export (`python -m alexnet_tf.export`) or a run directory, whose best checkpoint is then
used. Each picture is printed with its five likeliest classes (fewer if the network has fewer) and
their probabilities.

A picture that cannot be read or decoded gets a line of its own on standard error, the others are
classified all the same, and the exit code is 1. A mistake in the call (no model, no picture, a
directory instead of a picture) is exit code 2, and nothing is printed but a sentence.

With --json standard output is one line, one JSON object: model, step (null if unknown), num_failed,
and images, a list of objects in the order of the call: image, error (null, or why there is no
prediction), top, a list of {class, probability}, the likeliest first.
"""

import dataclasses
import glob
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from alexnet_tf.command_line import flags
from alexnet_tf.config.fields import POSITIONAL
from alexnet_tf.config.run import RunConfig
from alexnet_tf.errors import UserError
from alexnet_tf.training import checkpoint
from alexnet_tf.training.converted import is_converted
from pipelines import files
from pipelines.config import DataConfig

BATCH_EXAMPLES = 32
"""Pictures that the network sees at once, at most."""
BATCH_BYTES = 64 * 2**20
"""A batch ends at the picture that makes it larger than this, encoded."""
MAX_BYTES = 512 * 2**20
"""Larger files are refused: the decoder takes no picture so large, and /dev/zero has no end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Prints the five likeliest classes of each picture, with their probabilities.

    Exit code 1 if a picture could not be read; the others are classified all the same.
    """

    model: str
    """An export (a SavedModel), or a run directory, whose best checkpoint is used."""
    json: bool = False
    """Print one JSON object instead of text."""
    image: tuple[str, ...] = dataclasses.field(metadata=POSITIONAL)
    """Files to look at: JPEG, PNG or BMP of any size."""

    def __post_init__(self):
        """Refuses directories instead of pictures."""
        for path in self.image:
            if os.path.isdir(path):
                raise ValueError(
                    f"image={path!r} is a directory; expected files, such as {_files_in(path)}."
                )


def _files_in(path: str) -> str:
    """Writes a pattern for the pictures of a folder, or of folders in it."""
    for depth in ("", "*"):
        for found in glob.iglob(os.path.join(glob.escape(path), depth, "*")):
            if found.lower().endswith((".jpg", ".jpeg", ".png", ".bmp")):
                return os.path.join(path, depth, f"*{os.path.splitext(found)[1]}")
    return os.path.join(path, "*.jpg")


Top = tuple[tuple[str, float], ...]
"""Classes and their probabilities, the likeliest first."""
File = tuple[str, bytes, str | None]
"""A path, what stands in it, and why it could not be read, if so."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """The prediction for one picture."""

    image: str
    """The file's path, as it was typed."""
    error: str | None
    """Why there is no prediction; None if there is one."""
    top: Top
    """The likeliest classes; empty if there is no prediction."""


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    arguments = flags.parse(argv, Arguments).arguments
    classify, step, max_pixels = open_model(arguments.model)
    predictions = []
    num_failed = 0
    for prediction in predict(classify, arguments.image, max_pixels):
        num_failed += prediction.error is not None
        if arguments.json:
            predictions.append(as_json(prediction))  # a hundred bytes each: they may be many
        else:
            print(as_text(prediction), file=sys.stderr if prediction.error else None, flush=True)
    if arguments.json:
        result = {"model": arguments.model, "step": step, "num_failed": num_failed}
        print(json.dumps(result | {"images": predictions}), flush=True)
    return flags.EXIT_FAILED if num_failed else 0


def open_model(place: str) -> tuple[Callable, int | None, int]:
    """Loads an export, or the best checkpoint of a run.

    Returns:
      The `serving_default` of a `serving.classifier.Classifier`; the training step of its weights,
      None if unknown; and the most pixels that a picture may have.

    Raises:
      UserError: it is neither.
      RunFailed: it is damaged.
    """
    path = pathlib.Path(place)
    files.recover(path)  # where an export was killed while it replaced this one
    is_run = (path / "checkpoints").is_dir() or is_converted(path)
    if not is_run and not (path / "saved_model.pb").is_file():
        found = "is neither of the two" if path.exists() else "does not exist"
        raise UserError(
            f"model={place!r} {found}; expected an export (`python -m alexnet_tf.export`) or a "
            "run directory (`python -m alexnet_tf.train`) with a checkpoint."
        )
    stored = checkpoint.load(place, name="model") if is_run else None

    from alexnet_tf.serving import classifier, savedmodel  # TensorFlow starts only here
    from alexnet_tf.training.strategy import make_strategy

    make_strategy(RunConfig())  # for what it prepares: memory on demand, exact float32
    if stored is None:
        about = savedmodel.describe(path)
        max_pixels = about.get("max_pixels", DataConfig().max_pixels)  # as exports had before
        return savedmodel.load(path), about.get("step"), max_pixels
    network, max_pixels = stored.config.network, stored.config.data.max_pixels
    trained = classifier.trained(network, stored.weights(), stored.classes, max_pixels)
    return trained.serving_default, stored.step, max_pixels


def predict(
    classify: Callable, images: Iterable[str], max_pixels: int = DataConfig().max_pixels
) -> Iterator[Prediction]:
    """Classifies files, a small batch at a time.

    Args:
      classify: from `open_model`.
      images: paths.
      max_pixels: the most pixels that a picture may have, from `open_model`.

    Yields:
      A Prediction for each path, in their order.
    """
    for batch in batches(read(path) for path in images):
        encoded = [contents for _, contents, error in batch if error is None]
        answers = iter(_answers(classify, encoded, max_pixels) if encoded else ())
        for path, _, error in batch:
            top, reason = ((), error) if error else next(answers)
            yield Prediction(image=path, error=reason, top=top)


def _answers(
    classify: Callable, encoded: list[bytes], max_pixels: int
) -> Iterator[tuple[Top, str | None]]:
    """Yields the likeliest classes of each picture, or none and the reason."""
    import tensorflow as tf

    from alexnet_tf.serving.classifier import Given
    from pipelines import decode

    image_bytes = tf.constant(encoded)
    given = classify(image_bytes=image_bytes)
    names, probabilities, readable = (
        given[name].numpy() for name in ("top_classes", "top_probabilities", "readable")
    )
    for row, is_readable in enumerate(readable):
        if is_readable:
            words = (name.decode("utf-8", "surrogateescape") for name in names[row])
            yield tuple(zip(words, probabilities[row].tolist(), strict=True)), None
        else:
            try:
                yield (), decode.explain(Given(image_bytes), row, max_pixels)
            except OSError as error:  # the model refuses more than we do, or memory ran out
                yield (), str(error)


def read(path: str) -> File:
    """Reads a file: its path, its bytes, and the reason if it cannot be read."""
    try:
        with open(path, "rb") as file:
            contents = file.read(MAX_BYTES + 1)
    except OSError as error:
        return path, b"", error.strerror
    if len(contents) > MAX_BYTES:
        return path, b"", f"it is larger than {MAX_BYTES} bytes"
    return path, contents, None


def batches(files: Iterable[File]) -> Iterator[list[File]]:
    """Groups files so that each group fits in memory, whatever their sizes."""
    batch: list[File] = []
    for file in files:
        batch.append(file)
        if len(batch) == BATCH_EXAMPLES or sum(len(x[1]) for x in batch) > BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def as_text(prediction: Prediction) -> str:
    """Writes one prediction for people: the file's name, then a line for each class."""
    if prediction.error:
        return f"image={prediction.image!r} cannot be read: {prediction.error}."
    lines = [f"  {100 * probability:5.1f} %  {name}" for name, probability in prediction.top]
    return "\n".join([prediction.image, *lines])


def as_json(prediction: Prediction) -> dict[str, Any]:
    """Makes the JSON object of one prediction: image, error, top."""
    top = [{"class": name, "probability": probability} for name, probability in prediction.top]
    return {"image": prediction.image, "error": prediction.error, "top": top}


if __name__ == "__main__":
    flags.run_command(main)
