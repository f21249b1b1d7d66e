"""Reads in a process of its own what the tests have stored, and answers what they have to.

python tests/conformance/in_new_process.py round_trip FOLDER     .keras files and JSON, our package
python tests/conformance/in_new_process.py saved_model FOLDER    SavedModels, TensorFlow alone

FOLDER/NAME.input.npy is each line's input, FOLDER/NAME.FORM.npz the answer.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]


def answers(form: str, folder: pathlib.Path) -> None:
    """Runs this program on a folder."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)}
    program = [sys.executable, __file__, form, str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr)


def learn(model, x: np.ndarray) -> None:
    """Makes a step, where the model has what a step needs."""
    if model.compiled:
        model.train_on_batch(x, np.ones((len(x), *model.output_shape[1:]), np.float32))


def round_trip(folder: pathlib.Path) -> None:
    """Loads each file and makes a step; makes each JSON a model with the same weights."""
    import alexnet_tf  # noqa: F401, I001  before Keras: it lets Keras know our classes
    import keras

    for path in sorted(folder.glob("*.keras")):
        x = np.load(folder / f"{path.stem}.input.npy")
        model = keras.models.load_model(path)
        again = keras.models.model_from_json((folder / f"{path.stem}.json").read_text())
        again.set_weights(model.get_weights())
        outputs = {"loaded": model(x), "json": again(x), "dropped": model(x, training=True)}
        learn(model, x)
        outputs |= {"learned": model(x)}
        np.savez(folder / f"{path.stem}.round_trip.npz", **outputs)


class NoneOfOurs:
    """Makes an import of ours fail, even where our packages are installed."""

    def find_spec(self, name, path=None, target=None):
        """Refuses ours, and leaves all others to those who find them."""
        if name.split(".")[0] in ("alexnet_tf", "pipelines"):
            raise ImportError(f"{name} must not be needed")


def saved_model(folder: pathlib.Path) -> None:
    """Serves each SavedModel."""
    sys.meta_path.insert(0, NoneOfOurs())
    import tensorflow as tf

    for path in sorted(folder.glob("*.saved")):
        x = np.load(folder / f"{path.stem}.input.npy")
        serve = tf.saved_model.load(str(path)).signatures["serving_default"]
        (name,) = serve.structured_input_signature[1]
        (y,) = serve(**{name: tf.constant(x)}).values()
        np.savez(folder / f"{path.stem}.saved_model.npz", output=y)


if __name__ == "__main__":
    {"round_trip": round_trip, "saved_model": saved_model}[sys.argv[1]](pathlib.Path(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # the shutdown of the interpreter may hang (environment.leave)
