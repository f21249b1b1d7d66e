"""Ten million records are opened in seconds: the indexes are real, the shards have only a size."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from pipelines.records import description, index, shards
from pipelines.records.description import Description, PackedSplit, Shard

NUM_SHARDS, PER_SHARD = 2441, 4096
NUM_EXAMPLES = NUM_SHARDS * PER_SHARD
MOST_SECONDS, MOST_BYTES = 2.0, 1e9


def write(root) -> None:
    """Writes dataset.json and indexes of 9,998,336 examples, 1,000 classes, one after another."""
    num_bytes = 100_000 * PER_SHARD
    rows = np.zeros(PER_SHARD, index.ROW)
    rows["offset"] = np.arange(PER_SHARD) * 100_000
    rows["num_bytes"] = 99_900
    names = b"".join(b"n01440764/n01440764_%06d.JPEG" % i for i in range(PER_SHARD))
    rows["name_end"] = np.arange(1, PER_SHARD + 1) * (len(names) // PER_SHARD)
    labels = np.arange(NUM_EXAMPLES) * 1000 // NUM_EXAMPLES
    done = []
    for number in range(NUM_SHARDS):
        rows["label"] = labels[number * PER_SHARD :][:PER_SHARD]
        path = root / shards.shard_name("train", number, NUM_SHARDS)
        with open(path, "wb") as file:
            file.truncate(num_bytes)  # takes no place on the disk
        beside = index.to_bytes(index.Index(rows, names))
        path.with_name(path.name + index.SUFFIX).write_bytes(beside)
        done.append(
            Shard(
                name=path.name,
                num_examples=PER_SHARD,
                num_bytes=num_bytes,
                sha256="0" * 64,
                index_sha256="0" * 64,
            )
        )
    counts = tuple(np.bincount(labels, minlength=1000).tolist())
    split = PackedSplit(
        num_examples=NUM_EXAMPLES, class_counts=counts, digest="d" * 64, shards=tuple(done)
    )
    text = description.to_text(
        Description(
            format="jpeg",
            size=None,
            squares={"resize": 256},
            classes=tuple(f"n{i:08}" for i in range(1000)),
            splits={"train": split, "val": split},
            statistics=None,
            undecoded=(),
            left_out=(),
            origin="",
            settings={},
        )
    )
    (root / description.FILE).write_text(text)


@pytest.mark.slow
def test_ten_million_records_open_in_two_seconds_and_one_gigabyte(tmp_path):
    write(tmp_path)
    code = f"""
        import json, resource, time
        import tensorflow as tf
        from pipelines.config import DataConfig
        from pipelines.sources import open_source
        config = DataConfig(source="records:{tmp_path}")
        tf.constant(0)
        import pipelines.sources.records
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = []
        for _ in range(5):  # others work on this machine too
            source = None
            began = time.monotonic()
            source = open_source(config, "train", 0)
            source.digest, source.class_counts
            seconds.append(time.monotonic() - began)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        print(json.dumps([source.num_examples, min(seconds), grown]))
    """
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    num_examples, seconds, num_bytes = json.loads(done.stdout.splitlines()[-1])
    print(f"{num_examples:,} records opened in {seconds:.2f} s and {num_bytes / 1e6:.0f} MB")
    assert num_examples == NUM_EXAMPLES
    assert seconds < MOST_SECONDS
    assert num_bytes < MOST_BYTES
