"""What `predict` prints, and its exit codes."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import CLASSES, picture

from alexnet_tf import export, predict
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.serving import savedmodel


@pytest.fixture(scope="module")
def model(run_dir, tmp_path_factory):
    output = tmp_path_factory.mktemp("export") / "model"
    export.main([f"--run_dir={run_dir}", f"--output={output}"])
    return output


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{seed}.jpg" for seed in range(5)]
    for seed, path in enumerate(paths):
        path.write_bytes(picture(seed=seed))
    return paths


def call(capsys, model, *words):
    code = predict.main([f"--model={model}", *map(str, words)])
    return code, capsys.readouterr()


def test_each_picture_is_named_with_its_five_likeliest_classes(capsys, model, pictures):
    code, printed = call(capsys, model, *pictures[:2])
    lines = printed.out.splitlines()
    assert code == 0 and len(lines) == 12
    assert lines[0] == str(pictures[0]) and lines[6] == str(pictures[1])
    percents = [float(line.split(" % ")[0]) for line in lines[1:6]]
    assert percents == sorted(percents, reverse=True)
    assert {line.split()[-1] for line in lines[1:6]} <= set(CLASSES)


def test_an_export_and_its_run_give_the_same_answer_as_json(capsys, model, run_dir, pictures):
    answers = []
    for place in (model, run_dir):
        code, printed = call(capsys, place, "--json", *pictures)
        (line,) = printed.out.splitlines()
        answer = json.loads(line)
        assert code == 0 and answer["num_failed"] == 0 and answer["step"] == 10
        assert answer["model"] == str(place)
        assert [image["image"] for image in answer["images"]] == [str(path) for path in pictures]
        answers.append([[one["probability"] for one in x["top"]] for x in answer["images"]])
    np.testing.assert_allclose(*answers, atol=1e-6)


def test_small_batches_change_no_answer(capsys, model, pictures, monkeypatch):
    (pictures[0].parent / "bad").write_bytes(b"no picture")
    words = ["--json", *pictures, pictures[0].parent / "bad", pictures[0]]
    _, whole = call(capsys, model, *words)
    monkeypatch.setattr(predict, "BATCH_EXAMPLES", 2)
    _, parts = call(capsys, model, *words)
    answers = [json.loads(x.out)["images"] for x in (whole, parts)]
    assert len(answers[0]) == len(words) - 1
    for one, other in zip(*answers, strict=True):
        assert (one["image"], one["error"]) == (other["image"], other["error"])
        assert [top["class"] for top in one["top"]] == [top["class"] for top in other["top"]]


def test_a_batch_ends_where_its_bytes_would_fill_the_memory(monkeypatch):
    monkeypatch.setattr(predict, "BATCH_BYTES", 10)
    files = [(str(n), b"123456", None) for n in range(5)]
    assert [len(batch) for batch in predict.batches(files)] == [2, 2, 1]


@pytest.mark.parametrize(
    "contents, reason",
    [(b"no picture", "its 10 bytes"), (None, "No such file")],
)
@pytest.mark.long
def test_an_unreadable_picture_gets_its_own_line_and_exit_code_1(
    capsys, model, pictures, tmp_path, contents, reason
):
    bad = tmp_path / "bad.jpg"
    if contents is not None:
        bad.write_bytes(contents)
    code, printed = call(capsys, model, bad, pictures[0])
    assert code == 1
    assert printed.out.splitlines()[0] == str(pictures[0])
    assert printed.err.startswith(f"image={str(bad)!r} cannot be read: {reason}")
    code, printed = call(capsys, model, "--json", bad, pictures[0])
    answer = json.loads(printed.out)
    assert code == 1 and answer["num_failed"] == 1
    assert reason in answer["images"][0]["error"] and answer["images"][0]["top"] == []
    assert answer["images"][1]["error"] is None


def test_a_file_without_end_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(predict, "MAX_BYTES", 1000)
    assert predict.read("/dev/zero") == ("/dev/zero", b"", "it is larger than 1000 bytes")


def test_a_directory_in_the_place_of_a_picture_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match=r"is a directory; expected files, such as .*\*\.jpg\."):
        predict.main([f"--model={tmp_path}", str(tmp_path)])
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.JPEG").touch()
    with pytest.raises(UserError, match=r"expected files, such as .*/\*/\*\.JPEG\."):
        predict.main([f"--model={tmp_path}", str(tmp_path)])


def test_no_model_is_a_mistake(tmp_path):
    for place, what in (
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path, "is neither of the two"),
    ):
        with pytest.raises(UserError, match=f"model=.* {what}; expected an export"):
            predict.main([f"--model={place}", "x.jpg"])


def test_a_savedmodel_of_another_program_is_a_mistake(tmp_path):
    tf.saved_model.save(tf.Module(), tmp_path)
    with pytest.raises(UserError, match="is a SavedModel of another kind"):
        predict.main([f"--model={tmp_path}", "x.jpg"])


@pytest.mark.parametrize(
    "part", ["saved_model.pb", "variables/variables.index", savedmodel.DESCRIPTION]
)
def test_a_damaged_export_is_said_to_be_one(model, tmp_path, part):
    place = tmp_path / "model"
    shutil.copytree(model, place)
    (place / part).write_bytes(b"rubbish")
    with pytest.raises(RunFailed, match="cannot be read: .*Export it again."):
        predict.main([f"--model={place}", "x.jpg"])


def test_an_export_that_was_cut_short_is_said_to_be_damaged(model, tmp_path):
    place = tmp_path / "model"
    shutil.copytree(model, place)
    data = place / "variables/variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-10])
    with pytest.raises(RunFailed, match="cannot be read: .*Export it again."):
        predict.main([f"--model={place}", "x.jpg"])


@pytest.mark.parametrize(
    "text, said",
    [
        ("[]", "alexnet_tf.json is not as it was written"),
        ('{"max_pixels": "x"}', "alexnet_tf.json is not as it was written"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_damaged_description_of_an_export_is_one_sentence(tmp_path, text, said):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"")
    (tmp_path / "assets.extra" / "alexnet_tf.json").write_text(text)
    with pytest.raises(RunFailed, match=f"model=.* cannot be read: .*{said}.*. Export it again."):
        predict.main([f"--model={tmp_path}", __file__])
