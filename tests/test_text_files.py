"""Text files as editors write them, and messages about a thousand classes."""

import codecs
import json
import sys

import pytest

from alexnet_tf import convert
from alexnet_tf.command_line import keras_backend
from alexnet_tf.errors import UserError, listed
from pipelines.config import DataConfig
from pipelines.sources import open_source

NAMES = ("tench", "cock, fowl", "crème", "日本")


def written(tmp_path, contents):
    (tmp_path / "names.txt").write_bytes(contents)
    return str(tmp_path / "names.txt")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("after", ["", "\n", "\n\n \n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-sig", "utf-32"])
def test_every_way_to_write_names_is_read(tmp_path, encoding, end, after):
    text = end.join(NAMES) + after
    if encoding == "utf-16-be-sig":
        contents = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
    else:
        contents = text.encode(encoding)
    assert convert.read_classes(written(tmp_path, contents), 4) == NAMES


def test_letters_that_are_no_ends_of_lines_stay_in_names(tmp_path):
    names = ("a\x0bb", "c\u2028d", "e\x85f")
    contents = "\n".join(names).encode()
    assert convert.read_classes(written(tmp_path, contents), 3) == names


def test_bytes_that_are_not_utf_8_stay(tmp_path):
    (name,) = convert.read_classes(written(tmp_path, b"cr\xe8me\n"), 1)
    assert name.encode("utf-8", "surrogateescape") == b"cr\xe8me"


@pytest.mark.parametrize(
    "contents, text",
    [
        ("a\nb".encode("utf-16-le"), "has zero bytes; expected text. Save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"a\0b", "begins as utf-16, but truncated data. Save it as UTF-8"),
        (b"a\n\nb\n", "has 2 names in 3 lines; expected 2"),
        (b"", "has 0 names in 0 lines; expected 2"),
        (b"a\nb\nc\n", "has 3 names in 3 lines; expected 2"),
    ],
)
def test_what_is_no_list_of_names_is_refused_with_the_reason(tmp_path, contents, text):
    with pytest.raises(UserError, match=f"classes=.*{text}"):
        convert.read_classes(written(tmp_path, contents), 2)


def test_a_directory_is_no_file_of_names(tmp_path):
    with pytest.raises(UserError, match="classes=.*Is a directory"):
        convert.read_classes(str(tmp_path), 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_keras_own_file_may_begin_with_a_mark(tmp_path, monkeypatch, encoding):
    (tmp_path / "keras.json").write_bytes(json.dumps({"backend": "jax"}).encode(encoding))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)  # as in a command, before it starts
    if encoding == "utf-8":
        with pytest.raises(UserError, match="jax: expected tensorflow"):
            keras_backend.check_keras()
    else:  # Keras ignores a file that it cannot read
        keras_backend.check_keras()


def test_a_thousand_classes_that_a_network_does_not_know_make_a_short_message(tmp_path):
    for index in range(1000):
        (tmp_path / f"n{index:08}").mkdir()
        (tmp_path / f"n{index:08}" / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    classes = tuple(f"m{index:08}" for index in range(1000))
    config = DataConfig(source=f"folder:{tmp_path}")
    with pytest.raises(ValueError, match="n00000000.* and 995 more; expected some") as caught:
        open_source(config, "all", 0, classes)
    assert len(str(caught.value)) < 600


def test_a_list_is_cut_by_number_and_by_length():
    assert listed([]) == "nothing" and listed("abc", 2) == "a, b and 1 more"
    assert len(listed(["x" * 5000] * 20)) < 1000
