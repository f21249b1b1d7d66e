"""Names in little memory behave as a sequence of strings does."""

import os
import tracemalloc

import numpy as np
import pytest

from pipelines.sources.layout import look
from pipelines.sources.names import Names, folder

FILES = {"a-b/": ["1.jpg", "\udcff.jpg"], "": [], "a/": ["\N{SNOWMAN}.png", "", "2.jpg"]}
ALL = [path + name for path, names in FILES.items() for name in names]
NAMES = Names(folder(path, names) for path, names in FILES.items())


def test_they_are_found_by_number_by_slice_and_one_after_another():
    assert list(NAMES) == ALL
    assert [NAMES[i] for i in range(-5, 5)] == [ALL[i] for i in range(-5, 5)]
    for where in (slice(1, 4), slice(None), slice(4, 2), slice(-3, None), slice(None, None, 2)):
        assert NAMES[where] == ALL[where]
    for index in (5, -6):
        with pytest.raises(IndexError):
            NAMES[index]
    assert (len(Names([])), list(Names([]))) == (0, [])


@pytest.mark.parametrize("number", range(32))
def test_any_of_them_can_be_taken(number):
    is_taken = np.array([number >> place & 1 for place in range(5)], bool)
    assert list(NAMES.where(is_taken)) == [name for name, x in zip(ALL, is_taken, strict=True) if x]


def test_all_paths_are_sorted_where_names_of_classes_hold_what_comes_before_a_slash(tmp_path):
    files = sorted(f"{name}/{i}.jpg" for name in ("a", "a-b", "a b", "a0") for i in range(3))
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert list(look(str(tmp_path)).pictures[""]) == files


def test_a_listed_file_takes_little_more_than_the_bytes_of_its_name(tmp_path):
    for name in ("n01440764", "n01443537"):
        (tmp_path / name).mkdir()
        place = os.open(tmp_path / name, os.O_RDONLY)
        for i in range(5000):
            file = f"{name}_{i:05}.JPEG"
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY, dir_fd=place))
        os.close(place)
    tracemalloc.start()
    found = look(str(tmp_path))
    num_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert found.num_pictures == 10_000
    assert num_bytes / 10_000 < 20 + 4 + 6
