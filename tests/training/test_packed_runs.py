"""Runs on packed pictures: the same weights as from the folder, and one goes on from the other."""

import dataclasses
import json
import shutil

import packed_sets
import pytest
import tiny

from alexnet_tf import evaluate
from alexnet_tf.errors import UserError
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run
from pipelines.config import InputConfig
from pipelines.records.shards import FRAME_BYTES
from pipelines.sources import open_source

INPUTS = InputConfig(size=67, resize=72)
FORMS = {"original": None, "raw": INPUTS}


def reading(config, place: str, **data):
    """Reads from `place`, not from squares that another run has kept: their digest is the same."""
    values = dataclasses.replace(config.data, source=place, cache="none", cache_dir="", **data)
    return dataclasses.replace(config, data=values)


def weights(run_dir):
    return checkpoint.load(run_dir, "last").weights()


@pytest.fixture(scope="module")
def sets(pictures, tmp_path_factory):
    """The places of the pictures, packed in both forms."""
    root = tmp_path_factory.mktemp("sets")
    return {form: packed_sets.pack(pictures, root / form, inputs) for form, inputs in FORMS.items()}


@pytest.mark.parametrize("form", [pytest.param("original", marks=pytest.mark.slow), "raw"])
@pytest.mark.long
def test_a_run_goes_on_from_packed_pictures_bit_for_bit(
    pictures, sets, undisturbed, tmp_path, form
):
    often = {"save_every_seconds": 1e-9, "steps_per_launch": 1}
    config = tiny.config(pictures, tmp_path, cache="none", **often)
    here, there = config, reading(config, f"records:{sets[form]}")
    if form == "raw":
        here, there = there, here  # begun on the packed set, ended on the folder
    with pytest.raises(KeyboardInterrupt):
        run(here, [tiny.StopAt(5)])
    assert checkpoint.load(tmp_path, "last").step == 4
    assert run(there)[0] == 0
    tiny.assert_equal(weights(tmp_path), weights(undisturbed))
    assert tiny.metrics(tmp_path) == tiny.metrics(undisturbed)
    for name in ("data.json", "classes.txt"):
        assert (tmp_path / name).read_text() == (undisturbed / name).read_text()


def test_raw_squares_are_refused_by_a_network_of_others(pictures, sets, tmp_path):
    config = reading(tiny.config(pictures, tmp_path), f"records:{sets['raw']}")
    inputs = dataclasses.replace(config.network.input, resize=80, resize_rule="warp")
    text = (
        "was packed with resize=72, resize_rule=shorter_side, which cannot be undone; expected the "
        "network's resize=80, resize_rule=warp. Pack the pictures again with what the network "
        "expects, or train a new one with --network.input.resize=72 --network.input.resize_rule="
        "shorter_side."
    )
    with pytest.raises(UserError, match=text):
        run(tiny.with_network(config, input=inputs))


def test_pictures_that_lost_their_orientation_are_refused_where_it_counts(pictures, tmp_path):
    root = packed_sets.pack(pictures, tmp_path / "packed", size=256)
    config = reading(tiny.config(pictures, tmp_path / "run"), f"records:{root}")
    inputs = dataclasses.replace(config.network.input, orientation="apply")
    text = "packed with orientation=ignore, which cannot be undone; expected .* orientation=apply."
    with pytest.raises(UserError, match=text):
        run(tiny.with_network(config, input=inputs))
    kept = packed_sets.pack(pictures, tmp_path / "kept")  # files as they are have lost nothing
    data = dataclasses.replace(config.data, source=f"records:{kept}")
    assert open_source(data, "train", 0, inputs=inputs).num_examples == 30


@pytest.fixture
def damaged(pictures, tmp_path):
    """Packs the pictures in a form and flips one bit in the picture of a training record."""

    def make(form):
        root = tmp_path / "packed"
        packed_sets.pack(pictures, root, FORMS[form])
        path = root / "train-00001-of-00005.tfrecord"
        contents = bytearray(path.read_bytes())
        length = int.from_bytes(contents[:8], "little")
        contents[length + FRAME_BYTES + 200] ^= 1  # of record 1
        path.write_bytes(contents)
        return path

    return make


@pytest.mark.slow
@pytest.mark.parametrize("form", [pytest.param("original", marks=pytest.mark.slow), "raw"])
def test_a_damaged_record_is_named_or_skipped(pictures, damaged, tmp_path, capsys, form):
    path = damaged(form)
    config = tiny.config(pictures, tmp_path / "run", steps=4)
    config = reading(config, f"records:{path.parent}")
    what = f"(record 1 of {path})' cannot be decoded: its record is damaged, as its checksum says"
    with pytest.raises(UserError) as caught:
        run(config)
    assert what in str(caught.value)
    _, result = run(reading(config, config.data.source, on_error="skip"))
    assert 1 <= result["skipped"] <= 2  # 32 rows of 30 examples
    assert result["seen"] + result["skipped"] == 32
    assert f"skipped: 'train/bright/8.jpg {what}" in capsys.readouterr().err


@pytest.mark.long
def test_what_could_not_be_packed_says_why(pictures, undisturbed, tmp_path, capsys):
    shutil.copytree(pictures, tmp_path / "pictures")
    (tmp_path / "pictures" / "val" / "red" / "3.jpg").write_bytes(b"text")
    root = packed_sets.pack(tmp_path / "pictures", tmp_path / "packed", INPUTS)
    source = f"--data.source=records:{root}"
    call = [f"--run_dir={undisturbed}", source]
    assert evaluate.main([*call, "--data.on_error=skip"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out.splitlines()[-1])
    assert (found["seen"], found["skipped"]) == (14, 1)
    what = f"val/red/3.jpg (record 6 of {root}/val-00001-of-00003.tfrecord)' cannot be decoded: it"
    assert f"skipped: '{what} is odd" in said.err
    with pytest.raises(UserError, match="cannot be decoded: it is odd. Mend or remove"):
        evaluate.main(call)


@pytest.mark.long
def test_a_run_on_staged_shards_is_evaluated_on_pictures_that_are_not(
    pictures, sets, tmp_path, capsys
):
    config = tiny.config(pictures, tmp_path / "run", steps=1)
    staged = {"stage": str(tmp_path / "stage")}
    run(reading(config, f"records:{sets['raw']}", **staged))
    assert len(list((tmp_path / "stage").rglob("*.tfrecord"))) == 8
    call = [f"--run_dir={tmp_path / 'run'}", f"--data.source=folder:{pictures}"]
    assert evaluate.main(call) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["seen"] == 15


@pytest.mark.slow
def test_any_split_is_evaluated_by_its_name(pictures, sets, undisturbed, capsys):
    source = f"--data.source=records:{sets['raw']}"
    for split, seen in (("train", 30), ("val", 15), ("all", 45)):
        call = [f"--run_dir={undisturbed}", f"--split={split}"]
        assert evaluate.main([*call, source]) == 0
        packed_result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert evaluate.main(call) == 0
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert packed_result["loss"] == result["loss"]
        assert (packed_result["split"], packed_result["seen"]) == (split, seen)
    with pytest.raises(UserError, match="split='tset': expected one that data.source='records:"):
        evaluate.main([f"--run_dir={undisturbed}", "--split=tset", source])
