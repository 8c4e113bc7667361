"""Schedules at the steps that matter."""

import math

import pytest

from minisora.training import TrainingConfig
from minisora.training.schedules import SCHEDULES, constant, cosine, inverse_sqrt, linear

SHAPE = {"peak": 0.5, "warmup_steps": 10, "steps": 110}


@pytest.mark.parametrize("schedule", SCHEDULES.values())
def test_warm_up_is_a_line_that_ends_at_the_peak(schedule):
    assert [schedule(step, **SHAPE) for step in (1, 5, 10)] == pytest.approx([0.05, 0.25, 0.5])


def test_inverse_sqrt():
    """Vaswani et al. 2017, section 5.3: d^-0.5 min(s^-0.5, s w^-1.5), which peaks at s = w with (d w)^-0.5."""
    d, w = 128, 10
    for step in (3, 10, 11, 40, 90):
        paper = d**-0.5 * min(step**-0.5, step * w**-1.5)
        assert inverse_sqrt(step, peak=(d * w) ** -0.5, warmup_steps=w) == pytest.approx(paper)


def test_constant():
    assert constant(1000, **SHAPE) == 0.5


def test_linear():
    assert [linear(step, **SHAPE) for step in (60, 110, 200)] == pytest.approx([0.25, 0, 0])
    assert linear(110, **SHAPE, floor=0.2) == pytest.approx(0.1)


def test_cosine():
    assert [cosine(step, **SHAPE) for step in (35, 60, 110)] == pytest.approx(
        [0.25 * (1 + math.cos(math.pi / 4)), 0.25, 0], abs=1e-15
    )


@pytest.mark.parametrize("schedule", [linear, cosine])
def test_the_decay_can_begin_late(schedule):
    late = {**SHAPE, "decay_from": 0.5}
    assert [schedule(step, **late) for step in (20, 55)] == [0.5, 0.5]
    assert schedule(82.5, **late) == pytest.approx(0.25)
    assert schedule(110, **late) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("schedule", SCHEDULES.values())
def test_no_warm_up(schedule):
    assert schedule(1, peak=1.0, warmup_steps=0, steps=7) <= 1


def test_the_config_asks_its_schedule():
    config = TrainingConfig(schedule="linear", learning_rate=0.5, warmup_steps=10, steps=110, final_rate=0.2)
    assert config.learning_rate_at(110) == pytest.approx(0.1)
