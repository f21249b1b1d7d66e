"""Hidden parts: where they are, how changes are compared, and what is refused."""

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from alexnet_tf import visualize
from alexnet_tf.errors import UserError
from alexnet_tf.laboratory.settings import Correspondence
from alexnet_tf.laboratory.units import parts
from alexnet_tf.laboratory.units.correspondence import hamming
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.training import checkpoint
from pipelines.config import InputConfig
from pipelines.preprocess import preprocess

INPUTS = InputConfig(size=64, resize=72)


def write(folder, *lines, header="path,nose_x,nose_y"):
    (folder / "parts.csv").write_text("\n".join([header, *lines]))
    return str(folder / "parts.csv")


@pytest.mark.parametrize("rule", ["shorter_side", "warp"])
@pytest.mark.parametrize("height, width, x, y", [(150, 260, 171, 52), (301, 140, 30, 111)])
def test_a_part_is_found_where_the_network_sees_it(tmp_path, rule, height, width, x, y):
    for number, orientation in enumerate([1, -1]):
        image = np.zeros((height, width, 3), np.uint8)
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
        if orientation < 0:
            image = image[:, ::-1]
        (tmp_path / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())
    table = write(tmp_path, f"0.png,{x},{y}", f"1.png,{width - 1 - x},{y}")
    marked = parts.read(table, InputConfig(size=64, resize=72, resize_rule=rule))
    assert (marked.parts, marked.name) == (("nose",), ("0.png", "1.png"))
    for image, center in zip(marked.image, marked.center[:, 0], strict=True):
        light = image[..., 0].astype(float)
        rows, columns = np.indices(light.shape) + 0.5
        found = [(light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()]
        np.testing.assert_allclose(center, found, atol=0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marked")
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(tiny_run.picture(seed=number))
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


GOOD = "0.jpg,60,40"


@pytest.mark.parametrize(
    "header, lines, text",
    [
        ("path,nose_x", [GOOD], "has the columns path,nose_x; expected path and, for each part"),
        ("path,nose_x,nose_y,age", [GOOD], "has the columns .*age; expected path and, for each"),
        ("path", ["0.jpg"], "has the columns path; expected path and, for each part"),
        (None, [GOOD], "has 1 pictures; expected two or more, since pairs"),
        (None, [GOOD, "1.jpg,3"], "the line '1.jpg,3' does not fit the header"),
        (None, [GOOD, "1.jpg,3,nan"], "the line '1.jpg,3,nan' does not fit the header"),
        (None, [GOOD, '"1.jpg,3,4'], "cannot be read: unexpected end of data. Expected a CSV file"),
        (None, [GOOD, "no.jpg,3,4"], "the picture 'no.jpg' cannot be read: No such file"),
        (None, [GOOD, "bad.jpg,3,4"], "picture 'bad.jpg' cannot be read: it is no whole JPEG"),
        (None, [GOOD, "1.jpg,3,40"], "nose of '1.jpg' lies outside of what the network sees"),
    ],
)
def test_what_marks_no_parts_is_refused(folder, header, lines, text):
    table = write(folder, *lines, header=header or "path,nose_x,nose_y")
    with pytest.raises(UserError, match=text):
        parts.read(table, INPUTS)


def test_no_table_and_an_empty_one_are_refused(tmp_path):
    with pytest.raises(
        UserError, match="cannot be read: No such file or directory. Expected a CSV"
    ):
        parts.read(str(tmp_path / "parts.csv"), INPUTS)
    (tmp_path / "parts.csv").write_text("")
    with pytest.raises(UserError, match="has the columns ; expected path and, for"):
        parts.read(str(tmp_path / "parts.csv"), INPUTS)


def test_signs_are_compared_pair_by_pair_and_0_equals_0_alone():
    changes = np.array([[1, 0, -2, 3], [2, 0, -1, -3], [0, 1, -5, 0]], np.float32)
    assert hamming(changes).tolist() == [1 / 4, 3 / 4, 3 / 4]


@pytest.mark.parametrize(
    "values, text",
    [
        ({"square": -1}, "square=-1: expected at least 0"),
        ({"draws": 0}, "draws=0: expected at least 1"),
    ],
)
def test_squares_and_draws_of_nothing_are_refused(values, text):
    with pytest.raises(ValueError, match=text):
        Correspondence(run_dir="run", output="out", **values)


def show(run_dir, output, pictures, *flags):
    pytest.importorskip("matplotlib")
    flags = [*flags, f"--run_dir={run_dir}", f"--output={output}"]
    assert visualize.main(["correspondence", f"--data.source=folder:{pictures}", *flags]) == 0
    with np.load(output / "correspondence.npz") as file:
        return json.loads((output / "correspondence.json").read_text()), dict(file)


def test_the_table_is_what_hiding_by_hand_gives(folder, pictures, tmp_path):
    table = write(folder, "0.jpg,60,40", "1.jpg,50,45", "0.jpg,60,40")
    tiny_run.write_checkpoint(tmp_path)
    more = ["--draws=4", "--square=20", f"--parts={table}"]
    numbers, arrays = show(tmp_path, tmp_path / "out", pictures, *more)
    stored = checkpoint.load(tmp_path)
    model = alexnet(stored.config.network)
    assign(named_weights(model), stored.weights())
    marked = parts.read(table, stored.config.network.input)
    x = preprocess(marked.image, stored.config.network.input).numpy()
    for layer, row in itertools.product(("pool5", "fc7"), ("nose", "random", "same_place")):
        part = keras.Model(model.input, model.get_layer(layer).output)
        for number, corners in enumerate(arrays[f"{row}/corner"]):
            without = x.copy()
            for one, (left, top) in zip(without, corners, strict=True):
                one[top : top + 20, left : left + 20] = 0
            signs = np.sign(np.reshape(part(x) - part(without), (3, -1)))
            pairs = itertools.combinations(signs, 2)
            expected = [np.mean(one != other) for one, other in pairs]
            np.testing.assert_allclose(arrays[f"{row}/{layer}"][number], expected, atol=0.02)
        own, at_random = arrays[f"{row}/{layer}"], arrays[f"random/{layer}"]
        found = numbers["table"][row][layer]
        assert found["mean"] == pytest.approx(own.mean())
        assert found["deviation"] == pytest.approx(own.std())
        if row == "nose":
            assert found["smaller_random"] == np.mean(at_random.mean(axis=1) < own.mean())
        is_same = row != "random"  # the first and the last picture are the same one
        assert (own[:, 1].max() == 0) == is_same


@pytest.mark.parametrize(
    "flags, text",
    [
        ([], "parts='': expected a table of marked parts, which only you can make"),
        (["--parts=x.csv", "--square=65"], "square=65: expected at most 64, the side of what the"),
    ],
)
def test_no_table_and_too_large_a_square_are_refused(pictures, tmp_path, flags, text):
    tiny_run.write_checkpoint(tmp_path)
    with pytest.raises(UserError, match=text):
        show(tmp_path, tmp_path, pictures, *flags)


def test_a_part_is_not_called_like_a_row_to_compare_with(folder, pictures, tmp_path):
    tiny_run.write_checkpoint(tmp_path)
    table = write(folder, GOOD, GOOD, header="path,random_x,random_y")
    with pytest.raises(UserError, match="has a part called random, which is the name of a row to"):
        show(tmp_path, tmp_path, pictures, f"--parts={table}")
