"""One processor of several, as batch systems give it; and exports that are read elsewhere."""

import json
import os
import subprocess
import sys

import pytest
import tensorflow as tf
import tiny
import tiny_run

from alexnet_tf import export

PINNED = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
"""


def run_pinned(program: str, *arguments: str) -> str:
    """Runs a program on one processor, and returns the last line that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", PINNED + program + "\nsys.stdout.flush(); os._exit(0)", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_everything_runs_on_one_processor(pictures, tmp_path):
    program = """
from alexnet_tf import evaluate, predict, train
pictures, here, *flags = sys.argv[1:]
flags = [f"--data.source=folder:{pictures}", "--steps=3", "--tensorboard=false", *flags]
train.main([f"--run_dir={here}/1", *flags])
train.main([f"--run_dir={here}/2", "--data.cache=memory", "--network.input.mean=dataset", *flags])
evaluate.main([f"--run_dir={here}/1"])
predict.main([f"--model={here}/1", "--json", f"{pictures}/val/red/0.jpg"])
"""
    printed = run_pinned(program, str(pictures), str(tmp_path), *tiny.FLAGS)
    assert json.loads(printed)["num_failed"] == 0
    for run in "12":
        assert json.loads((tmp_path / run / "result.json").read_text())["step"] == 3


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    place = tmp_path_factory.mktemp("exported")
    tiny_run.write_checkpoint(place / "run")
    flags = [f"--run_dir={place / 'run'}", f"--output={place / 'export'}", "--max_megapixels=0.02"]
    assert export.main(flags) == 0
    return place / "export"


@pytest.mark.long
def test_an_export_of_more_processors_runs_on_one(exported, tmp_path):
    (tmp_path / "good.jpg").write_bytes(tiny_run.picture())
    (tmp_path / "large.png").write_bytes(tiny_run.picture(200, 101, "PNG"))
    program = """
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
pictures = [open(file, "rb").read() for file in sys.argv[2:]]
print(serve(image_bytes=tf.constant(5 * pictures))["readable"].numpy().astype(int).tolist())
"""
    files = (str(tmp_path / name) for name in ("good.jpg", "large.png"))
    assert json.loads(run_pinned(program, str(exported), *files)) == 5 * [1, 0]


def test_nothing_of_the_machine_is_in_an_export(exported):
    graph = tf.saved_model.load(str(exported)).signatures["serving_default"].graph.as_graph_def()
    functions = [graph, *graph.library.function]
    nodes = [node for one in functions for node in getattr(one, "node", ()) or one.node_def]
    constants = {node.name: node for node in nodes if node.op == "Const"}
    parallel = [node for node in nodes if node.op.startswith("Parallel")]
    assert [node.op for node in parallel] == ["ParallelMapDatasetV2"]
    for node in parallel:
        names = [name.split(":")[0] for name in node.input if "calls" in name]
        assert len(names) == 1
        for name in names:
            assert tf.make_ndarray(constants[name].attr["value"].tensor) == tf.data.AUTOTUNE
