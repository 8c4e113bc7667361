"""Clipping by the global norm."""

import numpy as np
import pytest

from minisora.layers.layer import Parameter
from minisora.training.clipping import clip_gradients


def parameters_with(grads):
    parameters = [Parameter(np.zeros_like(grad)) for grad in grads]
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad[...] = grad
    return parameters


def test_by_hand():
    """The norm is that of all gradients together: 3, 4 and 12 make 13."""
    parameters = parameters_with([np.array([[3.0], [4.0]]), np.array([12.0])])
    assert clip_gradients(parameters, 6.5) == pytest.approx(13)
    np.testing.assert_allclose(parameters[0].grad, [[1.5], [2.0]], rtol=1e-6)
    np.testing.assert_allclose(parameters[1].grad, [6.0], rtol=1e-6)


@pytest.mark.parametrize("max_norm", [13.1, None])
def test_a_small_gradient_stays_as_it_is(max_norm):
    parameters = parameters_with([np.array([3.0, 4.0]), np.array([12.0])])
    clip_gradients(parameters, max_norm)
    np.testing.assert_array_equal(parameters[0].grad, [3, 4])


def test_zero_stays_zero():
    parameters = parameters_with([np.zeros(3, np.float32)])
    assert clip_gradients(parameters, 1.0) == 0
    np.testing.assert_array_equal(parameters[0].grad, np.zeros(3))
    assert parameters[0].grad.dtype == np.float32


def test_squares_that_overflow_are_no_infinite_norm():
    parameters = parameters_with([np.array([3e30, 4e30], np.float32), np.array([12e30], np.float32)])
    assert clip_gradients(parameters, 6.5) == pytest.approx(13e30, rel=1e-6)
    np.testing.assert_allclose(parameters[0].grad, [1.5, 2.0], rtol=1e-6)
    assert parameters[0].grad.dtype == np.float32


@pytest.mark.parametrize("max_norm", [1.0, None])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_gradient_that_is_not_finite_is_refused(value, max_norm):
    parameters = parameters_with([np.array([3.0, value], np.float32), np.array([5.0], np.float32)])
    with pytest.raises(ValueError, match=r"expected a finite gradient, got one of norm (inf|nan)"):
        clip_gradients(parameters, max_norm)
    assert parameters[1].grad == 5
