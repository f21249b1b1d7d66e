"""A command looks through a folder of pictures once."""

import os

import pytest
import tiny

from alexnet_tf import evaluate
from alexnet_tf.training.run import run


@pytest.mark.slow
def test_training_and_evaluation_look_into_each_folder_once(pictures, tmp_path, monkeypatch):
    scandir, paths = os.scandir, []

    def counted(path="."):
        if os.fspath(path).startswith(str(pictures)):
            paths.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    everything = sorted(
        [str(pictures), *map(str, pictures.glob("*")), *map(str, pictures.glob("*/*/"))]
    )
    paths.clear()
    run(tiny.config(pictures, tmp_path, steps=2))
    assert sorted(paths) == everything
    paths.clear()
    evaluate.main([f"--run_dir={tmp_path}"])
    assert sorted(paths) == everything
