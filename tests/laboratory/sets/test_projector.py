"""TensorBoard's projector reads what `embedding` writes, in a process of its own."""

import json
import re
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

from alexnet_tf.laboratory.sets import projector

NUM = 13


@pytest.fixture
def address(tmp_path):
    """Starts TensorBoard on a folder of files."""
    draw = np.random.default_rng(0)
    columns = {"class": ["bee"] * NUM, "name": [f"{i}.jpg" for i in range(NUM)]}
    pictures = draw.integers(0, 256, (NUM, 32, 32, 3), np.uint8)
    vectors = draw.normal(size=(NUM, 5))
    for name, data in projector.files(vectors, columns, pictures).items():
        (tmp_path / name).write_bytes(data)
    program = [sys.executable, "-m", "tensorboard.main", f"--logdir={tmp_path}"]
    log = tmp_path.parent / "tensorboard.log"
    with open(log, "w") as file:
        process = subprocess.Popen([*program, "--port=0", "--load_fast=false"], stderr=file)
    try:
        until = time.monotonic() + 120
        while not (found := re.search(r"http://localhost:\d+", log.read_text())):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield found[0], vectors
    finally:
        process.kill()
        process.wait()


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


@pytest.mark.slow
def test_tensorboard_serves_vectors_labels_and_sprite(address):
    at, vectors = address[0] + "/data/plugin/projector", address[1]
    (run,) = json.loads(get(f"{at}/runs"))
    (info,) = json.loads(get(f"{at}/info?run={run}"))["embeddings"]
    assert info["tensorShape"] == [NUM, 5] and info["sprite"]["singleImageDim"] == [32, 32]
    query = f"run={run}&name={info['tensorName']}"
    found = np.frombuffer(get(f"{at}/tensor?{query}"), np.float32).reshape(NUM, 5)
    np.testing.assert_allclose(found, vectors, rtol=1e-5)
    lines = get(f"{at}/metadata?{query}").decode().splitlines()
    assert lines[0] == "class\tname" and lines[NUM] == "bee\t12.jpg"
    assert get(f"{at}/sprite_image?{query}").startswith(b"\x89PNG")
