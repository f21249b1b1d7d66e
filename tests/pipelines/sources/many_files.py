"""Opens a folder of very many files: python many_files.py COUNT [split|plain].

Prints how long both splits took to open and what they take in memory. The files are empty, hard
links of a few, in 1,000 classes below train and val or without splits.
"""

import os
import pathlib
import resource
import sys
import tempfile
import time

NUM_CLASSES = 1000
_MOST_LINKS = 10_000
"""To one file; file systems allow more."""


def write(root: pathlib.Path, count: int, layout: str) -> None:
    """Makes the files; a tenth is for validation where there are splits."""
    splits = {"split": {"train": 9, "val": 1}, "plain": {"": 10}}[layout]
    made, source = 0, None
    for split, tenths in splits.items():
        for label in range(NUM_CLASSES):
            folder = root / split / f"n{label:08}"
            folder.mkdir(parents=True)
            for i in range(count * tenths // (10 * NUM_CLASSES)):
                path = f"{folder}/n{label:08}_{i * 37 % 99991}_{i}.JPEG"
                if made % _MOST_LINKS:
                    os.link(source, path)
                else:
                    source = path
                    pathlib.Path(path).touch()
                made += 1


def peak() -> float:
    """Megabytes that this process took at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main(count: str, layout: str = "plain") -> None:
    """Makes, opens and removes the folder."""
    from pipelines.config import DataConfig  # TensorFlow's start is not measured
    from pipelines.sources import open_source
    from pipelines.sources.layout import looking_once

    with tempfile.TemporaryDirectory() as folder:
        write(pathlib.Path(folder), int(count), layout)
        data, before, began = DataConfig(source=f"folder:{folder}"), peak(), time.monotonic()
        with looking_once():
            sources = [open_source(data, split, 0) for split in ("train", "val")]
        seconds, found = time.monotonic() - began, sum(x.num_examples for x in sources)
        print(f"{found:,} files: {seconds:.1f} s, {peak() - before:.0f} MB more at most")


if __name__ == "__main__":
    main(*sys.argv[1:])
