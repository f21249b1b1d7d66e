"""Tensors in every form and of every type that PyTorch stores."""

import foreign
import numpy as np
import pytest
import tiny

from alexnet_tf.errors import UserError
from alexnet_tf.weights import formats, layouts

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

FLOAT8 = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"]
CONFIG = foreign.small("torchvision")
WEIGHTS = foreign.weights(CONFIG)
STATE = {
    name: torch.from_numpy(array)
    for name, array in layouts.from_ours(WEIGHTS, layouts.TORCHVISION, CONFIG).items()
}


def load(path):
    return formats.load(str(path), CONFIG)[1]


def odd_tensors() -> dict:
    """Stores the same weights in all the forms of tensors."""
    state = dict(STATE)
    first, second, *_ = state
    state[first] = torch.nn.Parameter(state[first])
    state[second] = torch.nn.Parameter(state[second])
    state[second].note = "with a state"
    state["features.3.weight"] = state["features.3.weight"].clone()
    state["features.3.weight"].note = "an attribute"
    turned = state["classifier.4.weight"].t().contiguous().t()
    state["classifier.4.weight"] = turned  # not contiguous
    both = torch.cat([state["features.3.bias"], state["features.6.bias"]])
    state["features.3.bias"], state["features.6.bias"] = (
        both[: len(state["features.3.bias"])],
        both[-len(state["features.6.bias"]) :],
    )
    state["features.0.num_batches_tracked"] = torch.tensor(3)
    state["storage"] = torch.zeros(3).untyped_storage()
    state["empty"] = torch.zeros(0, 3, dtype=torch.int32)
    return state


@pytest.mark.parametrize("is_zip", [True, False])
def test_every_form_of_a_tensor_is_read(tmp_path, is_zip):
    torch.save(odd_tensors(), tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip)
    tiny.assert_equal(load(tmp_path / "a.pth"), WEIGHTS)


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16", *FLOAT8])
@pytest.mark.parametrize("end", [".pth", ".safetensors"])
def test_every_type_is_read_as_pytorch_reads_it(tmp_path, kind, end):
    path, state = tmp_path / f"a{end}", {x: t.to(getattr(torch, kind)) for x, t in STATE.items()}
    if end == ".pth":
        torch.save(state, path)
    else:
        pytest.importorskip("safetensors.torch").save_file(state, path)
    expected = {name: tensor.float().numpy() for name, tensor in state.items()}
    tiny.assert_equal(load(path), layouts.to_ours(expected, layouts.TORCHVISION, CONFIG)[1])


@pytest.mark.parametrize("kind", [*FLOAT8, "float16", "bfloat16"])
def test_every_number_of_a_small_type_is_pytorchs(tmp_path, kind):
    bits = torch.arange(256, dtype=torch.uint8)
    numbers = bits.view(getattr(torch, kind))
    torch.save({"w": numbers}, tmp_path / "a.pth")
    found = formats.read(str(tmp_path / "a.pth"), formats.FORMATS[".pth"])["w"].read()
    np.testing.assert_array_equal(found.astype(np.float32), numbers.float().numpy())


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda x: x.to(torch.float8_e8m0fnu), "is of type float8_e8m0fnu, expected an array of"),
        (lambda x: x.to(torch.complex64), "is of type complex64, expected"),
        (lambda x: x > 0, "is of type bool, expected"),
        (lambda x: x.to_sparse(), "is of type torch._utils._rebuild_sparse_tensor, expected"),
        (lambda x: x * float("nan"), "values that are not finite"),
        (lambda x: x.double() * 1e300, "values that are not finite"),
        (lambda x: x.tolist(), "is of type builtins.list, expected"),
    ],
)
def test_weights_that_cannot_be_read_are_named_with_their_type(tmp_path, change, text):
    state = STATE | {"features.3.weight": change(STATE["features.3.weight"])}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UserError, match=f"conv2: features.3.weight .*{text}"):
        load(tmp_path / "a.pth")


def test_weights_may_be_changed_after_they_were_read(tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    for array in load(tmp_path / "a.pth").values():
        array += 1
