"""Stencils, the sweep and kinks on functions whose derivatives are known."""

import numpy as np
import pytest

from minisora.gradcheck.differences import five_point, is_kink, swept, two_point


def test_two_points_are_exact_for_parabolas():
    assert two_point(lambda t: np.array([3 * t * t + 5 * t + 7]), step=0.25) == 5.0


def test_five_points_are_exact_up_to_degree_four():
    assert five_point(lambda t: np.array([11 * t**4 - 2 * t**3 + 3 * t * t + 5 * t + 7]), step=0.25) == 5.0


def test_terms_are_summed():
    assert two_point(lambda t: np.array([[t, 2 * t], [3 * t, 0 * t]])) == 6.0


@pytest.mark.parametrize("scale", [1e-2, 1.0, 30.0])
def test_the_sweep_finds_a_step_for_slow_and_fast_functions(scale):
    assert swept(lambda t: np.sin(np.array([0.7]) + scale * t)) == pytest.approx(scale * np.cos(0.7), rel=1e-10)


@pytest.mark.parametrize("distance", [3e-3, 1e-4, 2e-5])
def test_the_sweep_gets_below_a_kink_nearby(distance):
    slope = swept(
        lambda t: np.exp(t) + np.maximum(np.array([t - distance]), 0) + np.maximum(np.array([-t - distance]), 0)
    )
    assert slope == pytest.approx(1.0, rel=1e-8)


def test_the_sweep_stops_early_when_it_may():
    steps = []
    line = lambda t: steps.append(t) or np.sin(np.array([t]))  # noqa: E731
    assert swept(line, close=1e-9) == pytest.approx(1.0, rel=1e-9)
    assert len(steps) == 8  # two neighbours, four points each


@pytest.mark.parametrize("distance", [0.0, 1e-7, 1e-6, 5e-6, 1e-5])
def test_a_kink_is_recognised(distance):
    assert is_kink(lambda t: np.maximum(np.array([t - distance]), 0), scale=1.0)


@pytest.mark.parametrize("line", [np.sin, np.exp, lambda t: 40 * t**3 + t, lambda t: np.abs(t - 1e-3)])
def test_a_smooth_place_is_no_kink(line):
    assert not is_kink(lambda t: line(np.array([0.3 * t])), scale=1.0)


def test_two_kinks_do_not_hide_each_other():
    assert is_kink(lambda t: np.array([max(t, 0.0), -max(t, 0.0)]), scale=1.0)
