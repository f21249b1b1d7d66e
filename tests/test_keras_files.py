"""`.keras` files: read in a process of their own and trained on, bit for bit."""

import pathlib
import subprocess
import sys

import keras
import keras_files
import numpy as np
import pytest
from narrow import small

import alexnet_tf
from alexnet_tf.networks.family.names import FAMILY

pytestmark = pytest.mark.filterwarnings(  # Keras 3.15 saves with an older protocol of NumPy
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
INPUT = alexnet_tf.InputConfig(size=67, resize=67, scale=1 / 64)
TINY = {"width": 1 / 16, "fc_width": 16, "num_classes": 7, "init": "he", "input": INPUT}
NETWORKS = {
    "paper": (alexnet_tf.NetworkConfig(**TINY, normalization="batch"), "float32"),  # and dropout
    "lenet5": (small("lenet5"), "float16"),  # whose optimizer Keras wraps in a loss scale
}


def write(path: pathlib.Path, config, precision: str = "float32") -> dict[str, np.ndarray]:
    """Trains, saves, and trains on: what a reader of the file has to come to."""
    model = alexnet_tf.build(config, seed=1, precision=precision)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(alexnet_tf.PaperSGD(0.001), loss)
    model.classes = ("one", "two")
    keras_files.fit(model, keras_files.STEPS)
    model.save(path)
    keras_files.fit(model, keras_files.STEPS)
    return keras_files.results(model)


def read(folder: pathlib.Path, imports: str) -> str:
    """Goes on in a new process; returns what that printed."""
    command = [sys.executable, keras_files.__file__, folder, imports]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_same(folder: pathlib.Path, expected: dict[str, dict]) -> None:
    for name, values in expected.items():
        with np.load(folder / f"{name}.npz") as found:
            assert set(found.files) == set(values)
            for key in values:
                np.testing.assert_array_equal(found[key], values[key], err_msg=f"{name}: {key}")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    return folder, {name: write(folder / f"{name}.keras", *x) for name, x in NETWORKS.items()}


@pytest.mark.long
def test_a_file_trains_on_in_a_new_process_as_if_nothing_had_happened(saved):
    folder, expected = saved
    printed = read(folder, "import alexnet_tf, keras")
    assert "paper paper one,two\n" in printed
    assert printed.startswith("our layers: not imported\n")  # until a file names them
    assert_same(folder, expected)


IMPORTS = (
    "import alexnet_tf",
    "import keras, alexnet_tf",
    "from alexnet_tf import build; import keras, alexnet_tf",
    "import tensorflow as tf, alexnet_tf; keras = tf.keras",
    "import alexnet_tf, tensorflow as tf; keras = tf.keras",
    # Its import is under way when Keras begins.
    "import alexnet_tf.networks.layers.groups, keras",
)


@pytest.mark.slow
@pytest.mark.parametrize("imports", IMPORTS)
def test_the_order_of_imports_does_not_matter(saved, imports):
    folder, expected = saved
    read(folder, imports)
    assert_same(folder, expected)


@pytest.mark.slow
def test_every_network_of_the_family_trains_on(tmp_path):
    expected = {name: write(tmp_path / f"{name}.keras", small(name)) for name in FAMILY}
    read(tmp_path, "import alexnet_tf, keras")
    assert_same(tmp_path, expected)


def test_keras_is_told_of_every_class_that_we_register():
    from alexnet_tf import registration

    for module in set(registration.CLASSES.values()):
        __import__(f"alexnet_tf.{module}")
    known = {name for name in keras.saving.get_custom_objects() if name.startswith("alexnet_tf>")}
    functions = {"alexnet_tf>scaled_tanh"}  # comes with the layers of lenet5
    assert known == {f"alexnet_tf>{name}" for name in registration.CLASSES} | functions


@pytest.mark.parametrize(
    "name, text",
    [
        ("nowhere.keras", r"^path=.*: expected a \.keras file"),
        ("", r"^path=.*: expected a \.keras file; for a run directory call alexnet_tf\.load"),
        ("damaged.keras", r"^path=.* cannot be read .*; expected a \.keras file as `save` wrote"),
    ],
)
def test_what_is_no_keras_file_is_refused_in_one_sentence(tmp_path, name, text):
    (tmp_path / "damaged.keras").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(ValueError, match=text) as refused:
        alexnet_tf.load_model(tmp_path / name)
    assert "\n" not in str(refused.value)
