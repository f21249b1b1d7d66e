"""Pictures in work are bounded by the memory they take, not by their number alone."""

import dataclasses
import io
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import decode
from pipelines.cache import check_memory
from pipelines.config import DataConfig, InputConfig
from pipelines.machine import Machine
from pipelines.parallelism import EXPORTED, Decoding
from pipelines.rows import Rows
from pipelines.squares import decoded

ROOT = pathlib.Path(__file__).parents[2]
SIDE = 5000
INPUTS = InputConfig(size=8, resize=16)


def png(side: int, level: int = 90) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (level, level, level)).save(file, "PNG", compress_level=1)
    return file.getvalue()


class Given:
    """A source of given bytes."""

    classes, digest = ("a", "b"), ""

    def __init__(self, *encoded: bytes):
        self.encoded, self.num_examples = encoded, len(encoded)

    def read(self, index):
        return tf.gather(tf.constant(self.encoded), index), tf.constant(3)

    def name(self, index):
        return str(index)


PEAK = """
import resource, sys
import tensorflow as tf
from pipelines.config import InputConfig
from pipelines.parallelism import Decoding
from pipelines.rows import Rows
from pipelines.squares import decoded
file, parallel_pixels = sys.argv[1], int(sys.argv[2])
class Given:
    def read(self, index):
        return tf.io.read_file(file), tf.constant(3)
how = Decoding(threads=6, parallel_pixels=parallel_pixels, max_pixels=100_000_000)
def peak(num):
    inputs = InputConfig(size=8, resize=16)
    ds = decoded(Rows(source=Given(), inputs=inputs, decoding=how), 0, num, 4)
    for batch in ds:
        assert batch[-1].numpy().all()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
one = peak(1)
print(peak(12) - one)
"""


@pytest.mark.slow
def test_large_pictures_are_decoded_one_at_a_time(tmp_path):
    (tmp_path / "large.png").write_bytes(png(SIDE))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", PEAK, str(tmp_path / "large.png"), "1000000"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    # One takes 75 MB. Side by side, six or as many as there are processors would take so much.
    assert float(done.stdout) < 50


@pytest.mark.parametrize("threads", [1, 2, 5, tf.data.AUTOTUNE])
@pytest.mark.long
def test_no_size_changes_a_square_or_its_place(threads):
    sides = [30, 90, 31, 32, 91, 150, 33, 92]
    source = Given(*[png(side, level=side) for side in sides], b"no picture", png(34))
    how = Decoding(threads=threads, parallel_pixels=40 * 40, max_pixels=100 * 100)
    rows = Rows(source=source, inputs=INPUTS, decoding=how)
    rows = list(decoded(rows, 0, 10, 4).unbatch())
    assert [int(index) for index, *_ in rows] == list(range(10))
    assert [int(label) for *_, label, _ in rows] == [3, 3, 3, 3, 3, 0, 3, 3, 0, 3]
    levels = [float(np.mean(square)) for _, square, _, _ in rows]
    assert levels == [30, 90, 31, 32, 91, 0, 33, 92, 0, 90]
    assert decode.explain(source, 5, how.max_pixels) == (
        "it claims 150 x 150 pixels; at most 10000 are taken"
    )


def test_the_limit_is_a_setting_and_lower_in_an_export():
    assert DataConfig().max_pixels == 100_000_000
    assert DataConfig(max_megapixels=0.25).max_pixels == 250_000
    assert 41_000_000 < EXPORTED.max_pixels < DataConfig().max_pixels  # ImageNet's largest
    for wrong in (0.0, -3.0, 180.0):
        with pytest.raises(ValueError, match=f"data.max_megapixels={wrong}: expected more than 0"):
            DataConfig(max_megapixels=wrong)


def test_the_squares_of_both_splits_have_to_fit_together():
    here = Machine(cpus=2, schedulable_cpus=2, memory_bytes=1600, memory_limit="the cgroup allows")
    train, val = Given(b"", b""), Given(b"")
    inputs = dataclasses.replace(INPUTS, size=8, resize=12)  # 432 bytes each; 1400 are left
    check_memory([train], inputs, here)
    check_memory([train, val], inputs, here)
    with pytest.raises(ValueError, match=r"\(2 \+ 2\); the cgroup allows 0.0 GB, of which"):
        check_memory([train, train], inputs, here)
