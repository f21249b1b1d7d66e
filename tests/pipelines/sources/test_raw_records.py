"""Raw squares, mapped into memory where they can be, and read record by record elsewhere."""

import dataclasses
import hashlib

import numpy as np
import packed_sets
import pytest

from pipelines.config import DataConfig, InputConfig
from pipelines.dataset import eval_dataset, train_dataset
from pipelines.decode import explain
from pipelines.mapped import mapped
from pipelines.packing.pack import pack
from pipelines.packing.settings import Format, Packing
from pipelines.records import description, index
from pipelines.source import bare_name
from pipelines.sources import open_source, raw_records

INPUTS = InputConfig(size=16, resize=24)
DATA = DataConfig(color_noise=0.0)


def raw(root, split="train", service=""):
    config = DataConfig(source=f"records:{root}", held_out=0.3, service=service)
    return open_source(config, split, 0, inputs=INPUTS)


def record_by_record(root, split="train"):
    """As the workers of a service read it."""
    source = raw(root, split, "grpc://host:5050")
    assert source.memory is None
    return source


def batches(source):
    """Evaluation's and some of training's, as arrays."""
    chains = eval_dataset(source, INPUTS, 4), train_dataset(source, DATA, INPUTS, 5, 0, 4).take(9)
    return [np.concatenate(columns) for ds in chains for columns in zip(*_arrays(ds), strict=True)]


def _arrays(ds):
    return list(ds.as_numpy_iterator())


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def root(pictures, tmp_path):
    """A packed set of several shards, with a picture that cannot be decoded."""
    output = tmp_path / "raw"
    places = {"input": str(pictures), "output": str(output)}
    packing = Packing(format=Format.RAW, size=24, shard_examples=7, **places)
    pack(packing, lambda done, total: None, lambda text: None)
    return output


@pytest.mark.parametrize(
    "split", ["val", *(pytest.param(x, marks=pytest.mark.slow) for x in ("train", "all"))]
)
@pytest.mark.long
def test_mapped_squares_are_those_of_the_pictures(pictures, root, split):
    source = raw(root, split)
    assert source.memory is not None
    assert len(source.origin.shards) > 1
    found = batches(source)
    folder = DataConfig(source=f"folder:{pictures}", held_out=0.3)
    assert_same(found, batches(open_source(folder, split, 0)))
    assert_same(found, batches(record_by_record(root, split)))


def test_a_damaged_square_keeps_its_place_as_zeros_and_is_explained(root):
    path = sorted(root.glob("train-*.tfrecord"))[1]
    row = index.from_bytes(path.with_name(path.name + index.SUFFIX).read_bytes()).rows[2]
    contents = bytearray(path.read_bytes())
    before = batches(raw(root))
    contents[int(row["square"]) + 24 * 24 * 3 - 1] ^= 1
    path.write_bytes(contents)
    found = batches(raw(root))
    image, _, label, mask, number = found[:5]
    assert (number[9], mask[9], label[9], image[9].any()) == (9, False, 0, False)
    others = number != 9
    assert_same([x[others] for x in found[:5]], [x[others] for x in before[:5]])
    assert_same(found, batches(record_by_record(root)))
    assert explain(raw(root), 9) == "its record is damaged, as its checksum says"


@pytest.mark.slow
def test_squares_of_a_set_without_their_places_are_read_record_by_record(pictures, tmp_path):
    source = raw(packed_sets.pack(pictures, tmp_path, INPUTS))  # with indexes of version 1
    assert source.memory is None
    folder = DataConfig(source=f"folder:{pictures}", held_out=0.3)
    assert_same(batches(source), batches(open_source(folder, "train", 0)))


def test_squares_are_mapped_only_where_all_indexes_have_their_places(root):
    path = sorted(root.glob("train-*.index"))[-1]
    contents, found = path.read_bytes(), index.from_bytes(path.read_bytes())
    before = batches(raw(root))
    columns = [found.rows[name].tolist() for name in ("offset", "num_bytes", "label")]
    names = [found.name(place) for place in range(len(found))]
    old = index.to_bytes(index.make(*columns, names))
    path.write_bytes(old)
    sums = [hashlib.sha256(x).hexdigest() for x in (contents, old)]
    about = root / description.FILE
    about.write_text(about.read_text().replace(*sums))
    assert raw(root).memory is None
    assert_same(batches(raw(root)), before)


def test_squares_outside_of_their_file_are_refused(root):
    path = sorted(root.glob("train-*.index"))[-1]
    found = index.from_bytes(path.read_bytes())
    rows = found.rows.copy()
    rows["square"][-1] += 1000
    path.write_bytes(index.to_bytes(dataclasses.replace(found, rows=rows)))
    with pytest.raises(ValueError, match="it has squares that end outside of their file. Copy it"):
        raw(root)


@pytest.mark.slow
def test_files_that_cannot_be_mapped_are_read_record_by_record(root, monkeypatch):
    before = batches(raw(root))

    def too_large(paths, sizes):
        return mapped(paths, [2**62 for _ in sizes])

    monkeypatch.setattr(raw_records, "mapped", too_large)
    source = raw(root)
    assert source.memory is None
    assert_same(batches(source), before)


def test_squares_are_called_as_their_pictures_were(root):
    source = raw(root)
    assert bare_name(source, 0) == "train/bright/0.jpg"
    assert source.name(0).startswith("train/bright/0.jpg (record 0 of ")
