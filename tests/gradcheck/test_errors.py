"""The measure of an error, by hand."""

import numpy as np
import pytest

from minisora.gradcheck.errors import LARGEST_ERROR, relative_error


def test_the_largest_difference_is_divided_by_the_largest_entry():
    assert relative_error(np.array([4.0, 0.0]), np.array([4.0, 0.001])) == 0.001 / 4


def test_the_larger_of_both_tensors_counts():
    assert relative_error(np.array([1.0, 0.0]), np.array([1.0, 4.0])) == 1.0
    assert relative_error(np.array([1.0, 4.0]), np.array([1.0, 0.0])) == 1.0


def test_a_tiny_tensor_is_measured_against_a_millionth_of_the_largest():
    assert relative_error(np.array([1e-12]), np.array([3e-12]), largest=1e-2) == pytest.approx(2e-12 / 1e-8)


def test_two_zero_gradients_agree():
    assert relative_error(np.zeros(3), np.zeros(3), largest=7.0) == 0.0
    assert relative_error(np.zeros(0), np.zeros(0)) == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_as_wrong_as_can_be(value):
    assert relative_error(np.array([value, 1.0]), np.ones(2)) == LARGEST_ERROR
    assert relative_error(np.ones(2), np.array([value, 1.0])) == LARGEST_ERROR
    assert relative_error(np.array([value]), np.array([value])) == LARGEST_ERROR


def test_a_wrong_sign_is_the_largest_error():
    assert relative_error(np.array([-3.0]), np.array([3.0])) == LARGEST_ERROR


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"one shape are expected, got \(2,\) and \(2, 1\)"):
        relative_error(np.ones(2), np.ones((2, 1)))
