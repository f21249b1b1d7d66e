"""dataset.json."""

import json

import pytest

from pipelines.records import description
from pipelines.records.description import Description, PackedSplit, Shard, Statistics, Undecoded

ONE = Description(
    format="jpeg",
    size=256,
    squares={"resize": 256, "resize_rule": "warp"},
    classes=("a", "b"),
    splits={
        "all": PackedSplit(
            num_examples=3,
            class_counts=(2, 1),
            digest="d",
            shards=(Shard(name="s", num_examples=3, num_bytes=9, sha256="x", index_sha256="y"),),
        )
    },
    statistics=Statistics(
        num_examples=3,
        side=256,
        rgb_mean=(1.0, 2.0, 3.0),
        color_axes=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        color_stdevs=(3.0, 2.0, 1.0),
        mean_image="",
    ),
    undecoded=(Undecoded(split="all", index=1, name="a/\udcff.jpg", reason="it is damaged"),),
    left_out=(("notes.txt", "it is no picture"),),
    origin="folder",
    settings={"quality": 95},
)


def test_a_description_is_read_as_it_was_written():
    assert description.from_text(description.to_text(ONE)) == ONE


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 1}', "null", '"x"'])
def test_what_is_no_description_is_refused(text):
    with pytest.raises(ValueError, match="no description of a packed data set"):
        description.from_text(text)


def test_a_later_version_is_refused():
    found = json.loads(description.to_text(ONE)) | {"format_version": 2}
    with pytest.raises(ValueError, match="format_version=2: expected 1"):
        description.from_text(json.dumps(found))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"format": "webp"}, "format='webp': expected raw or jpeg. Read it with the version of"),
        ({"splits": {}}, "splits are none, but one is expected"),
        ({"squares": None}, "squares=None: expected an object with named values"),
        ({"squares": {}}, "squares={}: expected how they were cut"),
        ({"squares": {"resize": 256, "x": 1}}, "squares=.*: expected how they were cut"),
        ({"squares": {"resize": 256, "resize_rule": "foo"}}, "resize_rule=foo: expected one of"),
        ({"format": "raw", "size": 32}, "size=32, but squares have resize=256, and raw ones are"),
        ({"format": "raw", "size": None}, "size=None, but squares have resize=256, and raw ones"),
        ({"size": "256"}, "size='256': expected a whole number"),
        ({"origin": 5}, "origin=5: expected text"),
        ({"classes": ["a", "b", "c"]}, "class_counts of split 'all' are 2, of 3 classes"),
        ({"undecoded": [{"split": "all", "index": 3, "name": "a", "reason": "b"}]}, "names 3 of"),
        (
            {"undecoded": [{"split": "x", "index": 0, "name": "a", "reason": "b"}]},
            "which is no exa",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(change, words):
    found = json.loads(description.to_text(ONE)) | change
    with pytest.raises(ValueError, match=words):
        description.from_text(json.dumps(found))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"num_examples": "3"}, "num_examples='3': expected a whole number"),
        ({"class_counts": 2}, "class_counts=2: expected a list"),
        ({"shards": [{"name": 5}]}, "no description of a packed data set"),
    ],
)
def test_a_split_of_other_types_is_refused(change, words):
    found = json.loads(description.to_text(ONE))
    found["splits"]["all"] |= change
    with pytest.raises(ValueError, match=words):
        description.from_text(json.dumps(found))
