"""What a folder holds decides what it means; what is no picture of a class is named and counted."""

import os

import pytest

from pipelines.config import DataConfig
from pipelines.sources import open_source, own_splits
from pipelines.sources.folder import folder
from pipelines.sources.layout import look

JPEG, PNG, GIF = b"\xff\xd8\xff\xe0 a picture", b"\x89PNG\r\n\x1a\n a picture", b"GIF89a picture"
BMP = b"BM" + bytes(12) + (40).to_bytes(4, "little")
WEBP = b"RIFF\0\0\0\0WEBPVP8 "


def write(root, *files: str, contents: bytes = JPEG) -> str:
    """Makes files, pictures by default but for those called .txt."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"text" if file.endswith(".txt") and contents == JPEG else contents)
    return str(root)


def splits(root: str) -> dict[str, list[str]]:
    return {split: list(files) for split, files in look(root).pictures.items()}


@pytest.mark.parametrize(
    "files, split, digest",  # as the first version had them
    [
        (
            ("a b/1.jpg", "a/2.PNG", "a/3.webp", "b/4.jpeg", "b/5.gif", "b/6.bmp"),
            "train",
            "fb84356cecc78c74d9a06bf3314147712b773a98ec00ffa93beba88f6b1016ae",
        ),
        (
            ("train/x/1.jpg", "train/y/2.png", "val/x/3.jpg", "val/y/4.jpg"),
            "val",
            "43fae21c05ea38069dfc9a381559503b5fb1737ac01dab7ab5eca70826ffb60c",
        ),
    ],
)
def test_folders_of_the_first_version_keep_their_digest(tmp_path, files, split, digest):
    root = write(tmp_path, *files, "notes.txt", "a.jpg")
    source = folder(root, split, 0.3)
    assert source.digest == digest
    assert list(source.files) == sorted(source.files)


def test_classes_may_be_called_train_and_val(tmp_path):
    files = sorted(f"{name}/{i}.png" for name in ("bus", "train", "val") for i in range(20))
    source = folder(write(tmp_path, *files), "all", 0.1)
    assert source.classes == ("bus", "train", "val")
    assert list(source.files) == files
    assert source.labels.tolist() == [0] * 20 + [1] * 20 + [2] * 20
    held_out = folder(str(tmp_path), "val", 0.1).files
    assert sorted((*folder(str(tmp_path), "train", 0.1).files, *held_out)) == files


def test_a_class_called_train_may_hold_other_folders(tmp_path):
    files = ("bus/1.png", "train/2.png", "train/old/notes.txt")
    assert splits(write(tmp_path, *files)) == {"": ["bus/1.png", "train/2.png"]}


def test_inside_a_split_a_class_may_be_called_train(tmp_path):
    files = [f"{split}/{name}/1.png" for split in ("train", "val") for name in ("bus", "train")]
    root = write(tmp_path, *files)
    assert splits(root) == {"train": files[:2], "val": files[2:]}
    assert folder(root, "val", 0.1).labels.tolist() == [0, 1]
    assert own_splits(DataConfig(source=f"folder:{root}")) == ("train", "val")
    assert own_splits(DataConfig(source=f"folder:{root}/train")) == ("",)


@pytest.mark.parametrize(
    "files, message",
    [
        (("train/cat/1.jpg", "train/dog/2.jpg", "bus/3.jpg"), "two ways: 'train' .* 'bus' beside"),
        (("train/cat/1.jpg", "train/dog/2.jpg", "val/3.jpg"), "two ways: 'train' .* 'val' beside"),
        (("train/1.jpg", "train/old/2.jpg", "bus/3.jpg"), "two ways: 'train' .* folder:.*/train"),
        (("train/1.jpg", "val/2.jpg", "test/3.jpg"), "a folder for each class in 'test', 'train'"),
        (("train/1.jpg",), "a folder for each class in 'train', found pictures"),
    ],
)
def test_what_may_be_meant_in_two_ways_is_refused(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        look(write(tmp_path, *files))


def test_beside_two_splits_other_pictures_are_left_out_and_named(tmp_path):
    files = [f"{split}/{name}/1.jpg" for split in ("train", "val") for name in ("cat", "dog")]
    others = ("train/all.jpg", "samples/1.jpg", "test/cat/1.jpg", "1.png", "val/notes.txt")
    source = folder(write(tmp_path, *files, *others), "train", 0.1)
    assert (source.num_examples, source.num_pictures) == (2, 4)
    assert source.remark.endswith(
        "left out 5 that are no picture of a class: '1.png', 'samples/', 'test/', 'train/all.jpg', "
        "'val/notes.txt'"
    )


@pytest.mark.parametrize(
    "files, message",
    [
        (("Train/cat/1.jpg", "VAL/cat/2.jpg"), "rename 'Train' to 'train' and 'VAL' to 'val'"),
        (("train/a/1.jpg", "train/b/2.jpg", "Validation/a/3.jpg"), "rename 'Validation' to 'val'"),
        (("train/a/1.jpg", "train/b/2.jpg", "test/a/3.jpg"), "'test' to 'val', .*folder:.*/test"),
        (
            ("mine/train/a/1.jpg", "mine/train/b/2.jpg"),
            "no picture in it.* folder:.*/mine is meant",
        ),
        (("1.jpg", "2.jpg"), "no picture in it.* Sort '1.jpg', '2.jpg' into such folders"),
        (("mine/a/1.jpg", "mine/b/2.jpg"), "Perhaps folder:.*/mine is meant"),
        (("train/a/1.jpg", "train/b/2.jpg", "val/notes.txt"), "no picture for val"),
    ],
)
def test_the_nearest_is_named_where_nothing_is_found(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        folder(write(tmp_path, *files), "val", 0.1)


@pytest.mark.parametrize("contents", [JPEG, PNG, GIF, BMP, WEBP])
@pytest.mark.parametrize("name", ["photo", "photo.jfif", "photo.jpe", "photo.JPG~"])
def test_pictures_are_known_by_their_first_bytes(tmp_path, contents, name):
    write(tmp_path, f"cat/{name}", contents=contents)
    assert splits(write(tmp_path, "dog/1.JPEG")) == {"": [f"cat/{name}", "dog/1.JPEG"]}


@pytest.mark.parametrize("contents", [b"", b"BM", b"BMW and other cars of the set", b"\xff\xd8"])
def test_other_files_are_named_and_counted(tmp_path, contents):
    write(tmp_path, *(f"cat/{i}.txt" for i in range(7)), contents=contents)
    root = write(tmp_path, "cat/1.jpg", "dog/1.jpg", "cat/.DS_Store", "cat/._1.jpg")
    os.symlink("nowhere", tmp_path / "dog/link")
    os.mkfifo(tmp_path / "dog/pipe")
    (tmp_path / "dog/more.jpg").mkdir()
    source = folder(root, "all", 0.1)
    assert list(source.files) == ["cat/1.jpg", "dog/1.jpg"]
    assert "left out 10 that are no picture of a class: 'cat/0.txt', 'cat/1.txt'" in source.remark
    assert source.remark.endswith("'cat/4.txt' and 5 more")


def test_files_beside_the_classes_are_named(tmp_path):
    source = folder(write(tmp_path, "cat/1.jpg", "dog/1.jpg", "cow.zip", "README.txt"), "all", 0.1)
    assert source.remark.endswith(
        "left out 2 that are no picture of a class: 'README.txt', 'cow.zip'"
    )


def test_nothing_left_out_is_nothing_said(tmp_path):
    write(tmp_path, "__MACOSX/cat/._1.jpg", "lost+found/.keep", contents=b"")
    assert folder(write(tmp_path, "cat/1.jpg", "dog/1.jpg"), "all", 0.1).remark == ""


@pytest.mark.parametrize(
    "file, message",
    [
        ("cow/labels.txt", "no picture in the class folder 'cow', only 'labels.txt'; expected"),
        ("cow/calf/1.jpg", "the class folder 'cow', only 'calf/'"),
        ("cow/2020/01/1.jpg", "the class folder 'cow', only '2020/'"),
        ("cow/.hidden.jpg", "the class folder 'cow', it is empty"),
    ],
)
def test_a_class_that_loses_all_its_pictures_is_an_error(tmp_path, file, message):
    root = write(tmp_path, "cat/1.jpg", "dog/1.jpg")
    write(tmp_path, file)
    with pytest.raises(ValueError, match=message):
        look(root)


def test_runs_and_exports_beside_the_classes_are_no_classes(tmp_path):
    root = write(tmp_path, "cat/1.jpg", "dog/1.jpg")
    write(tmp_path, "runs/mine/config.json", "run/config.json", "run/data.json", contents=b"{}")
    write(tmp_path, "export/saved_model.pb", "runs/failed/lock", "failed/lock", contents=b"")
    write(tmp_path, "runs/mine/data.json", "caffe/classes.txt", "caffe/weights/a", contents=b"")
    write(tmp_path, "runs/mine/per_class/confusion.png")
    assert look(root).left_out == ["caffe/", "export/", "failed/", "run/", "runs/"]


def test_links_are_followed(tmp_path):
    write(tmp_path, "real/1.jpg", "data/dog/2.jpg")
    (tmp_path / "data/cat").symlink_to(tmp_path / "real")
    assert splits(str(tmp_path / "data")) == {"": ["cat/1.jpg", "dog/2.jpg"]}


def test_labels_are_places_among_the_classes_of_a_network(tmp_path):
    config = DataConfig(source=f"folder:{write(tmp_path, 'dog/1.jpg', 'cow/2.jpg')}")
    classes = ("dog", "ant", "cow", "cat")
    source = open_source(config, "all", 0, classes)
    assert list(source.files) == ["cow/2.jpg", "dog/1.jpg"]
    assert source.labels.tolist() == [2, 0]
    assert (source.classes, source.class_counts) == (classes, (1, 0, 1, 0))
    with pytest.raises(ValueError, match="does not know, .*'cow'; expected some or all of its 2"):
        open_source(config, "all", 0, ("cat", "dog"))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    if not os.path.isfile("/proc/self/mem"):
        pytest.skip("this system has no file that cannot be read by anyone")
    write(tmp_path, "train/x/1.jpg", "train/y/2.jpg")
    (tmp_path / "train" / "x" / "odd").symlink_to("/proc/self/mem")
    text = "train/x/odd' cannot be read: Input/output error. Expected files and folders that this"
    with pytest.raises(ValueError, match=text):
        look(str(tmp_path))


def test_a_folder_on_remote_storage_is_refused():
    text = (
        "folder:gs://bucket/set': expected a folder on a disk or mount .* records:gs://bucket/set"
    )
    with pytest.raises(ValueError, match=text):
        folder("gs://bucket/set", "train", 0.1)
