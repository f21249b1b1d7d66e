"""State dicts as people have them: wrapped, prefixed, and beside all that a program may save."""

import argparse
import collections
import datetime
import enum
import os
import pathlib
import random

import foreign
import numpy as np
import pytest
import tiny

from alexnet_tf.errors import UserError
from alexnet_tf.weights import formats, layouts

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

CONFIG = foreign.small("torchvision")
WEIGHTS = foreign.weights(CONFIG)
STATE = collections.OrderedDict(
    (name, torch.from_numpy(array))
    for name, array in layouts.from_ours(WEIGHTS, layouts.TORCHVISION, CONFIG).items()
)


class Color(enum.Enum):
    RED = 1


class Custom:
    """Of a program that is not there when its file is read."""

    def __init__(self):
        self.values, self.weight = [1, {2: 3}], torch.ones(3, 3)

    def __reduce__(self):
        return Custom, (), self.__dict__, iter([1, 2]), iter({"a": 1}.items())


class CustomList(list):
    pass


def beside() -> dict:
    """Makes what training programs save next to their weights."""
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    return {
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": scheduler.state_dict(),
        "scheduler": scheduler,
        "args": argparse.Namespace(lr=0.1, out=pathlib.Path("a"), device=torch.device("cpu")),
        "rng": {
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(),
            3: random.getstate(),
        },
        "torch_rng_state": torch.get_rng_state(),
        "counts": collections.defaultdict(list, {"a": [1.5, None, True]}),
        "when": datetime.datetime(2012, 9, 30),
        "color": Color.RED,
        "custom": [Custom(), CustomList([1]), {1, 2}, frozenset([3]), 2**200, 1 + 2j],
        "best": np.float64(0.5),
        "loss": torch.tensor(0.25),
        "epoch": 90,
        "dtype": torch.float16,
        "generator": (np.random.default_rng(0), np.arange(3), np.array([{}, "text"], object)),
    }


def load(path, config=CONFIG):
    return formats.load(str(path), config)[1]


def prefixed(prefix: str) -> dict:
    return {f"{prefix}{name}": tensor for name, tensor in STATE.items()}


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, **beside()},
        lambda state: {"model": state, **beside()},
        lambda state: {**beside(), "model_state_dict": state},
        lambda state: {"model": {"state_dict": state, "epoch": 3}, "model_ema": state},
        lambda state: {"net": state, "acc": 91.5, **beside()},
    ],
    ids=["bare", "state_dict", "model", "model_state_dict", "nested", "net"],
)
def test_weights_are_found_and_what_is_beside_them_skipped(tmp_path, wrap, is_zip):
    torch.save(wrap(STATE), tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip)
    tiny.assert_equal(load(tmp_path / "a.pth"), WEIGHTS)


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "_orig_mod.module.", "model._orig_mod.model."]
)
@pytest.mark.parametrize("end", [".pth", ".ckpt", ".safetensors"])
def test_prefixes_are_removed_in_any_nesting(tmp_path, prefix, end):
    path = tmp_path / f"a{end}"
    if end == ".safetensors":
        pytest.importorskip("safetensors.torch").save_file(prefixed(prefix), path)
    else:
        torch.save({"state_dict": prefixed(prefix)}, path)
    tiny.assert_equal(load(path), WEIGHTS)


@pytest.mark.parametrize(
    "prefix, named",
    [("xmodule.", "xmodule.features.0.weight"), ("net.model.", "net.model.features.0.weight")],
)
def test_only_whole_beginnings_are_prefixes(tmp_path, prefix, named):
    torch.save(prefixed(prefix), tmp_path / "a.pth")
    with pytest.raises(UserError, match=f"missing features.0.weight, .*unknown {named}, "):
        load(tmp_path / "a.pth")


def test_two_names_that_are_one_without_prefixes_are_refused(tmp_path):
    torch.save(STATE | prefixed("module."), tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"0.weight and module.features.0.weight are both features"):
        load(tmp_path / "a.pth")


def test_several_networks_in_one_file_are_named(tmp_path):
    other = {name: tensor + 1 for name, tensor in STATE.items()}
    torch.save({"first": STATE, "second": other, "epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(UserError, match="several state dicts: first, second. Save one"):
        load(tmp_path / "a.pth")


def test_counters_beside_the_weights_are_no_weights(tmp_path):
    averaged = {"n_averaged": torch.tensor(5), **prefixed("module.")}  # torch.optim.swa_utils
    torch.save(averaged, tmp_path / "a.pth")
    tiny.assert_equal(load(tmp_path / "a.pth"), WEIGHTS)


class Small(torch.nn.Module):
    """As torchvision builds it, in the sizes of CONFIG."""

    def __init__(self):
        super().__init__()
        self.features, self.classifier = torch.nn.Module(), torch.nn.Module()
        for name, tensor in STATE.items():
            part, place, _ = name.split(".")
            if name.endswith("weight"):
                out, inside, *sides = tensor.shape
                make = torch.nn.Conv2d if sides else torch.nn.Linear
                getattr(self, part).add_module(place, make(inside, out, *sides[:1]))
        self.load_state_dict(STATE)

    def forward(self, x):
        return x


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("wrap", [lambda x: x, torch.nn.DataParallel, lambda x: {"model": x}])
@pytest.mark.filterwarnings("ignore:.*retrieve source code:UserWarning")
def test_a_network_saved_whole_is_read_without_its_classes(tmp_path, is_zip, wrap):
    torch.save(wrap(Small()), tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip)
    tiny.assert_equal(load(tmp_path / "a.pth"), WEIGHTS)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_script_of_a_network_is_read_without_running_it(tmp_path):
    torch.jit.script(Small()).save(tmp_path / "a.pt")
    tiny.assert_equal(load(tmp_path / "a.pt"), WEIGHTS)


class Harm:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return (os.system, ("touch harmed",))


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_beside_the_weights_is_skipped_and_code_that_makes_them_named(
    tmp_path, monkeypatch, is_zip
):
    monkeypatch.chdir(tmp_path)
    beside = {"state_dict": STATE | {"extra_state": Harm()}, Harm(): Harm(), "args": [Harm()]}
    torch.save(beside, "a.pth", _use_new_zipfile_serialization=is_zip)
    tiny.assert_equal(load("a.pth"), WEIGHTS)
    inside = STATE | {"features.3.weight": Harm()}
    torch.save(inside, "b.pth", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(
        UserError, match="conv2: features.3.weight is of type (posix|nt).system, ex"
    ):
        load("b.pth")
    assert not (tmp_path / "harmed").exists()
    torch.load("b.pth", weights_only=False)  # which does run it
    assert (tmp_path / "harmed").exists()
