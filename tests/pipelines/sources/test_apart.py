"""What is written among class folders would be a class at the next start."""

import functools
import os

import pytest

from pipelines.sources.apart import check_apart, check_pictures_apart


def made(root, *folders):
    for name in folders:
        (root / name).mkdir(parents=True)
    return str(root)


@pytest.mark.parametrize(
    "folders, place, is_taken, pictures_are_taken",
    [
        (("cat", "dog"), "out", False, False),
        (("cat", "dog"), "cat/out", False, False),
        (("cat", "dog"), "", False, False),
        (("cat", "dog"), "../out", True, True),
        (("cat", "dog"), "../set2", True, True),
        (("train/cat", "val/cat"), "out", True, True),
        (("train/cat", "val/cat"), "train/out", False, False),
        (("train/cat",), "out", True, False),
        (("train/cat",), "train/cat/out", False, False),
    ],
)
def test_only_places_outside_the_classes_are_taken(
    tmp_path, folders, place, is_taken, pictures_are_taken
):
    root = made(tmp_path / "set", *folders)
    (tmp_path / "link").symlink_to(root)
    for name in (root, str(tmp_path / "link")):
        output = os.path.join(name, place)
        calls = [
            (is_taken, functools.partial(check_apart, output, f"input={root!r}", root)),
            (
                pictures_are_taken,
                functools.partial(check_pictures_apart, output, f"folder:{root}/"),
            ),
        ]
        for is_good, call in calls:
            if is_good:
                call()
                continue
            with pytest.raises(ValueError, match="^output='.*' lies in .*, where each folder is a"):
                call()


def test_sets_that_are_no_folders_have_no_such_places(tmp_path):
    root = made(tmp_path / "set", "cat")
    check_pictures_apart(f"{root}/out", f"records:{root}")
    check_pictures_apart(f"{root}/out", "shapes")
    check_pictures_apart(str(tmp_path / "out"), f"folder:{tmp_path / 'none'}")
