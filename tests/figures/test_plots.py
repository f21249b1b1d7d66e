"""Plots and grids of pictures: sizes, what is drawn where, words that fit, without matplotlib."""

import io
import sys

import numpy as np
import pytest

from alexnet_tf.errors import UserError
from alexnet_tf.figures import canvas, grids, plots

NAN = float("nan")
BLUE, VERMILION = (tuple(bytes.fromhex(color[1:])) for color in canvas.COLORS[:2])
LONG = "Łódź, 日本語, $x_1$ and a very long name of a class that nobody can read in one go " * 3


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def has(picture: np.ndarray, color: tuple) -> np.ndarray:
    """Tells where a picture has a color: bool [H, W]."""
    return (picture == color).all(axis=2)


def places_of_a_flat_curve(is_dashed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the bluish pixels of a plot, legend left out."""
    curve = plots.Curve(x=[0, 1], y=[0.5, 0.5], label="flat", is_dashed=is_dashed)
    page = plots.curves([curve], "", "x", "y", ranges=((0, 1), (0, 1)))[:, :740].astype(int)
    return np.nonzero(page[..., 2] - page[..., 0] > 60)


def some_curves() -> np.ndarray:
    drawn = [
        plots.Curve(x=[0, 1, 2], y=[0.9, 0.5, 0.2], label="ReLU"),
        plots.Curve(x=[0, 4], y=[0.9, 0.2], label=LONG, is_dashed=True),
        plots.Curve(x=[1], y=[0.4], error=[0.1]),
    ]
    return plots.curves(drawn, LONG, "epochs", "error", level=0.25)


def some_bars() -> np.ndarray:
    values = {"precision": [0.9, NAN], "recall": [0.5, 0.1]}
    errors = {"precision": [0.1, NAN], "recall": [0.1, 0.1]}
    return plots.bars(["church", LONG], values, LONG, "share", errors)


def some_intervals() -> np.ndarray:
    names, labels = ["one", LONG, "failed"], ("measured", "published")
    return plots.intervals(
        names, [1.0, -1, NAN], [0.5, NAN, NAN], [1.5, NAN, NAN], LONG, "points", labels
    )


def some_grid() -> np.ndarray:
    cells = [grids.Picture(image=noise(40, 60), title=f"{LONG}\n97 %", frame=grids.RIGHT), None]
    return grids.image_grid([cells, cells[:1]], [LONG, "query"], [LONG, "none"], LONG)


ALL = {
    "curves": (some_curves, (480, 860)),
    "bars": (some_bars, (172, 860)),
    "intervals": (some_intervals, (188, 860)),
    "grid": (some_grid, None),
}


@pytest.fixture(autouse=True)
def matplotlib():
    return pytest.importorskip("matplotlib", reason="needs the extra lab")


@pytest.mark.parametrize("name", ALL)
def test_equal_arguments_give_equal_pixels_and_bytes(name):
    draw, shape = ALL[name]
    picture = draw()
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert shape is None or picture.shape[:2] == shape
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10  # not blank
    assert canvas.png(picture) == canvas.png(draw())


def test_a_png_holds_the_pixels(matplotlib):
    from matplotlib.image import imread

    picture = noise(7, 9)
    read = np.rint(imread(io.BytesIO(canvas.png(picture))) * 255)[..., :3]
    np.testing.assert_array_equal(read, picture)


def test_settings_of_the_user_change_nothing(matplotlib, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # not needed
    expected = some_bars()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "figure.dpi": 50}):
        np.testing.assert_array_equal(some_bars(), expected)
        assert matplotlib.rcParams["font.size"] == 20


@pytest.mark.parametrize("name", ["English springer", LONG, "a$b", "\udcff.jpg", "日本", ""])
def test_words_are_cut_where_their_room_ends(name):
    short = canvas.fitted(name, 100)
    assert canvas.width_of(short) <= 100
    if len(name) < 12:
        assert short == name.replace("\udcff", "?")
    else:
        assert short.endswith("…") and name.startswith(short[:-1])
        assert canvas.width_of(f"{name[: len(short)]}…") > 100


def test_pictures_stand_in_a_grid_pixel_for_pixel():
    big, small = noise(50, 70), noise(30, 20)
    drawn = [[grids.Picture(image=big), None], [None, grids.Picture(image=small, frame="#010203")]]
    page = grids.image_grid(drawn)
    np.testing.assert_array_equal(page[16:66, 16:86], big)  # gap 12, frame 4
    np.testing.assert_array_equal(page[86:116, 106:126], small)
    assert has(page, (1, 2, 3)).sum() == 38 * 28 - 30 * 20
    rest = page.copy()
    rest[16:66, 16:86] = rest[82:120, 102:130] = 255
    assert (rest == 255).all() and page.shape == (132, 142, 3)


def test_titles_in_a_grid_stay_in_their_column():
    for wide in (130, 24):  # a column under which words stand is no narrower than 130
        cells = [grids.Picture(image=np.full((40, wide, 3), 200, np.uint8), title=LONG)] * 3
        page = grids.image_grid([cells], column_titles=[LONG] * 3)
        is_dark = (page < 180).any(axis=(0, 2))
        for left in (16, 166, 316):
            assert is_dark[left : left + 130].any()
        for gap in (slice(0, 15), slice(147, 165), slice(297, 315), slice(447, None)):
            assert not is_dark[gap].any()


def test_a_curve_passes_through_its_points():
    rows, columns = places_of_a_flat_curve(is_dashed=False)
    assert np.ptp(rows) <= 2 and np.ptp(columns) > 500
    assert len(places_of_a_flat_curve(is_dashed=True)[0]) < 0.8 * len(rows)


def test_intervals_and_bars_are_as_long_as_their_numbers():
    names, labels = ["one", "two"], ("measured", "published")
    drawn = plots.intervals(names, [1.0, 1.0], [1.0, 0.5], [NAN, NAN], "", "points", labels)
    page = drawn[:, :740]  # without the legend
    lengths = [np.ptp(np.nonzero(row)[0]) for row in has(page, BLUE) if row.sum() > 80]
    assert max(lengths) == pytest.approx(2 * min(lengths), abs=6)
    assert not has(page, VERMILION).any()
    page = plots.bars(names, {"only": [1.0, 0.25]}, "", "share")
    lengths = sorted({row.sum() for row in has(page, BLUE) if row.any()})
    assert lengths[-1] == pytest.approx(4 * lengths[0], abs=8)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_value_far_outside_stands_at_the_edge_and_leaves_the_others_their_room(matplotlib, sign):
    def drawn(last):
        halves, labels = [[0.5, 0.4, 2.0]] * 2, ("measured", "published")
        return plots.intervals(
            ["a", "b", "c"], [1.0, -1.0, last], halves, [NAN] * 3, "", "points", labels
        )

    others, far, near = (drawn(last) for last in (NAN, sign * 67.4, sign * 7.0))
    rows, columns = np.nonzero((far != others).any(axis=2))
    assert len(rows) and np.ptp(rows) < plots.LINE_PIXELS  # nothing but the third line
    assert np.ptp(columns) < 60  # an arrow and four characters
    rows, _ = np.nonzero((near != others).any(axis=2))
    assert np.ptp(rows) > 2 * plots.LINE_PIXELS  # the axis is another


def test_a_long_interval_is_cut_and_its_value_stays_in_its_place(matplotlib):
    def drawn(half, mark):
        labels, marks = ("measured", "published"), [1.1, 1.2, mark]
        halves = [0.5, 0.4, half]
        return plots.intervals(["a", "b", "c"], [1.0, -1.0, 0.5], halves, marks, "", "x", labels)

    longest, cut, far = drawn(1.0, 1.4), drawn(30.0, 1.4), drawn(30.0, 60.0)
    half = len(cut) // 2  # the first two rows
    assert (longest[:half, :740] == cut[:half, :740]).all()  # the axis is that of the others
    assert (cut[:half, :740] == far[:half, :740]).all()
    blue = [
        np.flatnonzero(has(page[:, :740], BLUE).sum(axis=1) > 80)[-1:] for page in (longest, cut)
    ]
    assert has(cut[:, :740], BLUE)[blue[1]].sum() > has(longest[:, :740], BLUE)[blue[0]].sum()
    assert has(far, VERMILION).any()


@pytest.mark.parametrize("centers", [[], [NAN, NAN], [0.0, 0.0]])
def test_intervals_of_nothing_are_an_empty_plot(matplotlib, centers):
    nothing = [NAN] * len(centers)
    labels = ("measured", "published")
    page = plots.intervals(["a", "b"][: len(centers)], centers, nothing, nothing, "", "x", labels)
    assert page.shape[1] == plots.WIDTH_PIXELS


@pytest.mark.parametrize("draw", [draw for draw, _ in ALL.values()])
def test_without_matplotlib_a_sentence_says_what_to_install(draw, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    canvas.width_of.cache_clear()
    canvas.fitted.cache_clear()
    with pytest.raises(
        UserError,
        match=r"Plots need matplotlib, which cannot.*Install it: pip install \"alexnet-tf\[lab\]\"",
    ):
        draw()
