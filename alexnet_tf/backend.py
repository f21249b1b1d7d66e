"""Which Keras backend would run, found out without importing Keras."""

import json
import os
import pathlib

from alexnet_tf.errors import UserError


def check_keras_backend() -> None:
    """Refuses any Keras backend but tensorflow.

    Raises:
      UserError: KERAS_BACKEND or keras.json names another one.
    """
    backend, place = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
    if not backend:
        path = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras"), "keras.json").expanduser()
        backend, place = _stored_backend(path), f"backend in {path}"
    if backend and backend != "tensorflow":
        raise UserError(
            f"{place}={backend}: expected tensorflow, the only Keras backend that alexnet_tf runs "
            "on. Set KERAS_BACKEND=tensorflow."
        )


def _stored_backend(path: pathlib.Path) -> str | None:
    """Reads a backend's name from Keras' file; Keras itself ignores a file it cannot read."""
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return stored.get("backend") if isinstance(stored, dict) else None
