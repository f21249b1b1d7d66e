"""As a SavedModel that a process without our code serves."""

import in_new_process
import numpy as np
import pytest
from cases import CASES, LAYERS, NETWORKS, assert_near, case_with, model_of, names

PART = 1e-5  # sums of some hundred products in another order


def exported(folder, lines):
    """Exports all lines, and has a new process serve them: the folder, what it should give."""
    expected = {}
    for name in lines:
        if "saved_model" in CASES[name].lacks:
            continue
        model, x = model_of(name), CASES[name].input()
        np.save(folder / f"{name}.input.npy", x)
        model.export(folder / f"{name}.saved", verbose=False)
        expected[name] = {"output": model(x, training=False)}
    in_new_process.answers("saved_model", folder)
    return folder, expected


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("layers"), LAYERS)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("networks"), NETWORKS)


@pytest.mark.parametrize("name", names(is_slow=True))
def test_saved_model(name, request):
    case_with(name, "saved_model")
    folder, expected = request.getfixturevalue("layers" if name in LAYERS else "networks")
    with np.load(folder / f"{name}.saved_model.npz") as found:
        assert_near(dict(found), expected[name], PART)
