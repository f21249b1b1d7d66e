"""As a SavedModel that a process without our code serves."""

import in_new_process
import numpy as np
import pytest
from cases import CASES, LAYERS, NETWORKS, assert_near, case_with, model_of, names

PART = 1e-5  # sums of some hundred products in another order


def exported(folder, lines):
    """Exports all lines, and has a new process serve them."""
    for name in lines:
        if "saved_model" not in CASES[name].lacks:
            np.save(folder / f"{name}.input.npy", CASES[name].input())
            model_of(name).export(folder / f"{name}.saved", verbose=False)
    in_new_process.answers("saved_model", folder)
    return folder


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("layers"), LAYERS)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("networks"), NETWORKS)


@pytest.mark.parametrize("name", names(is_slow=True))
def test_saved_model(name, request):
    case = case_with(name, "saved_model")
    folder = request.getfixturevalue("layers" if name in LAYERS else "networks")
    with np.load(folder / f"{name}.saved_model.npz") as found:
        assert_near(dict(found), {"output": model_of(name)(case.input(), training=False)}, PART)
