"""A run does not know where its squares come from: pictures, memory and disk give the same bits."""

import dataclasses
import shutil

import pytest
import tiny

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run


def kept_in(config, place):
    """A run whose squares are kept: in memory, or in a directory."""
    cache, place = ("memory", "") if place == "memory" else ("disk", str(place))
    data = dataclasses.replace(config.data, cache=cache, cache_dir=place)
    return dataclasses.replace(config, data=data)


def arrays(run_dir):
    return checkpoint.load(run_dir, checkpoint.Which.LAST).weights()


def test_a_run_that_decodes_its_pictures_ends_like_one_on_kept_squares(
    pictures, tmp_path, undisturbed
):
    assert run(tiny.config(pictures, tmp_path, cache="none"))[0] == 0
    tiny.assert_equal(arrays(tmp_path), arrays(undisturbed))
    assert tiny.metrics(tmp_path) == tiny.metrics(undisturbed)


@pytest.mark.slow
def test_a_run_goes_on_from_pictures_on_disk_and_in_memory(pictures, tmp_path):
    def config(name, steps):
        return tiny.config(pictures, tmp_path / name, cache="none", steps=steps)

    assert run(config("pictures", 12))[0] == 0
    assert run(kept_in(config("disk", 12), tmp_path / "kept"))[0] == 0
    files = sorted((tmp_path / "kept").iterdir())
    assert [path.suffix for path in files] == [".squares"] * 2  # train and val
    run(config("mixed", 4))
    run(kept_in(config("mixed", 7), tmp_path / "kept"))
    run(kept_in(config("mixed", 9), "memory"))
    run(kept_in(config("mixed", 12), tmp_path / "kept"))
    for name in ("disk", "mixed"):
        tiny.assert_equal(arrays(tmp_path / name), arrays(tmp_path / "pictures"))
        for file in ("data.json", "classes.txt"):
            same = [(tmp_path / x / file).read_text() for x in (name, "pictures")]
            assert same[0] == same[1]
    assert tiny.metrics(tmp_path / "disk") == tiny.metrics(tmp_path / "pictures")
    assert sorted((tmp_path / "kept").iterdir()) == files


@pytest.mark.long
def test_a_run_on_kept_squares_does_not_open_a_picture(tmp_path):
    pictures = tiny.write_pictures(tmp_path / "pictures")
    run(kept_in(tiny.config(pictures, tmp_path / "first", steps=3), tmp_path / "kept"))
    for path in pictures.rglob("*.jpg"):
        path.write_bytes(b"?" * path.stat().st_size)  # names and sizes stay
    run(kept_in(tiny.config(pictures, tmp_path / "second", steps=3), tmp_path / "kept"))
    tiny.assert_equal(arrays(tmp_path / "first"), arrays(tmp_path / "second"))


@pytest.mark.long
def test_what_is_wrong_with_a_cache_is_one_sentence(tmp_path):
    pictures = tiny.write_pictures(tmp_path / "pictures")
    (tmp_path / "file").touch()
    config = tiny.config(pictures, tmp_path / "run", steps=3)
    with pytest.raises(UserError, match="^data.cache_dir='.*file' cannot be used: File exists. E"):
        run(kept_in(config, tmp_path / "file"))
    lost = pictures / "train" / "red" / "3.jpg"
    shutil.copy(lost, tmp_path / "3.jpg")
    lost.unlink()
    lost.symlink_to("/proc/self/mem")  # a file that nobody can read
    with pytest.raises(
        RunFailed, match="red/3.jpg' could not be read: .*. Run the same command ag"
    ):
        run(kept_in(config, tmp_path / "kept"))
    lost.unlink()
    shutil.copy(tmp_path / "3.jpg", lost)
    assert run(kept_in(config, tmp_path / "kept"))[0] == 0


def test_what_cannot_go_on_is_refused_before_pictures_are_decoded(pictures, tmp_path, undisturbed):
    kept = tmp_path / "kept"
    with pytest.raises(UserError, match="seed: 0 -> 1"):
        run(kept_in(tiny.config(pictures, undisturbed, seed=1), kept))
    assert not kept.exists()
