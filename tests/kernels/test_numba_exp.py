"""The vectorised exponential against NumPy's in float64, compiled and in its plain form."""

import numpy as np
import pytest
from numba import njit

from minisora.kernels.numba_exp import exp_row, power_room


@njit
def compiled(x, columns, top):
    exp_row(x, columns, top, power_room(columns, x.dtype))


def plain(x, columns, top):
    exp_row(x, columns, top, power_room(columns, x.dtype))


@pytest.mark.parametrize("function", [compiled, plain])
@pytest.mark.parametrize(("dtype", "least", "tolerance"), [(np.float32, -87, 3e-7), (np.float64, -708, 3e-14)])
def test_against_numpy(function, dtype, least, tolerance):
    x = np.concatenate([np.linspace(least, 0, 20011), np.linspace(-1, 0, 20011), [1e-30, -1e-30]]).astype(dtype)
    expected, found = np.exp(x.astype(float)), x.copy()
    function(found, len(x), dtype(0))
    assert found.dtype == dtype
    assert np.abs(found / expected - 1).max() < tolerance


@pytest.mark.parametrize("function", [compiled, plain])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ends(function, dtype):
    """Exactly 0 for minus infinity, never a denormal number, and NaN stays."""
    x = np.array([-np.inf, -1e30, 0, np.nan, 5], dtype)
    function(x, 4, dtype(0))
    np.testing.assert_array_equal(x, np.array([0, 0, 1, np.nan, 5], dtype))


def test_no_denormal_numbers():
    x = np.linspace(-110, -80, 3001).astype(np.float32)
    compiled(x, len(x), np.float32(0))
    assert not ((x > 0) & (x < np.finfo(np.float32).tiny)).any()


@pytest.mark.parametrize("function", [compiled, plain])
def test_top_is_subtracted(function):
    x = np.array([1000.0, 1001.0, 990.0])
    function(x, 3, 1001.0)
    np.testing.assert_allclose(x, np.exp([-1.0, 0.0, -11.0]), rtol=1e-14)
