"""Files mapped into one range of memory."""

import gc
import pathlib

import numpy as np
import pytest

from pipelines.mapped import mapped


@pytest.fixture
def files(tmp_path):
    """Three files: of less than a page, of exactly one, of more."""
    generator, paths = np.random.default_rng(0), []
    for number, size in enumerate((1, 4096, 10000)):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(generator.bytes(size))
    return paths


def is_mapped(path: pathlib.Path) -> bool:
    return str(path) in pathlib.Path("/proc/self/maps").read_text()


def test_files_follow_one_another_and_are_let_go_with_the_array(files):
    sizes = [path.stat().st_size for path in files]
    memory, begins = mapped([str(path) for path in files], sizes)
    assert begins == [0, 4096, 8192]
    for path, size, begin in zip(files, sizes, begins, strict=True):
        assert memory[begin : begin + size].tobytes() == path.read_bytes()
    part = memory[8192:]
    del memory
    gc.collect()
    assert is_mapped(files[2])
    assert part[:10000].tobytes() == files[2].read_bytes()
    del part
    gc.collect()
    assert not any(map(is_mapped, files))


def test_a_file_that_is_shorter_is_refused(files):
    with pytest.raises(OSError, match=r"1' is shorter than 4097 bytes"):
        mapped([str(path) for path in files], [1, 4097, 10000])
    gc.collect()
    assert not is_mapped(files[0])


def test_a_file_that_is_missing_is_the_systems_error(files):
    files[1].unlink()
    with pytest.raises(FileNotFoundError):
        mapped([str(path) for path in files], [1, 4096, 10000])


def test_more_than_there_are_addresses_is_the_systems_error(files):
    with pytest.raises(OSError, match="Cannot allocate memory"):
        mapped([str(files[0])], [2**62])
