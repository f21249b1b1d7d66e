"""What `visualize` shows of maps and classes, on a run that was never trained."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from alexnet_tf import visualize
from alexnet_tf.errors import UserError
from alexnet_tf.laboratory import classes, maps, settings
from alexnet_tf.laboratory.attribution import gradcam, occlusion, saliency
from alexnet_tf.laboratory.opening import open_subject
from alexnet_tf.laboratory.units import deconvnet, deconvnet_page
from alexnet_tf.laboratory.units.winners import winners
from alexnet_tf.networks.named_weights import named_weights

pytest.importorskip("matplotlib", reason="the extra lab is not installed")
GIVEN = {"run_dir": "runs/some", "output": "none"}
"""What settings need; a Subject has it already."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tiny_run.write_pictures(tmp_path_factory.mktemp("given"), 11)


@pytest.fixture(scope="module")
def subject(run_dir, pictures):
    def elsewhere(config):
        data = dataclasses.replace(config.data, source=f"folder:{pictures}")
        return dataclasses.replace(config, data=data)

    return open_subject(settings.Common(**GIVEN | {"run_dir": str(run_dir)}), elsewhere)


@pytest.mark.long
def test_winners_are_those_of_brute_force(subject):
    every = list(subject.batches())
    images = np.concatenate([batch.image for batch in every])
    label = np.concatenate([batch.label for batch in every])
    found, num_seen = winners(subject, ["conv1", "conv5", "conv1"])
    assert num_seen == len(images) and list(found) == ["conv1", "conv5"]
    for layer, best in found.items():
        part = tiny_run.part_of(subject, layer)
        values = part(subject.preprocessed(images)).numpy().max(axis=(1, 2))
        strongest = -np.sort(-values, axis=0)[:9]
        np.testing.assert_allclose(best.strength, strongest, atol=1e-5)
        chosen = np.take_along_axis(values, best.number, axis=0)
        np.testing.assert_allclose(chosen, strongest, atol=1e-5)
        np.testing.assert_array_equal(best.label, label[best.number])
        assert all(len(set(column)) == 9 for column in best.number.T)  # one place a picture


@pytest.mark.long
def test_deconvnet_shows_the_units_that_it_says(subject):
    layers = ("conv2", "conv5")
    made = deconvnet.show(subject, settings.Deconvnet(**GIVEN, layer=layers, maps=2, check=True))
    assert made.numbers["check"]["conv2"]["layers"] == ("conv2", "conv1")
    assert set(made.numbers["check"]) == set(layers)
    json.dumps(made.numbers, allow_nan=False)
    for layer in layers:
        part, arrays = (
            tiny_run.part_of(subject, layer),
            {key.partition("/")[2]: x for key, x in made.arrays.items() if key.startswith(layer)},
        )
        assert arrays["projection"].shape[:2] == (2, 9) and np.any(arrays["projection"][0, 0])
        for m, n in np.ndindex(2, 9):
            image = subject.at([arrays["picture"][m, n]]).image
            own = part(subject.preprocessed(image)).numpy()[0, :, :, arrays["map"][m]]
            row, column = arrays["place"][m, n]
            assert own[row, column] == pytest.approx(own.max(), abs=1e-5)
            assert own.max() == pytest.approx(arrays["activation"][m, n], abs=1e-5)
            window = maps.window(subject.rows, layer, (row, column))
            assert tuple(arrays["window"][m, n]) == window


def test_a_page_without_patches_has_the_projections_alone():
    cells = np.zeros([1, 9, 2, 24, 24, 3], np.uint8)
    cells[:, :, 1] = (200, 10, 10)
    both, alone = (deconvnet_page.page({"conv1": ([4], cells)}, has) for has in (True, False))
    assert ((both == (200, 10, 10)).all(axis=2).sum(), both.shape[1] > alone.shape[1]) == (
        9 * 24 * 24,
        True,
    )
    assert not (alone == (200, 10, 10)).all(axis=2).any()


@pytest.mark.slow
def test_projections_of_many_maps_are_not_kept(subject, monkeypatch):
    monkeypatch.setattr(deconvnet, "MOST_BYTES", 2**16)
    some = settings.Deconvnet(**GIVEN, layer=("conv3",), maps=0, through_norm=True)
    made = deconvnet.show(subject, some)
    alive = made.numbers["layers"]["conv3"]["respond_to_nine_pictures"]
    assert len(made.arrays["conv3/map"]) == alive > 16
    assert "conv3/projection" not in made.arrays and made.arrays["conv3/place"].shape[1:] == (9, 2)


def test_what_lies_outside_of_a_picture_is_white_and_nothing_is_gray():
    part = deconvnet_page.Part((0, 5, 2, 8), (1, 0), 3)
    images = np.arange(200, dtype=np.uint8).reshape(1, 10, 10, 2).repeat(2, axis=3)[..., :3]
    cut = deconvnet_page.cut(images, [part])
    np.testing.assert_array_equal(cut[0, 1:], images[0, 0:2, 5:8])
    assert not cut[0, 0].any()
    down, seen = deconvnet_page.cells(np.zeros((1, 3, 3, 3)), cut, [part], 6)[0]
    assert np.all(down[:2] == 255) and np.all(down[2:] == 128)
    np.testing.assert_array_equal(seen[2::2, ::2], images[0, 0:2, 5:8])


@pytest.fixture(scope="module")
def given(subject, files, tmp_path_factory):
    """Pictures of one's own, of which one cannot be read."""
    broken = tmp_path_factory.mktemp("broken") / "broken.jpg"
    broken.write_bytes(b"no picture")
    return dataclasses.replace(subject, files=(*files[:2], str(broken)))


@pytest.mark.long
def test_occlusion_shows_what_each_place_does(given):
    made = occlusion.show(given, settings.Occlusion(**GIVEN, square=20, stride=11, check=True))
    assert "2 pictures given (1 left out that cannot be decoded)" in made.seen
    assert made.numbers["places"] == [5, 5] and made.arrays["probability"].max() <= 1
    checks = made.numbers["check"]
    assert [*checks] == ["sum over the map", "probability"]
    assert checks["probability"]["layers"][0] == "fc8"
    assert checks["sum over the map"]["layers"][0] == "conv5"  # on which alone the map depends
    assert checks["sum over the map"]["correlation"]["sum over the map"][0] < 0.99
    x = given.preprocessed(given.given[0].image).numpy()
    x[1, 11:31, 22:42] = 0
    said = classes.probabilities(given, x)[1]
    asked, strongest = made.arrays["class"][1], made.arrays["map"][1]
    assert made.arrays["probability"][1, 1, 2] == pytest.approx(said[asked], abs=1e-5)
    assert made.arrays["most_likely"][1, 1, 2] == said.argmax()
    total = tiny_run.part_of(given, "conv5")(tf.constant(x)).numpy()[1, :, :, strongest].sum()
    assert made.arrays["strength"][1, 1, 2] == pytest.approx(total, rel=1e-4)
    json.dumps(made.numbers, allow_nan=False)


def test_a_silent_map_loses_nothing_and_speaks_for_nothing(given):
    kernel = named_weights(given.model)["conv5/kernel"]
    before = kernel.numpy()
    bias = named_weights(given.model)["conv5/bias"]
    try:
        kernel.assign(np.zeros_like(before))
        old, _ = bias.numpy(), bias.assign(np.full(bias.shape, -1.0))
        some = settings.Occlusion(**GIVEN, square=20, stride=22)
        made = occlusion.show(given, some)
        assert "strongest map of conv5 loses at most 0%, 0% of its sum" in made.seen
        made = gradcam.show(given, settings.GradCam(**GIVEN))
        assert "All maps are 0: nothing in them speaks for the class." in made.seen
        assert made.numbers["share_of_places_with_half"] is None
        assert "On average 50% of the places have half of a map. 1 of the 2" in gradcam._told(
            np.stack([np.zeros((2, 2)), np.ones((2, 2))])
        )
    finally:
        kernel.assign(before), bias.assign(old)


@pytest.mark.slow
def test_occlusion_without_classes_shows_the_strongest_map(given):
    rows = given.rows[: [row.name for row in given.rows].index("conv5") + 1]
    some = settings.Occlusion(**GIVEN, square=20, stride=22)
    made = occlusion.show(dataclasses.replace(given, rows=rows), some)
    assert set(made.arrays) == {"map", "strength"} and "probability" not in made.seen


@pytest.mark.long
def test_grad_cam_and_saliency_are_of_the_class_that_was_named(given):
    made = gradcam.show(given, settings.GradCam(**GIVEN, class_="crow", check=True))
    assert made.numbers["classes"] == ["crow", "crow"] and made.arrays["map"].min() >= 0
    some = settings.Saliency(**GIVEN, class_="crow", samples=16, steps=16, check=True)
    again = saliency.show(given, some)
    assert again.numbers["probability"] == made.numbers["probability"]
    assert again.numbers["missed"] < 0.1 and again.arrays["guided"].shape == (2, 64, 64, 3)
    found = again.numbers["check"]["saliency"]["correlation"]
    assert found["guided backpropagation"][0] > found["gradient"][0]
    json.dumps(again.numbers, allow_nan=False)


@pytest.mark.parametrize(
    "what, flags, text",
    [
        ("deconvnet", ["--maps=-1"], "maps=-1: expected at least 0"),
        ("deconvnet", ["--layer=conf2"], "layer=conf2: expected one of.*Did you mean conv2"),
        ("deconvnet", ["--layer=fc6"], "layer=fc6: expected a layer of maps"),
        ("occlusion", ["--square=-3"], "square=-3: expected at least 0"),
        ("occlusion", ["--square=65"], "square=65: expected up to 64 pixels, the side of what the"),
        ("gradcam", ["--class=crown"], "class=crown: expected one of.*Did you mean crow"),
        ("saliency", ["--samples=0"], "samples=0: expected at least 1"),
        ("saliency", ["--noise=-1"], "noise=-1.0: expected at least 0"),
        ("saliency", ["--seed=-1"], "seed=-1: expected 0 to 4294967295"),
    ],
)
def test_mistakes_are_one_sentence(run_dir, pictures, tmp_path, what, flags, text):
    with pytest.raises(UserError, match=text):
        typed = [f"--run_dir={run_dir}", f"--output={tmp_path}", f"--data.source=folder:{pictures}"]
        visualize.main([what, *typed, *flags])


@pytest.mark.parametrize("what", [gradcam, saliency])
def test_what_asks_about_a_class_needs_the_output_layer(given, what):
    name = what.__name__.rpartition(".")[2]
    some = settings.EXHIBITS[name](**GIVEN)
    with pytest.raises(UserError, match=f"{name} needs the classes that a network tells apart"):
        what.show(dataclasses.replace(given, rows=given.rows[:3]), some)


def test_nine_pictures_are_needed_for_the_nine_strongest(given):
    with pytest.raises(UserError, match="9 pictures that can be decoded, for the strongest 9; got"):
        deconvnet.show(given, settings.Deconvnet(**GIVEN))


def test_a_silent_layer_is_refused(subject):
    bias = subject.model.get_layer("conv4").bias
    before = bias.numpy()
    bias.assign(np.full_like(before, -1e6))
    with pytest.raises(UserError, match="layer=conv4: expected maps that respond to 9 pictures"):
        deconvnet.show(subject, settings.Deconvnet(**GIVEN, layer=("conv4",)))
    bias.assign(before)
