"""Folders of pictures: which files count, how they are split, and what is refused."""

import io
import os
import pathlib
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import decode
from pipelines.config import DataConfig, InputConfig, ResizeRule
from pipelines.dataset import dataset_mean
from pipelines.parallelism import EXPORTED
from pipelines.rows import Rows
from pipelines.sources import open_source
from pipelines.sources.folder import folder
from pipelines.squares import decoded


def write(root, *files: str) -> str:
    """Makes small files, each with its own path as contents."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(file))
    return str(root)


SPLITS = (
    "train/cat/1.jpg",
    "train/dog/2.jpg",
    "train/dog/3.png",
    "val/cat/4.bmp",
    "val/dog/5.JPEG",
)


def test_train_and_val_are_read_in_sorted_order(tmp_path):
    root = write(tmp_path, *SPLITS)
    source = folder(root, "train", 0.1)
    assert (source.num_examples, source.classes) == (3, ("cat", "dog"))
    read = [source.read(tf.constant(i, tf.int64)) for i in range(3)]
    assert [contents.numpy().decode() for contents, _ in read] == list(SPLITS[:3])
    assert [int(label) for _, label in read] == [0, 1, 1]
    assert source.name(2) == os.path.join(root, "train/dog/3.png")
    assert tuple(folder(root, "val", 0.1).files) == SPLITS[3:]


def test_a_graph_reads_as_a_call_does(tmp_path):
    source = folder(write(tmp_path, *SPLITS), "train", 0.1)
    mapped = list(tf.data.Dataset.range(3).map(source.read).as_numpy_iterator())
    assert mapped == [
        (file.encode(), label) for file, label in zip(SPLITS[:3], (0, 1, 1), strict=True)
    ]


def test_each_file_of_many_is_found_inside_a_graph(tmp_path):
    files = [f"{name}/{'x' * (i % 7)}{i:03}.jpg" for name in ("cat", "dog") for i in range(96)]
    source = folder(write(tmp_path, *files), "all", 0.1)
    mapped = tf.data.Dataset.range(192).map(source.read).as_numpy_iterator()
    assert [contents.decode() for contents, _ in mapped] == sorted(files)


def test_names_need_not_be_unicode(tmp_path):
    odd = os.fsdecode(b"cat/\xff\xe9 1.jpg")
    source = folder(write(tmp_path, odd, "dog/2.jpg", "dog/3.jpg"), "train", 0.01)
    contents, _ = source.read(tf.constant(0, tf.int64))
    assert contents.numpy() == os.fsencode(odd)


def test_of_names_that_are_not_unicode_the_system_says_what_is_wrong(tmp_path):
    odd = os.fsdecode(b"cat/\xff\xe9 1.jpg")
    source = folder(write(tmp_path, odd, "dog/2.jpg", "dog/3.jpg"), "train", 0.01)
    path = pathlib.Path(source.name(0))
    path.unlink()
    path.symlink_to("nowhere")
    assert decode.explain(source, 0) == "the file is gone"
    with pytest.raises(ValueError, match="none of the 3 training pictures can be decoded"):
        dataset_mean(source, InputConfig(size=16, resize=16))
    path.unlink()
    path.symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match="reading it failed for a moment; it can be read now"):
        decode.explain(source, 0)


def test_a_pipe_is_refused_before_anything_waits_for_it(tmp_path):
    root = write(tmp_path, *SPLITS)
    os.mkfifo(tmp_path / "train/cat/x.jpg")
    with pytest.raises(ValueError, match="cat/x.jpg' is a pipe or a device, at which reading"):
        folder(root, "train", 0.1)


def test_hidden_files_and_other_kinds_do_not_count(tmp_path):
    root = write(
        tmp_path, *SPLITS, "train/cat/.1.jpg", "train/cat/a.txt", "train/.x/1.jpg", "a.jpg"
    )
    assert folder(root, "train", 0.1).num_examples == 3


def test_a_hash_of_the_name_holds_a_part_out(tmp_path):
    root = write(tmp_path, *(f"{name}/{i}.jpg" for name in ("cat", "dog") for i in range(200)))
    train, val = folder(root, "train", 0.25), folder(root, "val", 0.25)
    assert set(train.files).isdisjoint(val.files)
    assert train.num_examples + val.num_examples == 400
    assert abs(val.num_examples - 100) < 5 * np.sqrt(400 * 0.25 * 0.75)
    assert train.classes == val.classes == ("cat", "dog")
    write(tmp_path, *(f"cow/{i}.jpg" for i in range(50)))  # more pictures move none of the others
    assert set(val.files) == {f for f in folder(root, "val", 0.25).files if "cow" not in f}


def test_the_digest_knows_names_and_sizes_but_not_the_place(tmp_path):
    digests = [
        folder(write(tmp_path / place, *SPLITS), "train", 0.1).digest for place in ("here", "there")
    ]
    assert digests[0] == digests[1]
    (tmp_path / "here/train/cat/1.jpg").write_bytes(b"another size")
    assert folder(str(tmp_path / "here"), "train", 0.1).digest != digests[0]
    assert folder(str(tmp_path / "there"), "val", 0.1).digest != digests[0]


@pytest.mark.parametrize(
    "files, message",
    [
        ((), "no picture in it; expected .*/train/<class>/<file>.jpg"),
        (("cat/1.txt",), "no picture in it"),
        (("train/cat/1.jpg", "val/cat/1.jpg"), "only one class, 'cat'"),
        (("cat/1.jpg", "cat/2.jpg"), "only one class, 'cat'"),
        (("train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg"), "'dog' and 0 more classes"),
        (("train/cat/1.jpg", "train/dog/1.jpg"), "To hold out a part .* folder:.*/train"),
        (("cat/1.jpg", "dog/1.jpg"), "no picture for val; expected some in"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        folder(write(tmp_path, *files), "val", 0.01)


def test_a_missing_folder_is_named(tmp_path):
    config = DataConfig(source=f"folder:{tmp_path}/nowhere")
    with pytest.raises(ValueError, match="nowhere': there is no such folder; expected one that"):
        open_source(config, "train", seed=0)


def test_a_split_is_train_or_val(tmp_path):
    with pytest.raises(ValueError, match="split='test': expected train, val or all"):
        open_source(DataConfig(source=f"folder:{tmp_path}"), "test", seed=0)


def test_drawn_pictures_are_no_test_of_a_network_of_other_classes():
    text = "data.source=shapes has the classes .*; expected those of the network. Name a folder"
    with pytest.raises(ValueError, match=text):
        open_source(DataConfig(), "val", 0, classes=("cat", "dog"))


def test_a_file_that_disappears_is_explained(tmp_path):
    source = folder(write(tmp_path, *SPLITS), "train", 0.1)
    (tmp_path / SPLITS[0]).unlink()
    assert decode.explain(source, 0) == "the file is gone"
    (tmp_path / SPLITS[1]).unlink()
    (tmp_path / SPLITS[1]).mkdir()
    with pytest.raises(OSError, match="Is a directory"):  # nothing is known of the picture
        decode.explain(source, 1)


def test_the_mean_is_not_measured_without_a_picture_that_cannot_be_read(tmp_path):
    source = folder(write(tmp_path, *SPLITS), "train", 0.1)
    (tmp_path / SPLITS[0]).unlink()
    (tmp_path / SPLITS[0]).mkdir()
    with pytest.raises(OSError, match=r"^'.*\.jpg' could not be read: Is a directory$"):
        dataset_mean(source, InputConfig())


PHOTOGRAPHS = {  # 75 x 56, grayscale, a PNG called .JPEG, the largest
    "n01871265_tusker.JPEG",
    "n03062245_cocktail_shaker.JPEG",
    "n02105855_2933.JPEG",
    "n03759954_microphone.JPEG",
}


@pytest.mark.skipif("ALEXNET_TF_DATA" not in os.environ, reason="ALEXNET_TF_DATA is not set")
def test_photographs_of_imagenet_are_decoded_as_other_programs_decode_them(tmp_path):
    with tarfile.open(os.path.join(os.environ["ALEXNET_TF_DATA"], "imagenet-originals.tar")) as tar:
        files = [m for m in tar if os.path.basename(m.name) in PHOTOGRAPHS]
        contents = [tar.extractfile(file).read() for file in files]
    assert len(contents) == len(PHOTOGRAPHS)
    for i, photograph in enumerate(contents):
        path = tmp_path / f"class{i % 2}" / f"{i}.JPEG"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photograph)
    source = folder(str(tmp_path), "train", 1e-9)
    rows = Rows(source=source, inputs=InputConfig(), decoding=EXPORTED)
    for index, square, label, good in decoded(rows, 0, len(contents), 2).unbatch():
        contents = (tmp_path / source.files[int(index)]).read_bytes()
        image = np.asarray(Image.open(io.BytesIO(contents)).convert("RGB"))
        expected = decode.to_square(tf.constant(image), 256, ResizeRule.SHORTER_SIDE)
        assert good and int(label) == int(source.files[int(index)][5])
        np.testing.assert_array_equal(square, expected)
