"""ReLU, GELU and the error function under it."""

import math

import numpy as np
import pytest

from minisora.layers.activation import GELU, ReLU
from minisora.layers.erf import erf


def test_relu_by_hand():
    layer, x = ReLU(), np.array([-2.0, 0.0, 3.0])
    out, cache = layer.forward(x)
    np.testing.assert_array_equal(out, [0, 0, 3])
    np.testing.assert_array_equal(layer.backward(np.array([5.0, 5.0, 5.0]), cache), [0, 0, 5])


def test_relu_of_infinities():
    np.testing.assert_array_equal(ReLU()(np.array([-np.inf, np.inf])), [0, np.inf])


def test_relu_of_complex_numbers_looks_at_their_real_part():
    """What the complex step needs: at the kink it is 0, as its derivative there."""
    x = np.array([-2 + 1e-20j, 0 + 1e-20j, 3 + 1e-20j])
    out, cache = ReLU().forward(x)
    np.testing.assert_array_equal(out, [0, 0, 3 + 1e-20j])
    assert cache.x is x


def test_erf_against_the_c_library():
    x = np.concatenate([np.linspace(-7, 7, 20011), [0.0, 1e-300, 0.46875, 4.0, 10.0, 40.0, 1e300, np.inf, -np.inf]])
    expected = np.array([math.erf(value) for value in x])
    assert np.abs(erf(x) - expected).max() <= 1e-15
    nonzero = expected != 0
    assert np.abs(erf(x)[nonzero] / expected[nonzero] - 1).max() <= 1e-15
    assert np.isnan(erf(np.array([np.nan]))).all()


def test_erf_is_analytic():
    """The complex step gives its derivative, 2 / sqrt(pi) exp(-x^2), also at the seams of the three ranges."""
    x = np.concatenate([np.linspace(-6, 6, 2003), [0.46875, 0.468750001, 4.0, 4.0000001]])
    derivative = erf(x + 1e-30j).imag / 1e-30
    np.testing.assert_allclose(derivative, 2 / np.sqrt(np.pi) * np.exp(-x * x), rtol=1e-11, atol=2e-15)


def test_erf_keeps_float32():
    x = np.linspace(-5, 5, 1001, dtype=np.float32)
    assert erf(x).dtype == np.float32
    np.testing.assert_allclose(erf(x), [math.erf(value) for value in x], atol=2e-7)


def test_gelu_at_known_points():
    phi_of_one = 0.8413447460685429
    np.testing.assert_allclose(GELU()(np.array([0.0, 1.0, -1.0])), [0, phi_of_one, phi_of_one - 1], rtol=1e-15)
    inner = math.sqrt(2 / math.pi) * (1 + 0.044715)
    np.testing.assert_allclose(GELU("tanh")(np.array([1.0])), [0.5 * (1 + math.tanh(inner))], rtol=1e-15)


def test_the_two_gelus_differ_in_both_directions(rng):
    """One formula forward and the other backward is a mistake that trains well; here it is 1e-4 and more."""
    x, dout = np.linspace(-3, 3, 101), np.ones(101)
    exact, tanh = GELU(), GELU("tanh")
    assert np.abs(exact(x) - tanh(x)).max() > 1e-4
    assert np.abs(exact.backward(dout, exact.forward(x)[1]) - tanh.backward(dout, tanh.forward(x)[1])).max() > 1e-4


def test_an_unknown_approximation_is_refused():
    with pytest.raises(ValueError, match="'none' or 'tanh', got 'fast'"):
        GELU("fast")
