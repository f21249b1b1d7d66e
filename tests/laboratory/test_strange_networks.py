"""Networks and files that few exhibits fit, and sets that are not there."""

import dataclasses
import json

import numpy as np
import pytest
import tiny
import tiny_run

from alexnet_tf import visualize
from alexnet_tf.config.run import Config
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.figures import canvas
from alexnet_tf.laboratory import maps, settings
from alexnet_tf.laboratory.attribution import gradcam, occlusion
from alexnet_tf.laboratory.opening import open_subject
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.laboratory.units import deconvnet, filters, invariance
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.family import names
from alexnet_tf.networks.tables.resolved import table

pytest.importorskip("matplotlib", reason="the extra lab is not installed")
GIVEN = {"run_dir": "runs/some", "output": "none"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tiny_run.write_pictures(tmp_path_factory.mktemp("given"), 9)


def no_set():
    raise UserError("there is no such folder")


def subject_of(network, files=()) -> Subject:
    """A network with initial weights, without a set of pictures."""
    return Subject(
        what="a network",
        model=alexnet(network),
        config=Config(network=network),
        classes=tuple(f"c{n}" for n in range(network.num_classes)),
        rows=tuple(table(network)),
        opened=no_set,
        files=files,
    )


@pytest.fixture(scope="module")
def lenet(files):
    return subject_of(names.network("lenet5").with_num_classes(10), files)


def test_maps_of_one_place_are_not_the_default(lenet):
    assert maps.convolutions(lenet)[-1] == "c5" and maps.last_convolution(lenet) == "c3"
    made = gradcam.show(lenet, settings.GradCam(**GIVEN))
    assert made.numbers["layer"] == "c3" and made.arrays["map"].shape[1] > 1
    with pytest.raises(UserError, match="layer=c5: expected maps of several places, got 1 x 1"):
        gradcam.show(lenet, settings.GradCam(**GIVEN, layer="c5"))


def test_a_network_without_relus_says_so(lenet):
    made = deconvnet.show(lenet, settings.Deconvnet(**GIVEN, layer=("c1", "c1"), maps=1))
    assert made.seen.startswith("9 pictures given, shown to a network. c1")
    assert made.seen.endswith("The network has no ReLU, so these are its gradients.")


def test_a_square_without_places_cannot_be_checked(lenet):
    some = settings.Occlusion(**GIVEN, square=32, check=True)
    with pytest.raises(UserError, match="check: expected maps of several places, got one place"):
        occlusion.show(dataclasses.replace(lenet, files=lenet.files[:1]), some)


def test_a_network_without_convolutions_has_no_maps():
    none = dataclasses.replace(tiny_run.NETWORK, groups=1)
    none = dataclasses.replace(none, without=("conv1", "conv2", "conv3", "conv4", "conv5"))
    with pytest.raises(UserError, match="has no layer of maps that has filters, which this needs"):
        maps.convolutions(subject_of(none))


@pytest.mark.parametrize("without, towers", [((), 2), (("conv2",), 1)])
def test_filters_stand_in_towers_where_the_next_layer_sees_them_so(without, towers):
    network = dataclasses.replace(tiny_run.NETWORK, normalization="batch", without=without)
    subject = subject_of(network)
    made = filters.show(subject, settings.Filters(**GIVEN))
    assert len(made.numbers["mean_color_by_tower"]) == towers
    assert ("upper half" in made.seen) == (towers == 2)


def test_two_names_of_one_row_share_their_winners(files):
    subject = subject_of(dataclasses.replace(tiny_run.NETWORK, normalization="batch"), files)
    made = deconvnet.show(subject, settings.Deconvnet(**GIVEN, layer=("conv2", "relu2"), maps=1))
    np.testing.assert_array_equal(made.arrays["conv2/picture"], made.arrays["relu2/picture"])
    assert len({*made.arrays["conv2/picture"][0]}) == 9


def test_a_silent_layer_does_not_change(files):
    subject = subject_of(tiny_run.NETWORK, files[:1])
    bias = subject.model.get_layer("fc7").bias
    bias.assign(np.full(bias.shape, -1e6))
    with pytest.raises(UserError, match="layer=fc7: expected activations other than zero, but it"):
        invariance.show(subject, settings.Invariance(**GIVEN))


def test_nine_random_pictures_have_some_of_a_class():
    assert deconvnet.of_one_class_by_chance([5]) == 9
    assert 2.4 < deconvnet.of_one_class_by_chance([387] * 10) < 2.8
    assert 5.5 < deconvnet.of_one_class_by_chance([50, 0, 50]) < 6.2  # at least 5


def call(what, *flags):
    return visualize.main([what, *map(str, flags)])


def test_what_needs_no_set_is_shown_without_one(run_dir, files, capsys, tmp_path):
    flags = f"--run_dir={run_dir}", f"--output={tmp_path}", "--data.source=folder:/nowhere"
    assert call("filters", *flags) == 0
    assert call("gradcam", *flags, f"--images={files[0]}") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["files"][0] == "gradcam.png"
    for what in ("all", "mistakes"):
        with pytest.raises(UserError, match="/nowhere"):
            call(what, *flags)


def test_a_set_is_looked_at_whatever_images_says(run_dir, files, capsys, tmp_path):
    flags = f"--run_dir={run_dir}", f"--output={tmp_path}", f"--images={files[0]}"
    assert call("filters", *flags) == 0
    assert "images: filters is about the network's weights, so they" in capsys.readouterr().err


def test_matplotlib_is_asked_for_before_anything_is_computed(run_dir, tmp_path, monkeypatch):
    def missing():
        raise UserError("Plots need matplotlib")

    monkeypatch.setattr(canvas, "need_matplotlib", missing)
    for what in ("all", "nearest"):
        with pytest.raises(UserError, match="Plots need matplotlib"):
            call(what, f"--run_dir={run_dir}", f"--output={tmp_path / 'none'}")
    assert not (tmp_path / "none").exists()


def page_of(monkeypatch, run_dir, tmp_path, pictures, errors) -> int:
    """Calls `all` with one exhibit that works, unless it is among the errors, and others."""
    from alexnet_tf.laboratory import exhibits
    from alexnet_tf.laboratory.units import filters

    def failing(error):
        def show(subject, settings):
            raise error

        return show

    shown = {"filters": filters.show} | {name: failing(error) for name, error in errors.items()}
    monkeypatch.setattr(visualize, "EXHIBITS", {name: settings.EXHIBITS[name] for name in shown})
    kinds = {settings.EXHIBITS[name]: show for name, show in shown.items()}
    monkeypatch.setattr(exhibits, "SHOW", kinds)
    source = f"--data.source=folder:{pictures}"
    return call("all", f"--run_dir={run_dir}", f"--output={tmp_path}", source)


def test_the_page_is_written_though_a_checkpoint_is_damaged(
    run_dir, tmp_path, pictures, monkeypatch, capsys
):
    errors = {"evolution": RunFailed("a checkpoint is damaged"), "nearest": UserError("too few")}
    assert page_of(monkeypatch, run_dir, tmp_path, pictures, errors) == 1
    text = (tmp_path / "index.html").read_text()
    assert "evolution: a checkpoint is damaged" in text and "nearest: too few" in text
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["files"][-1] == "index.html" and len(last["left_out"]) == 2


def test_a_page_of_nothing_is_a_mistake(run_dir, tmp_path, pictures, monkeypatch):
    with pytest.raises(UserError, match="nothing of .* can be shown. filters: no filters"):
        errors = {"filters": UserError("no filters")}
        page_of(monkeypatch, run_dir, tmp_path, pictures, errors)
    assert not (tmp_path / "index.html").exists()


def test_names_that_are_no_text_are_shown_as_far_as_they_are(
    run_dir, tmp_path, pictures, monkeypatch
):
    errors = {"nearest": UserError("of caf\udce9")}
    assert page_of(monkeypatch, run_dir, tmp_path, pictures, errors) == 0
    assert "nearest: of caf?" in (tmp_path / "index.html").read_text(encoding="utf-8")


def opened(path, name="tiny", source=None):
    """Opens a file of weights for the tiny network, or another."""

    def override(config):
        network = tiny_run.NETWORK if name == "tiny" else names.network(name)
        data = dataclasses.replace(config.data, source=f"folder:{source}")
        return dataclasses.replace(config, network=network.with_num_classes(0), data=data)

    return open_subject(settings.Filters(start_from=str(path), output="x"), override)


def test_files_that_cannot_be_shown_are_refused(run_dir, tmp_path, pictures):
    with pytest.raises(UserError, match="names a directory, but one file of weights is expected"):
        opened(run_dir, source=pictures)
    np.savez(tmp_path / "above.npz", **{"fc7/kernel": np.zeros([24, 24]), "fc7/bias": [0.0] * 24})
    with pytest.raises(UserError, match="expected weights of the first layer of network.name=tiny"):
        opened(tmp_path / "above.npz", source=pictures)
    with pytest.raises(UserError, match="num_classes"):  # LeNet-5 has ten
        opened(tmp_path / "above.npz", "lenet5", pictures)


def test_the_classes_of_a_file_are_taken_from_the_set_and_that_is_said(tmp_path, pictures, capsys):
    network = alexnet(tiny_run.NETWORK.with_num_classes(3))
    np.savez(tmp_path / "whole.npz", **tiny.weights(network))
    found = opened(tmp_path / "whole.npz", source=pictures)
    assert "whose 3 outputs are taken for the classes of folder:" in found.what
    assert "starting from" in capsys.readouterr().err


@pytest.mark.parametrize(
    "kind, values, text",
    [
        ("correspondence", {"seed": -1}, "seed=-1: expected 0 to 4294967295"),
        ("saliency", {"seed": 2**32}, "seed=4294967296: expected 0 to 4294967295"),
        ("filters", {"checkpoint": "last"}, "checkpoint=last, start_from='x.npz': expected a"),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind, values, text):
    with pytest.raises(ValueError, match=text):
        settings.EXHIBITS[kind](start_from="x.npz", output="x", **values)
