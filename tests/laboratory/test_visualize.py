"""The command that shows: its files, its page, the pictures it looks at, and its mistakes."""

import dataclasses
import html.parser
import json

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_run

from alexnet_tf import visualize
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError
from alexnet_tf.figures import sheets
from alexnet_tf.laboratory import page
from alexnet_tf.laboratory.exhibit import About, Exhibit, png
from alexnet_tf.laboratory.opening import open_subject
from alexnet_tf.laboratory.settings import EXHIBITS, Filters
from alexnet_tf.laboratory.units import filters
from alexnet_tf.networks.alexnet import alexnet
from pipelines.config import DataConfig


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    """Pictures of the run's classes."""
    root = tmp_path_factory.mktemp("animals")
    for name in tiny_run.CLASSES:
        (root / "val" / name).mkdir(parents=True)
        (root / "train" / name).mkdir(parents=True)
        for i in range(2):
            for split in ("val", "train"):
                data = tiny_run.picture(seed=10 * tiny_run.CLASSES.index(name) + i)
                (root / split / name / f"{i}.jpg").write_bytes(data)
    return root


@pytest.fixture(scope="module")
def some_layers(tmp_path_factory):
    """A file with the weights of three convolutions of the tiny network, and nothing else."""
    path = tmp_path_factory.mktemp("weights") / "three.npz"
    weights = tiny.weights(alexnet(tiny_run.NETWORK, seed=4))
    kept = {n: x for n, x in weights.items() if n.split("/")[0] in ("conv1", "conv2", "conv3")}
    np.savez(path, **kept)
    return path


def call(capsys, what, *flags):
    """Returns the last line of the command."""
    assert visualize.main([what, *map(str, flags)]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def subject_of(run_dir, source, **settings):
    """Opens a network as `visualize filters` does."""

    def override(config):
        return dataclasses.replace(
            config, data=dataclasses.replace(config.data, source=f"folder:{source}")
        )

    return open_subject(Filters(run_dir=str(run_dir), output="x", **settings), override)


def test_filters_are_drawn_as_they_are_with_the_towers_apart(capsys, run_dir, animals, tmp_path):
    flags = f"--run_dir={run_dir}", f"--output={tmp_path}", f"--data.source=folder:{animals}"
    last = call(capsys, "filters", *flags)
    assert last["files"] == ["filters.png", "filters.json", "filters.npz"]
    kernel = alexnet(tiny_run.NETWORK, seed=0).get_layer("conv1").kernel.numpy()
    picture = tf.io.decode_png((tmp_path / "filters.png").read_bytes()).numpy()
    upper, lower = (sheets.filters(part) for part in np.split(kernel, 2, axis=3))
    np.testing.assert_array_equal(picture[: len(upper)], upper)
    np.testing.assert_array_equal(picture[-len(lower) :], lower)
    assert (picture[len(upper) : -len(lower)] == 255).all()
    with np.load(tmp_path / "filters.npz") as arrays:
        np.testing.assert_array_equal(arrays["kernel"], kernel)
    numbers = json.loads((tmp_path / "filters.json").read_text())
    assert numbers["mean_color_by_tower"] == last["numbers"]["mean_color_by_tower"]
    assert "Krizhevsky" in numbers["source"] and "upper half" in numbers["seen"]


def test_filters_of_maps_are_no_pictures(run_dir, animals):
    subject = subject_of(run_dir, animals)
    above = dataclasses.replace(subject, rows=subject.rows[6:])
    with pytest.raises(UserError, match="layer=conv3: expected a first layer that is a convol"):
        filters.show(above, Filters(run_dir=str(run_dir), output="x"))


def test_color_is_what_the_channels_do_not_share():
    gray = np.random.default_rng(0).normal(size=(5, 5, 1, 1)).repeat(3, axis=2)
    opposed = np.concatenate([gray[:, :, :1], -gray[:, :, :1], 0 * gray[:, :, :1]], axis=2)
    kernel = np.concatenate([gray, opposed, 0 * gray], axis=3)
    np.testing.assert_allclose(filters.colorfulness(kernel), [0, 1, 1], atol=1e-6)


class Reader(html.parser.HTMLParser):
    """Collects what a page refers to, and the tags that are open."""

    def __init__(self):
        super().__init__()
        self.places, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.places += [x for name, x in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_no_number_takes_the_place_of_a_caption(tmp_path):
    about = About(title="Filters", method="drawn", source="here", limits="none")
    picture = np.zeros((4, 4, 3), np.uint8)
    made = Exhibit(name="a", about=about, seen="gray", picture=picture, numbers={"method": 1})
    with pytest.raises(ValueError, match="a: a number is called as a part of its caption"):
        made.write(tmp_path)


def test_the_page_holds_its_pictures_and_escapes_names():
    about = About(title="<Filters>", method="m & n", source="s", limits="l")
    picture = np.zeros([4, 4, 3], np.uint8)
    exhibit = Exhibit(name="one", about=about, seen="a<b", picture=picture, numbers={})
    text = page.page("run <1>", "7 pictures", [exhibit], ["two: it's & cannot"])
    reader = Reader()
    reader.feed(text)
    assert reader.open == ["html"]
    assert [x[:22] for x in reader.places] == ["#one", "data:image/png;base64,"]
    assert "<1>" not in text and "a&lt;b" in text and "it&#x27;s &amp; cannot" in text


def test_a_file_shows_the_layers_that_it_has(some_layers, animals):
    data = DataConfig(source=f"folder:{animals}")
    subject = open_subject(
        Filters(start_from=str(some_layers), output="x"),
        lambda config: Config(network=tiny_run.NETWORK.with_num_classes(0), data=data),
    )
    assert [row.name for row in subject.rows][-1] == "conv3" and not subject.is_whole
    weights = tiny.weights(alexnet(tiny_run.NETWORK, seed=4))
    np.testing.assert_array_equal(subject.model.get_layer("conv3").kernel, weights["conv3/kernel"])
    with pytest.raises(UserError, match="layer=fc7: expected a layer with weights in .*conv3"):
        subject.row("fc7")
    with pytest.raises(UserError, match="occlusion needs the classes that a network tells apart"):
        subject.need_classes("occlusion")


def test_the_set_is_seen_whole_and_in_order(run_dir, animals):
    subject = subject_of(run_dir, animals)
    found = list(subject.batches())
    index = np.concatenate([batch.index for batch in found])
    images = np.concatenate([batch.image for batch in found])
    np.testing.assert_array_equal(index, np.arange(14))
    assert subject.told_all(14) == f"14 pictures of folder:{animals}, split val"
    again = subject.at([3, 0, 13])
    np.testing.assert_array_equal(again.image, images[[3, 0, 13]])
    assert again.label.tolist() == [1, 0, 6] and again.name[1].endswith("ant/0.jpg")
    assert subject.some(7).label.tolist() == list(range(7))


def test_other_classes_are_read_but_are_not_the_networks(run_dir, pictures):
    subject = subject_of(run_dir, pictures)
    assert subject.source.classes == tiny.CLASSES and subject.classes == tiny_run.CLASSES
    with pytest.raises(UserError, match="has the classes bright, dark, red; x expects those of"):
        subject.need_classes("x")


def test_pictures_of_ones_own_are_looked_at_and_unreadable_ones_are_named(
    run_dir, animals, tmp_path
):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    (tmp_path / "good.png").write_bytes(tiny_run.picture(form="PNG", seed=3))
    names = [str(tmp_path / name) for name in ("good.png", "bad.jpg", "none.jpg")]
    (tmp_path / "none.jpg").touch()
    subject = subject_of(run_dir, animals, images=tuple(names))
    (tmp_path / "none.jpg").unlink()
    found, unread = subject.given
    assert found.name == (names[0],) and found.image.shape == (1, 64, 64, 3)
    assert subject.told(found) == "1 picture given (2 left out that cannot be decoded)"
    assert "bad.jpg' cannot be decoded" in unread[1] and "none.jpg' cannot be read" in unread[0]
    with pytest.raises(UserError, match="^images=.*: expected 2 pictures or more that can be dec"):
        subject.some(5, minimum=2)


@pytest.mark.parametrize(
    "what, flags, sentence",
    [
        ("filter", [], "what=filter: expected one of .*Did you mean filters.*It comes first"),
        ("--output=x", [], "what=--output=x: expected one of .*It comes first, before all flags"),
        ("filters", ["--start_from=x"], "run_dir=.*start_from='x': expected one of the two, since"),
        ("filters", ["--images=/"], "images='/' is a directory; expected files, separated by"),
        ("filters", ["--images=no.jpg"], "images='no.jpg': there is no such file; expected pict"),
        (
            "filters",
            ["--network.name=paper"],
            "network.name=paper: expected nothing with --run_dir",
        ),
        (
            "filters",
            ["--output=/dev/null/x"],
            "/dev/null/x' cannot be written: .*Expected a directory that this user may write to",
        ),
        ("filters", ["--layer=conv1"], "--layer=conv1: expected one of this command's flags"),
    ],
)
def test_mistakes_are_one_sentence(run_dir, tmp_path, what, flags, sentence):
    with pytest.raises(UserError, match=sentence):
        visualize.main([what, f"--run_dir={run_dir}", f"--output={tmp_path}", *flags])


def test_no_place_among_the_pictures_is_taken(run_dir, animals):
    place, source = animals / "val/out", f"--data.source=folder:{animals / 'val'}"
    with pytest.raises(UserError, match="lies in data.source='folder:.*, where each folder is a c"):
        visualize.main(["filters", f"--run_dir={run_dir}", f"--output={place}", source])
    assert not place.exists()


def test_a_file_alone_is_not_enough(tmp_path):
    with pytest.raises(UserError, match="start_from='x.npz': expected the network and pictures"):
        visualize.main(["filters", "--start_from=x.npz", f"--output={tmp_path}"])
    named = ["--start_from=x.npz", "--network.name=caffe", f"--output={tmp_path}"]
    with pytest.raises(UserError, match=r"well\. Add --data\.source=folder:DIR\.$"):
        visualize.main(["filters", *named])


def test_maps_are_asked_of_layers_that_have_them(run_dir, animals):
    subject = subject_of(run_dir, animals)
    with pytest.raises(UserError, match="layer=fc6: expected a layer of maps, since fc6 gives a"):
        subject.row("fc6", has_places=True)
    with pytest.raises(UserError, match="layer=conv9: expected one of conv1"):
        subject.row("conv9")


def test_help_lists_everything_that_can_be_shown(capsys):
    assert visualize.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in [*EXHIBITS, "all"])
    with pytest.raises(SystemExit):
        visualize.main(["filters", "--help"])
    assert " filters [--name=value ...]" in capsys.readouterr().out
    assert png(np.zeros([1, 1, 3], np.uint8)).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name, values, sentence",
    [
        ("nearest", {"neighbors": 0}, "neighbors=0: expected at least 1"),
        ("embedding", {"count": 8}, "count=8: expected at least 9"),
        ("mistakes", {"count": 0}, "count=0: expected at least 1"),
        ("calibration", {"bins": 0}, "bins=0: expected at least 1."),
    ],
)
def test_settings_that_show_nothing_are_refused(name, values, sentence):
    with pytest.raises(ValueError, match=sentence):
        EXHIBITS[name](run_dir="x", output="x", **values)
