"""State dicts further inside of a file, in collections of any class, and beside any objects."""

import collections
import types

import pytest
import tiny
from test_convert_pytorch import STATE, WEIGHTS, Small, load, prefixed, torch  # or skips

from alexnet_tf.errors import UserError
from alexnet_tf.weights import pytorch, state_dicts


class Dictionary(dict):
    """Of a program that is not there when its file is read."""


def averaged() -> dict:
    """Makes another state dict of the same names."""
    return {name: tensor + 1 for name, tensor in STATE.items()}


def circle() -> types.SimpleNamespace:
    """Objects that know each other, as schedulers and optimizers do."""
    one, other = types.SimpleNamespace(tensor=torch.ones(3)), types.SimpleNamespace()
    one.other, other.other = other, one
    return one


PLACES = {
    "in another": lambda: {"net": prefixed("module.model.")},
    "wrapped in another": lambda: {"net": {"state_dict": STATE, "epoch": 3}},
    "far inside": lambda: {"a": {"b": [{"c": STATE}]}},
    "in a tuple": lambda: (3, STATE),
    "of another class": lambda: {"state_dict": Dictionary(STATE)},
    "all of other classes": lambda: collections.defaultdict(int, Dictionary(net=STATE)),
    "the wrapped of two": lambda: {"ema": averaged(), "model": STATE},
    "nearest of two": lambda: {"ema": {"shadow": averaged(), "decay": 0.9}, "net": STATE},
    "largest of all": lambda: {"net": {"x": STATE}, "optimizer": {0: {"a": torch.ones(3)}}},
    "a network": lambda: {"net": Small(), "epoch": 3},
    "a network beside nothing": lambda: {"model": None, "ema": Small()},
    "beside a circle": lambda: {"trainer": circle(), "net": STATE, "x": [circle()]},
}


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.filterwarnings("ignore:.*retrieve source code:UserWarning")
def test_weights_are_found_wherever_they_are(tmp_path, place, is_zip):
    torch.save(PLACES[place](), tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip)
    tiny.assert_equal(load(tmp_path / "a.pth"), WEIGHTS)


def test_several_equals_are_named_by_the_keys_that_lead_to_them(tmp_path):
    torch.save({"a": {"net": STATE}, "b": {"net": averaged()}}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"several state dicts: a\.net, b\.net\. Save one"):
        load(tmp_path / "a.pth")


def test_a_network_without_an_end_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(state_dicts, "MOST_ITEMS", 50)
    end = circle()
    for _ in range(30):  # each of two ways leads to the next
        end = types.SimpleNamespace(left=end, right=end)
    torch.save({"trainer": end, "net": STATE}, tmp_path / "a.pth")
    tiny.assert_equal(load(tmp_path / "a.pth"), WEIGHTS)


@pytest.mark.parametrize("limit", [2**25, 1000])  # as it is, and as if the arrays were large
def test_arrays_of_numpy_may_be_the_weights(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(pytorch, "LARGE_PICKLE_BYTES", limit)
    arrays = {name: tensor.numpy() for name, tensor in STATE.items()}
    torch.save({"net": arrays, "beside": "x" * 5000}, tmp_path / "a.pth")
    tiny.assert_equal(load(tmp_path / "a.pth"), WEIGHTS)


def test_a_large_pickle_is_checked_too(tmp_path, monkeypatch):
    monkeypatch.setattr(pytorch, "LARGE_PICKLE_BYTES", 1000)
    torch.save({name: tensor.numpy() for name, tensor in STATE.items()}, tmp_path / "a.pth")
    contents = bytearray((tmp_path / "a.pth").read_bytes())
    contents[len(contents) // 2] ^= 1
    (tmp_path / "b.pth").write_bytes(contents)
    with pytest.raises(UserError, match="an entry with another checksum"):
        load(tmp_path / "b.pth")
