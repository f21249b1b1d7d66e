"""Whatever lies in a folder: each is packed, or stands in the report with its reason."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import bad_pictures
import numpy as np
import packed as p
import pytest
import tensorflow as tf

from pipelines.config import Orientation, ResizeRule
from pipelines.decode import MAX_PIXELS, decode, to_square
from pipelines.packing.check import Check
from pipelines.packing.verify import verify
from pipelines.parallelism import decoding
from pipelines.sources.folder import folder

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """A folder with every kind, in one class; and a second class."""
    root = tmp_path_factory.mktemp("strange")
    (root / "all").mkdir()
    (root / "other").mkdir()
    contents = bad_pictures.good() | {name: x for name, (x, _) in bad_pictures.bad().items()}
    for name, encoded in contents.items():
        (root / "all" / name).write_bytes(encoded)
    (root / "other/1.jpg").write_bytes(contents["grey.jpg"])
    os.mkfifo(root / "all/pipe")
    (root / "all/link.jpg").symlink_to(root / "nowhere")
    (root / "all/notes.txt").write_text("text")
    (root / "all/deeper").mkdir()
    (root / "alone.jpg").write_bytes(contents["grey.jpg"])
    return root


@pytest.mark.parametrize("kind", ["jpeg", "raw", "original"])
@pytest.mark.long
def test_every_kind_is_packed_or_reported_with_its_reason(strange, tmp_path, kind):
    settings = {"size": "original"} if kind == "original" else {"format": kind, "size": 40}
    found = p.packed(strange, tmp_path / "set", **settings)
    reasons = {f"all/{name}": reason for name, (_, reason) in bad_pictures.bad().items()}
    reasons["all/link.jpg"] = "the file is gone"
    assert {one.name: one.reason for one in found.undecoded} == reasons
    assert found.left_out == (
        ("all/deeper/", "a folder that is neither train, val nor a class"),
        ("all/notes.txt", "no picture"),
        ("all/pipe", "no picture"),
        ("alone.jpg", "a picture in no class"),
    )
    source, examples = folder(str(strange), "all", 0.1), p.examples(tmp_path / "set", "all")
    assert [example["name"] for example in examples] == list(source.files)
    assert found.splits["all"].digest == source.digest
    for file, example in zip(source.files, examples, strict=True):
        if kind == "original":
            path = strange / file
            assert example["image/encoded"] == (path.read_bytes() if path.exists() else b"")
        else:
            assert (example["image/encoded"] == b"") == (file in reasons)
    assert verify(str(tmp_path / "set"), lambda done, total: None)[1] == []


@pytest.mark.parametrize(
    "settings", [{"size": "original"}, {"size": 40}, {"format": "raw", "size": 40}]
)
def test_pictures_of_every_split_are_decoded(pictures, tmp_path, settings):
    shutil.copytree(pictures, tmp_path / "in")
    for split in ("train", "val"):
        cut = tmp_path / "in" / split / "dark/1.jpg"
        cut.write_bytes(cut.read_bytes()[:-400])  # its header is whole
    found = p.packed(tmp_path / "in", tmp_path / "set", **settings)
    assert [one.name for one in found.undecoded] == ["train/dark/1.jpg", "val/dark/1.jpg"]
    assert verify(str(tmp_path / "set"), lambda done, total: None)[1] == []
    path = tmp_path / "set/dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"undecoded": []}))
    wrong = verify(str(tmp_path / "set"), lambda done, total: None)[1]
    assert [(x.file[:3], x.record) for x in wrong] == [("tra", 11), ("val", 6)]


def test_a_picture_of_any_size_is_decoded_when_it_is_checked(pictures, tmp_path):
    found = p.packed(pictures / "val", tmp_path / "set", size="original")
    check = Check(tmp_path / "set", found, decoding(MAX_PIXELS))
    is_sound = tf.function(lambda x: check._is_sound(x, tf.constant(MAX_PIXELS)))
    picture = (pictures / "val/dark/1.jpg").read_bytes()
    assert is_sound(tf.constant(picture))
    with pytest.raises(tf.errors.InvalidArgumentError):
        is_sound(tf.constant(picture[:-400]))


@pytest.mark.long
def test_a_picture_is_turned_as_its_exif_says_where_that_is_asked_for(strange, tmp_path):
    encoded = tf.constant((strange / "all/turned.jpg").read_bytes())
    for orientation in Orientation:
        output = tmp_path / orientation
        found = p.packed(strange, output, format="raw", size=40, orientation=orientation)
        assert found.squares["orientation"] == orientation
        stored = {x["name"]: x["image/encoded"] for x in p.examples(output, "all")}
        square = to_square(decode(encoded, orientation), 40, ResizeRule.SHORTER_SIDE).numpy()
        np.testing.assert_array_equal(
            np.frombuffer(stored["all/turned.jpg"], np.uint8).reshape(40, 40, 3), square
        )


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda root: (root / "c").mkdir(), "no picture in the class folder 'c', it is empty"),
        (lambda root: (root / "a/1.jpg").unlink(), "no picture in the class folder 'a'"),
    ],
)
def test_folders_that_folder_refuses_are_refused_alike(tmp_path, make, message):
    for name in "ab":
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "1.jpg").write_bytes(b"\xff\xd8\xff")
    make(tmp_path / "in")
    with pytest.raises(ValueError, match=message):
        p.packed(tmp_path / "in", tmp_path / "set")
    assert not (tmp_path / "set.unfinished").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_refused(pictures, tmp_path):
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/a").chmod(0)
    with pytest.raises(ValueError, match="cannot be read: Permission denied"):
        p.packed(tmp_path / "in", tmp_path / "set")


def test_a_set_of_which_nothing_can_be_decoded_is_packed_without_statistics(tmp_path):
    for name in "ab":
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "1.jpg").write_bytes(b"no picture")
    found = p.packed(tmp_path / "in", tmp_path / "set", size=32)
    assert found.statistics is None
    assert len(found.undecoded) == 2


def test_a_passing_read_error_stops_and_the_packing_goes_on(pictures, tmp_path, monkeypatch):
    from pipelines.packing import pack

    monkeypatch.setattr(pack.examples, "decode", lambda *rest: tf.zeros([0, 0, 3], tf.uint8))
    with pytest.raises(OSError, match="was not read: reading it failed for .* Start the same"):
        p.packed(pictures, tmp_path / "set", size=32)
    monkeypatch.undo()
    p.packed(pictures, tmp_path / "set", size=32)


def test_pictures_that_go_away_stop_a_packing(pictures, tmp_path, monkeypatch):
    shutil.copytree(pictures, tmp_path / "input")
    from pipelines.packing import pack

    def unmounted(*arguments, room=pack._check_room):
        room(*arguments)
        shutil.rmtree(tmp_path / "input/train/dark")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="/dark/.* was not read: "):
        patched.setattr(pack, "_check_room", unmounted)
        p.packed(tmp_path / "input", tmp_path / "set", size=32)
    assert not (tmp_path / "set").exists()


def test_a_picture_that_is_cut_short_while_it_is_packed_is_an_error(
    pictures, tmp_path, monkeypatch
):
    shutil.copytree(pictures, tmp_path / "input")
    from pipelines.packing import pack

    def cut(*arguments, room=pack._check_room):
        room(*arguments)
        (tmp_path / "input/train/dark/0.jpg").write_bytes(b"\xff\xd8\xff")

    monkeypatch.setattr(pack, "_check_room", cut)
    with pytest.raises(OSError, match="/dark/0.jpg' has 3 bytes, expected .* it was changed while"):
        p.packed(tmp_path / "input", tmp_path / "set", size=32)


@pytest.mark.parametrize(
    "settings", [{"size": 32, "format": "raw"}, {"size": 32}, {"size": "original"}]
)
def test_a_file_that_no_record_holds_is_reported_unread(tmp_path, settings):
    good = bad_pictures.good()["grey.jpg"]
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(good)
    os.truncate(tmp_path / "in/a/2.jpg", 3 << 30)  # the rest is a hole
    found = p.packed(tmp_path / "in", tmp_path / "set", **settings)
    ((name, reason),) = [(one.name, one.reason) for one in found.undecoded]
    assert name == "a/2.jpg"
    assert reason == "it has 3221225472 bytes; at most 1073741824 are taken"
    assert [len(x["image/encoded"]) > 0 for x in p.examples(tmp_path / "set", "all")] == [1, 0, 1]
    assert found.splits["all"].digest == folder(str(tmp_path / "in"), "all", 0.1).digest
    assert verify(str(tmp_path / "set"), lambda done, total: None)[1] == []


def test_mutated_pictures_are_all_accounted_for(tmp_path):
    found = bad_pictures.pack_corpus(tmp_path, 40, seed=1)
    assert found.total() == 40
    assert 4 < found["decoded"] < 36


@pytest.mark.slow
def test_ten_thousand_mutated_pictures_are_all_accounted_for_in_bounded_memory():
    code = "import resource, sys, runpy; sys.argv = ['bad_pictures.py', '10000', '2']; "
    code += "runpy.run_path('bad_pictures.py', run_name='__main__'); "
    code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=pathlib.Path(__file__).parent,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{pathlib.Path(__file__).parent}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *rows, kilobytes = done.stdout.splitlines()
    assert sum(int(row.split()[0].replace(",", "")) for row in rows) == 10_000
    assert int(kilobytes) < 1_500_000
