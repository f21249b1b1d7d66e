"""As JSON and as a `.keras` file, read in a new process: the same bits, also after a step."""

import in_new_process
import numpy as np
import pytest
from cases import CASES, LAYERS, NETWORKS, case_with, names

pytestmark = pytest.mark.filterwarnings(  # Keras 3.15 saves with an older protocol of NumPy
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def written(folder, lines):
    """Stores all lines, and has a new process read them: the folder, what it should have found."""
    expected = {}
    for name in lines:
        if "round_trip" in CASES[name].lacks:
            continue
        model, x = CASES[name].make("float32"), CASES[name].input()
        for number, weight in enumerate(model.weights):  # others than any initializer draws
            weight.assign(weight + np.float32(0.01) * number)
        np.save(folder / f"{name}.input.npy", x)
        (folder / f"{name}.json").write_text(model.to_json())
        model.save(folder / f"{name}.keras")
        y = model(x)
        expected[name] = {"loaded": y, "json": y, "dropped": model(x, training=True)}
        in_new_process.learn(model, x)
        expected[name] |= {"learned": model(x)}
    in_new_process.answers("round_trip", folder)
    return folder, expected


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    return written(tmp_path_factory.mktemp("layers"), LAYERS)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return written(tmp_path_factory.mktemp("networks"), NETWORKS)


@pytest.mark.parametrize("name", names(is_slow=True))
def test_round_trip(name, request):
    case_with(name, "round_trip")
    folder, expected = request.getfixturevalue("layers" if name in LAYERS else "networks")
    with np.load(folder / f"{name}.round_trip.npz") as found:
        assert set(found.files) == set(expected[name])
        for key, values in expected[name].items():
            np.testing.assert_array_equal(found[key], values, err_msg=key)


@pytest.mark.parametrize("name", names(LAYERS))
def test_config_holds_all_arguments(name):
    layer = case_with(name, "round_trip").make("float32").layers[-1]
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
