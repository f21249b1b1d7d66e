"""Checks the backend and the settings of Keras without importing it."""

import json
import os
import pathlib
import sys

from alexnet_tf.errors import UserError

KERAS_JSON = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}
"""What Keras takes in keras.json; with anything else it does not start (Keras 3.15)."""
COUNTS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")


def check_keras() -> None:
    """Refuses a Keras with another backend, or with settings that it would not start with.

    Raises:
      UserError: another backend than tensorflow, or a setting that Keras refuses.
    """
    if "keras" in sys.modules:
        _check_backend("the backend of this process", sys.modules["keras"].config.backend())
        return
    path = _keras_json()
    stored = _stored(path)
    if os.environ.get("KERAS_BACKEND"):
        _check_backend("KERAS_BACKEND", os.environ["KERAS_BACKEND"])
    else:
        _check_backend(f"backend in {path}", stored.get("backend", "tensorflow"))
    for name in COUNTS:
        value = os.environ.get(name, "0")
        if not value.strip().lstrip("+-").isdecimal():
            raise UserError(f"{name}={value}: expected a whole number. Set one, or unset {name}.")
    if os.environ.get("KERAS_NNX_ENABLED", "").lower() in ("true", "1"):
        raise UserError(
            "KERAS_NNX_ENABLED=1: expected it unset, since it is for Keras on JAX. Unset it."
        )


def _check_backend(place: str, backend: str) -> None:
    if backend != "tensorflow":
        raise UserError(
            f"{place}={backend}: expected tensorflow, the only Keras backend that alexnet_tf runs "
            "on. Set KERAS_BACKEND=tensorflow before Keras is imported."
        )


def _keras_json() -> pathlib.Path:
    """Finds the path of Keras' settings file."""
    if "KERAS_HOME" in os.environ:
        return pathlib.Path(os.path.expanduser(os.environ["KERAS_HOME"]), "keras.json")
    home = os.path.expanduser("~")
    return pathlib.Path(home if os.access(home, os.W_OK) else "/tmp", ".keras", "keras.json")


def _stored(path: pathlib.Path) -> dict:
    """Reads Keras' file as Keras does: if it is not JSON it is ignored, else it must be right.

    Raises:
      UserError: Keras would not start with it.
    """
    try:
        stored = json.loads(path.read_text()) if path.exists() else {}
    except (ValueError, RecursionError):
        return {}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a file. Mend or remove it.") from error
    if not isinstance(stored, dict):
        raise UserError(f"{path}: expected a JSON object. Mend or remove it.")
    for name, choices in KERAS_JSON.items():
        if stored.get(name, choices[0]) not in choices:
            raise UserError(
                f"{name} in {path}={stored[name]}: expected one of {', '.join(choices)}. Mend it."
            )
    if not isinstance(stored.get("epsilon", 0.0), float):
        raise UserError(
            f"epsilon in {path}={stored['epsilon']}: expected a number such as 1e-07. Mend it."
        )
    if stored.get("nnx_enabled"):
        raise UserError(f"nnx_enabled in {path}: expected false, since it is for JAX. Mend it.")
    return stored
