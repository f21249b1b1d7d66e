import itertools
import math

import pytest

from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.training.schedules import Plateau, learning_rate

STEPS, STEPS_PER_EPOCH = 1000, 10


def epoch_of(step):
    return step / STEPS_PER_EPOCH


def rates(num_steps=STEPS, **config):
    settings = OptimizerConfig(**config)
    return [
        learning_rate(settings, step, num_steps, epoch_of, Plateau())
        for step in range(1, num_steps + 1)
    ]


def changes(values):
    """Lists the steps (from 1) at which a rate differs from the one before."""
    return [i + 2 for i, (a, b) in enumerate(itertools.pairwise(values)) if a != b]


def test_a_plateau_of_other_types_is_refused():
    with pytest.raises(ValueError, match="plateau.drops='x', expected int"):
        Plateau(drops="x")


def test_step_divides_by_ten_after_25_50_and_80_epochs():
    values = rates(schedule="step")
    assert changes(values) == [251, 501, 801]
    assert values[0] == 0.01
    assert values[-1] == pytest.approx(1e-5)


@pytest.mark.parametrize("factor, last", [(1e30, 0.0), (1e-30, math.inf)])
def test_drops_beyond_what_a_float_holds_end_somewhere(factor, last):
    settings = OptimizerConfig(schedule="plateau", drop_factor=factor, max_drops=11)
    plateau = Plateau(drops=11)
    assert learning_rate(settings, 1, STEPS, epoch_of, plateau) == last
    assert rates(schedule="step", drop_factor=factor, drop_epochs=(*range(1, 12),))[-1] == last


def test_auto2012_divides_by_6_30_at_each_quarter():
    values = rates(schedule="auto2012")
    assert changes(values) == [251, 501, 751]
    assert values[0] / values[250] == pytest.approx(6.30, abs=0.005)
    assert values[-1] == pytest.approx(4e-5)


def test_cosine_falls_from_the_rate_to_almost_nothing():
    values = rates(schedule="cosine")
    assert values[0] == 0.01
    assert values[500] == pytest.approx(0.005)
    assert 0 < values[-1] < 1e-7


def test_constant_stays():
    assert set(rates(schedule="constant")) == {0.01}


def test_range_rises_by_equal_factors_to_the_rate():
    values = rates(num_steps=101, schedule="range", learning_rate=1, drop_factor=1e4)
    assert (values[0], values[-1]) == (pytest.approx(1e-4), 1)
    ratios = [b / a for a, b in itertools.pairwise(values)]
    assert ratios == pytest.approx([10 ** (4 / 100)] * 100)
    assert rates(num_steps=1, schedule="range") == pytest.approx([0.001])


def test_warmup_rises_linearly_to_the_schedule():
    values = rates(schedule="constant", warmup_epochs=2)
    assert values[:20] == pytest.approx([0.01 * i / 20 for i in range(1, 21)])
    assert set(values[20:]) == {0.01}


def test_plateau_divides_when_the_error_stalls_and_three_times_at_most():
    config = OptimizerConfig(schedule="plateau", patience_epochs=2)
    state, drops = Plateau(), []
    for error in [0.5, 0.4, 0.4, 0.41, 0.39, 0.39, 0.39] + [0.4] * 20:
        state = state.after(error, config)
        drops.append(state.drops)
    assert drops[:9] == [0, 0, 0, 1, 1, 1, 2, 2, 3]
    assert drops[-1] == 3
    rate = learning_rate(config, 1, STEPS, epoch_of, state)
    assert rate == pytest.approx(1e-5)
