"""Rectangles erased and pictures mixed in pairs: what is drawn, what comes out, what is learned."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny
from test_accumulation import ended

from alexnet_tf.errors import UserError
from alexnet_tf.networks.layers.dropout import DropPosition
from alexnet_tf.training import mixing, steps
from alexnet_tf.training.run import run
from alexnet_tf.training.state import TrainState
from pipelines.config import DataConfig
from pipelines.dataset import Batch

ROWS, SIZE = 4000, 20


def position(step=1, first_row=0, num_rows=ROWS, seed=0) -> DropPosition:
    return DropPosition(seed, tf.constant(step, tf.int64), first_row, num_rows)


def numbered(rows=ROWS) -> tf.Tensor:
    """Pictures that say their row, from 1."""
    return (
        tf.ones([rows, SIZE, SIZE, 1])
        * (1.0 + tf.range(rows, dtype=tf.float32))[:, None, None, None]
    )


def mix(at=None, rows=ROWS, mask=None, **data):
    images, label = numbered(rows), tf.range(rows)
    mask = tf.ones([rows], tf.bool) if mask is None else mask
    found = mixing.mixed(images, label, mask, DataConfig(**data), at or position(num_rows=rows))
    assert (found.other.numpy() == np.arange(rows) ^ 1).all()
    return found.images.numpy()[..., 0], found.part.numpy()


def own_and_other(rows=ROWS):
    own = 1.0 + np.arange(rows)[:, None, None]
    return own, 1.0 + (np.arange(rows) ^ 1)[:, None, None]


def test_the_first_mixtures_and_rectangles_of_seed_0_stay_what_they_are():
    at = position(num_rows=4)
    erased = mixing.erased(numbered(4), DataConfig(erasing=1.0), at).numpy()[..., 0] == 0
    places = [np.argwhere(one) for one in erased]
    assert [[*x.min(axis=0), *x.max(axis=0)] for x in places] == [
        [4, 3, 11, 6],
        [5, 10, 16, 19],
        [2, 3, 7, 11],
        [6, 8, 10, 10],
    ]
    blended, cut = (mix(rows=4, **data)[1] for data in ({"mixup": 0.2}, {"cutmix": 1.0}))
    np.testing.assert_allclose(blended, [0.99999917, 0.61062086, 0.16650829, 0.98507625], atol=1e-6)
    np.testing.assert_allclose(cut, [0.96, 0.615, 0.4, 0.75], atol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0, 20.0, 100.0])
def test_parts_of_blended_pictures_are_those_of_a_beta_distribution(alpha):
    statistics = pytest.importorskip("scipy.stats")
    images, part = mix(mixup=alpha)
    own, other = own_and_other()
    weight = part[:, None, None]
    expected = np.broadcast_to(weight * own + (1 - weight) * other, images.shape)
    np.testing.assert_allclose(images, expected, rtol=1e-6)
    assert statistics.kstest(part, statistics.beta(alpha, alpha).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(part[::2], part[1::2])[0, 1]) < 0.1  # each row has its own


def test_a_rectangle_of_the_other_picture_counts_by_its_area():
    images, part = mix(cutmix=1.0)
    own, other = own_and_other()
    is_own = images == own
    assert (is_own | (images == other)).all()
    np.testing.assert_allclose(part, is_own.mean(axis=(1, 2)), atol=1e-6)
    for one in ~is_own[:50]:  # a rectangle
        rows, columns = one.any(axis=1), one.any(axis=0)
        assert (one == rows[:, None] & columns).all()
        assert (np.diff(np.flatnonzero(rows)) == 1).all()
    # Uniform areas, of which what reaches over the edge is lost.
    draw = np.random.default_rng(0)
    side, y, x = (draw.uniform(size=100_000) for _ in range(3))
    side = np.sqrt(side)
    height, width = (np.minimum(at + side / 2, 1) - np.maximum(at - side / 2, 0) for at in (y, x))
    assert part.mean() == pytest.approx(1 - (height * width).mean(), abs=0.02)
    assert (~is_own).mean(axis=0).std() < 0.05 * 3  # at no place much more than at others


def test_of_both_each_is_used_for_half_of_the_pictures():
    images, part = mix(mixup=1.0, cutmix=1.0)
    own, other = own_and_other()
    is_cut = ((images == own) | (images == other)).all(axis=(1, 2))
    assert is_cut.mean() == pytest.approx(0.5, abs=0.04)


def test_a_picture_that_could_not_be_decoded_is_mixed_into_no_other():
    mask = tf.range(ROWS) % 3 > 0
    for data in ({"mixup": 1.0}, {"cutmix": 1.0}):
        images, part = mix(mask=mask, **data)
        is_alone = ~mask.numpy()[np.arange(ROWS) ^ 1]
        assert (images[is_alone] == own_and_other()[0][is_alone]).all()
        assert (part[is_alone] == 1).all() and (part[~is_alone] < 1).mean() > 0.9


def test_erased_rectangles_are_as_large_and_as_many_as_asked():
    images = numbered()
    found = mixing.erased(images, DataConfig(erasing=0.25), position()).numpy()[..., 0]
    is_erased = found == 0
    assert (is_erased | (found == images.numpy()[..., 0])).all()
    areas = is_erased.mean(axis=(1, 2))
    assert (areas > 0).mean() == pytest.approx(0.25, abs=5 * 0.5 / np.sqrt(ROWS))
    areas = areas[areas > 0]
    assert 0.01 < areas.min() < 0.03 and 0.3 < areas.max() < 0.36
    assert areas.mean() == pytest.approx(0.175, abs=0.015)
    shapes = [one.any(axis=1).sum() / one.any(axis=0).sum() for one in is_erased if one.any()]
    assert np.exp(np.abs(np.log(shapes)).max()) < 4.5  # 3.3 of whole pixels
    assert abs(np.log(shapes).mean()) < 0.1


@pytest.mark.parametrize("data", [{"mixup": 0.2, "cutmix": 1.0}, {"erasing": 0.5}])
def test_draws_are_those_of_the_step_and_the_row(data):
    def drawn(images, **where):
        at = position(num_rows=8, **where)
        if "erasing" in data:
            return mixing.erased(images, DataConfig(**data), at).numpy()
        mask, label = tf.ones([len(images)], tf.bool), tf.range(len(images))
        return mixing.mixed(images, label, mask, DataConfig(**data), at).images.numpy()

    whole = drawn(numbered(8))
    for first in (0, 2, 6):  # of replicas, or parts
        np.testing.assert_array_equal(
            drawn(numbered(8)[first : first + 2], first_row=first), whole[first : first + 2]
        )
    for other in ({"step": 2}, {"seed": 1}):
        assert (drawn(numbered(8), **other) != whole).any()


@pytest.mark.long
def test_xla_compiles_it_to_the_same_rectangles_and_parts():
    data = DataConfig(mixup=0.4, cutmix=1.0, erasing=0.5)

    def both(images, step, first_row):
        at = DropPosition(0, step, first_row, 16)
        images = mixing.erased(images, data, at)
        return mixing.mixed(images, tf.range(8), tf.ones([8], tf.bool), data, at)

    given = numbered(8), tf.constant(3, tf.int64), tf.constant(8, tf.int64)
    plain, compiled = (tf.function(both, jit_compile=x)(*given) for x in (False, True))
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


MIXED = {"mixup": 0.4, "cutmix": 1.0, "erasing": 0.3}


@pytest.mark.slow
@pytest.mark.parametrize("parts, replicas", [(2, 1), (1, 2)])
def test_replicas_and_parts_change_nothing(pictures, tmp_path, parts, replicas):
    found = [
        mixed_run(pictures, tmp_path / str(i), parts=x, replicas=y)
        for i, (x, y) in enumerate([(1, 1), (parts, replicas)])
    ]
    tiny.assert_equal(*found, atol=2e-6)
    plain = ended(pictures, tmp_path / "plain")
    assert np.abs(plain["fc8/kernel"] - found[0]["fc8/kernel"]).max() > 1e-3


def mixed_run(pictures, run_dir, **settings):
    return ended(pictures, run_dir, data={**MIXED, "least_crop": 0.3}, **settings)


@pytest.mark.long
def test_the_loss_is_that_of_both_labels_by_their_parts(pictures, tmp_path):
    config = tiny.with_network(tiny.config(pictures, tmp_path), dropout_rate=0.0, num_classes=3)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, **MIXED))
    state = TrainState(config, tf.distribute.OneDeviceStrategy("CPU:0"))
    draw, size = np.random.default_rng(0), config.network.input.size
    label = np.int32([0, 1, 2, 0, 1, 2, 0, 1])
    mask = np.array([1, 1, 1, 0, 1, 1, 1, 1], bool)
    image = draw.integers(0, 256, (8, size, size, 3)).astype(np.uint8)
    batch = Batch(
        *map(tf.constant, (image, np.zeros([8, 3], np.float32), label, mask, np.arange(8)))
    )
    at = DropPosition(0, tf.constant(1, tf.int64), 0, 8)
    scale = steps.Scale(tf.constant(1.0), tf.constant(0, tf.int64))
    _, sums = steps._gradients(state, config, batch, at, scale, (), {})
    found = mixing.seen(batch, config, at)
    odds = state.model(found.images, training=True).numpy().astype(np.float64)
    odds = np.exp(odds - odds.max(axis=1, keepdims=True))
    logs = np.log(odds / odds.sum(axis=1, keepdims=True))
    part, rows = found.part.numpy(), np.arange(8)
    own, others = logs[rows, label], logs[rows, label[rows ^ 1]]
    expected = -(part * own + (1 - part) * others)[mask].sum()
    assert (part < 1).sum() > 4
    assert float(sums.loss) == pytest.approx(expected, rel=1e-5)


def test_pairs_need_an_even_number_of_rows(pictures, tmp_path):
    config = tiny.config(pictures, tmp_path, global_batch_size=6, accumulate_steps=2)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, mixup=0.2))
    with pytest.raises(
        UserError, match="global_batch_size=6: expected a multiple of 4, since data.mix"
    ):
        run(config)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"mixup": -1}, "data.mixup=-1.0: expected 0.01 to 100, or 0 for never"),
        ({"cutmix": 1e3}, "data.cutmix=1000.0: expected 0.01 to 100, or 0 for never"),
        ({"erasing": 2}, "data.erasing=2.0: expected 0.001 to 1, or 0"),
        ({"least_crop": 1}, "data.least_crop=1.0: expected 0 to below 1"),
        (
            {"least_crop": 0.1, "random_crop": False},
            "data.random_crop=false, data.least_crop=0.1: e",
        ),
    ],
)
def test_settings_out_of_their_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        DataConfig(**changes)
