"""The directory of an export: TensorFlow's SavedModel, and a description of its origin.

    saved_model.pb, variables/        as TensorFlow writes them
    assets.extra/alexnet_tf.json      format_version, step, top1_error, recipe, network, classes,
                                      trained_with (versions), max_pixels (of a picture),
                                      raw_weights

It is written whole, or not at all.
"""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.serving.classifier import Classifier
from pipelines import files

FORMAT_VERSION = 1
DESCRIPTION = pathlib.PurePath("assets.extra", "alexnet_tf.json")
"""Inside an export; TensorFlow leaves assets.extra to the programs that write there."""
ANSWERS = {"top_classes", "top_probabilities", "readable"}
"""What `load` expects of `serving_default`."""


def save(classifier: Classifier, output: pathlib.Path, description: dict[str, Any]) -> None:
    """Writes an export; replaces an older one.

    Args:
      classifier: what to write.
      output: from `prepare`.
      description: what it was made from; values that JSON has.

    Raises:
      RunFailed: it cannot be written. An older export at `output` is unchanged.
    """
    signatures = {
        name: getattr(classifier, name) for name in ("serving_default", "images", "classes")
    }
    with _replacing(output) as unfinished:
        tf.saved_model.save(classifier, str(unfinished), signatures)
        (unfinished / DESCRIPTION).parent.mkdir()
        text = json.dumps({"format_version": FORMAT_VERSION, **description}, indent=1)
        (unfinished / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def prepare(output: str) -> pathlib.Path:
    """Checks early that an export may be written to `output`; makes the folder above it.

    Returns:
      The absolute path, with links resolved.

    Raises:
      UserError: something else is there, or it cannot be written.
    """
    place = pathlib.Path(os.path.realpath(output))
    try:
        files.recover(place)
        is_taken = os.path.lexists(place) and not (place.is_dir() and not any(place.iterdir()))
        if is_taken and not is_export(place):
            raise UserError(
                f"output={output!r} exists and is no export of alexnet_tf; expected a new place, "
                "an empty directory, or an older export to replace. Name another."
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = _unfinished(place)
        shutil.rmtree(unfinished, ignore_errors=True)  # of a killed export
        unfinished.mkdir()
        unfinished.rmdir()
    except OSError as error:
        raise UserError(
            f"output={output!r} cannot be written: {error.strerror}. Expected a place that this "
            "user may write; name another."
        ) from error
    return place


def is_export(path: pathlib.Path) -> bool:
    """Tells whether a directory is one that `save` wrote."""
    return (path / DESCRIPTION).is_file()


def describe(path: pathlib.Path) -> dict[str, Any]:
    """Reads the description of an export; empty for a SavedModel of another program.

    Raises:
      RunFailed: it is damaged.
    """
    if not is_export(path):
        return {}
    try:
        found = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not isinstance(found.get("max_pixels", 0), int):
            raise ValueError(f"{DESCRIPTION} is not as it was written")
        return found
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def load(path: pathlib.Path) -> Callable[..., dict[str, tf.Tensor]]:
    """Loads the `serving_default` of an export.

    Returns:
      A function of `image_bytes` with the outputs that `Classifier` describes.

    Raises:
      UserError: it is a SavedModel with other inputs or outputs.
      RunFailed: it is damaged.
    """
    try:
        signatures = tf.saved_model.load(str(path)).signatures
    except Exception as error:  # what is no longer as it was written fails in many ways
        raise _damaged(path, error) from error
    serve = signatures.get("serving_default")
    arguments = serve.structured_input_signature[1] if serve else {}
    if list(arguments) != ["image_bytes"] or not ANSWERS <= set(serve.structured_outputs):
        raise UserError(
            f"model={str(path)!r} is a SavedModel of another kind; expected one whose "
            f"serving_default takes image_bytes and gives {', '.join(sorted(ANSWERS))}. Make it "
            "with `python -m alexnet_tf.export`."
        )
    return serve


@contextlib.contextmanager
def _replacing(output: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a directory next to `output` that replaces it once it is complete."""
    unfinished = _unfinished(output)
    try:
        yield unfinished
        files.sync_tree(unfinished)
        old = files.replace_directory(unfinished, output)
        if old:
            shutil.rmtree(old, ignore_errors=True)
    except (OSError, tf.errors.OpError) as error:
        files.recover(output)
        raise RunFailed(
            f"output={str(output)!r} could not be written: {_reason(error)}. Nothing was replaced; "
            "make room or permit writing, and run the same command again."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _unfinished(output: pathlib.Path) -> pathlib.Path:
    return output.with_name(f".{output.name}.alexnet_tf-unfinished")


def _damaged(path: pathlib.Path, error: Exception) -> RunFailed:
    return RunFailed(f"model={str(path)!r} cannot be read: {_reason(error)}. Export it again.")


def _reason(error: Exception) -> str:
    """Returns the system's reason if there is one; TensorFlow's first line otherwise."""
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
