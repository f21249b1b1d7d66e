"""Archives whose files lie side by side: their classes come from a list, or from the names."""

import packed as p
import pytest


def imagenet(tmp_path) -> str:
    """ILSVRC2012's archives, very small: classes as tar files for train, a flat one for val."""
    for name in ("n02", "n01"):
        p.tar_with(tmp_path / f"{name}.tar", (f"{name}_1.JPEG", p.JPEG), (f"{name}_2.JPEG", p.JPEG))
    members = [(f"{name}.tar", (tmp_path / f"{name}.tar").read_bytes()) for name in ("n02", "n01")]
    p.tar_with(tmp_path / "train.tar", *members)
    p.tar_with(tmp_path / "val.tar", *((f"val_{i}.JPEG", p.JPEG + b"%d" % i) for i in range(1, 4)))
    return f"train={tmp_path}/train.tar,val={tmp_path}/val.tar"


@pytest.mark.parametrize(
    "labels, classes",
    [
        ("val_1.JPEG 1\nval_2.JPEG 0\nval_3.JPEG 1\n", "n01 tench\nn02 goldfish\n"),
        ("1\n0\n1\n", "n01\nn02"),
        ("7\n9\n7", "n01 9 tench\nn02 7 goldfish"),  # as in the development kit
        ("val_1.JPEG n02\nval_2.JPEG n01\nval_3.JPEG n02", ""),
        ("\ufeff1\n0\n1\n", "\ufeffn01\nn02"),  # as some editors begin a file
        ("val_1.JPEG 1\nval_2.JPEG n01\nval_3.JPEG 1\nval_3.JPEG n02", "n01\nn02"),
    ],
)
def test_a_flat_archive_is_sorted_by_a_list(tmp_path, labels, classes):
    (tmp_path / "labels").write_text(labels)
    (tmp_path / "classes").write_text(classes)
    settings = {"classes": str(tmp_path / "classes")} if classes else {}
    found = p.inventory(imagenet(tmp_path), tmp_path, labels=str(tmp_path / "labels"), **settings)
    assert p.names(found, "train")[::3] == ["train/n01/n01_1.JPEG", "train/n02/n02_2.JPEG"]
    expected = ["val/n01/val_2.JPEG", "val/n02/val_1.JPEG", "val/n02/val_3.JPEG"]
    assert p.names(found, "val") == expected
    assert found.parts["val"].contents(2) == p.JPEG + b"3"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_names_of_files_in_a_list_may_have_any_letters(tmp_path, encoding, end):
    odd = ("my photo.jpg", "1\u2028.jpg", "2\x85.jpg", "3\v4.jpg", "\xe9  f.jpg")
    tar = p.tar_with(tmp_path / "x.tar", *((name, p.JPEG) for name in odd))
    lines = [f"{name} {'ab'[place % 2]}" for place, name in enumerate(odd)]
    (tmp_path / "labels").write_bytes(end.join([*lines, "", ""]).encode(encoding))
    found = p.inventory(tar, tmp_path, labels=f"{tmp_path}/labels")
    assert p.names(found) == sorted(f"{'ab'[place % 2]}/{x}" for place, x in enumerate(odd))
    assert found.left_out == ()


def test_names_that_begin_with_a_wnid_say_their_class(tmp_path):
    files = ("n01440764_tench.JPEG", "n01443537_goldfish.JPEG", "readme.JPEG")
    tar = p.tar_with(tmp_path / "x.tar", *((f"flat/{name}", p.JPEG) for name in files))
    found = p.inventory(tar, tmp_path, labels="wnid")
    assert p.names(found) == [f"{name[:9]}/{name}" for name in files[:2]]
    assert found.left_out == (("readme.JPEG", "labels=wnid has no label for it"),)


def test_files_without_a_label_and_labels_without_a_file_are_reported(tmp_path):
    (tmp_path / "labels").write_text("val_1.JPEG n01\nval_2.JPEG n02\nval_9.JPEG n02\n")
    found = p.inventory(imagenet(tmp_path), tmp_path, labels=f"{tmp_path}/labels")
    assert found.left_out == (
        ("val/val_3.JPEG", f"labels={tmp_path}/labels has no label for it"),
        ("val_9.JPEG", f"labels={tmp_path}/labels has a label for it, but it is not there"),
    )


@pytest.mark.parametrize(
    "labels, classes, message",
    [
        ("1\n2\n", "", "has 2 labels for 3 files; expected one for each, or lines with the name"),
        ("a b c", "", "'a b c' is no name of a file and its label; expected both in each l"),
        ("val_1.JPEG,a\nval_2.JPEG,b\nval_3.JPEG,a", "", "'val_1.JPEG,a' is no name of a file and"),
        ("val_1.JPEG:a\n b\nc", "", "'val_1.JPEG:a' is no name of a file and its label; expected"),
        ("val_1.JPEG a\nval_2.JPEG", "", "'val_2.JPEG' is no name of a file and its label; expect"),
        (
            "val_1.JPEG .a",
            "",
            "'val_1.JPEG' is of the class '.a'; expected a name that a folder of",
        ),
        (
            "val_1.JPEG 0",
            "a/b",
            "of the class 'a/b'; expected a name that a folder of pictures may",
        ),
        ("val_1.JPEG\0a", "", "labels=.*: it has zero bytes; expected text. Save it as UTF-8"),
        ("val_1.JPEG 1", "", "1 is no name of a class. Expected --classes=FILE, whose lines begin"),
        ("val_1.JPEG 2", "n01\nn02", "2 is no name of a class. Expected --classes=FILE"),
        (None, "", "labels=.* cannot be read: No such file or directory. Expected a text file."),
        ("val_1.JPEG a\nval_1.JPEG b", "", "'val_1.JPEG' is of the classes 'a' and 'b'; expected"),
        ("0\n1\n2", "tiger shark\ntiger cat\ntiger", "'tiger' stands for two classes; expected a"),
        ("0\n1\n0", "cat 0\ndog 0", "'0' stands for two classes; expected another word at the"),
        ("1\n2\n1", "1\n2\n3", "'1' stands for two classes"),
    ],
)
def test_lists_that_do_not_fit_are_refused(tmp_path, labels, classes, message):
    if labels is not None:
        (tmp_path / "labels").write_text(labels)
    (tmp_path / "classes").write_text(classes)
    settings = {"classes": str(tmp_path / "classes")} if classes else {}
    with pytest.raises(ValueError, match=message):
        p.inventory(imagenet(tmp_path), tmp_path, labels=str(tmp_path / "labels"), **settings)


@pytest.mark.parametrize("mount", ["", "train="])
@pytest.mark.parametrize("inside", ["dog", "dog/images", "dog/cat/all"])
def test_a_class_may_be_called_as_a_folder_around_all_files(tmp_path, inside, mount):
    files = [(f"{inside}/{i}.jpg", p.JPEG + b"%d" % i) for i in range(6)]
    tar = p.tar_with(tmp_path / "x.tar", *files)
    (tmp_path / "labels").write_text(
        "".join(f"{i}.jpg {'dog cat cow'.split()[i % 3]}\n" for i in range(6))
    )
    found = p.inventory(f"{mount}{tar}", tmp_path, labels=f"{tmp_path}/labels")
    assert found.left_out == () and found.classes == ("cat", "cow", "dog")
    (part,) = found.parts.values()
    assert len(part.names) == 6


def test_a_list_is_refused_where_folders_say_what_is_in_them(pictures, tmp_path):
    tar = p.tar_with(tmp_path / "x.tar", *p.TWO)
    with pytest.raises(ValueError, match="expected an archive whose files lie side by side; in"):
        p.inventory(tar, tmp_path, labels="wnid")
    with pytest.raises(ValueError, match="expected nothing with a folder or a TFDS set, which say"):
        p.inventory(pictures, tmp_path, labels="wnid")
