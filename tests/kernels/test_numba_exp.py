"""The power of two that vectors are made of against NumPy's in float64, compiled and in its plain form."""

import numpy as np
import pytest
from numba import njit

from minisora.kernels.numba_exp import exp2


@njit
def compiled(y):
    powers = np.empty_like(y)
    for i in range(y.size):
        powers[i] = exp2(y[i])
    return powers


@pytest.mark.parametrize("function", [compiled, exp2])
@pytest.mark.parametrize(("dtype", "least", "tolerance"), [(np.float32, -126, 2e-7), (np.float64, -1022, 6e-16)])
def test_against_numpy(function, dtype, least, tolerance):
    y = np.concatenate([np.linspace(least, 0, 20011), np.linspace(-1, 1, 20011), [1e-30, -1e-30]]).astype(dtype)
    found = function(y)
    assert found.dtype == dtype
    assert np.abs(found / np.exp2(y.astype(float)) - 1).max() < tolerance


@pytest.mark.parametrize("function", [compiled, exp2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ends(function, dtype):
    """Exactly 0 for minus infinity, never a denormal number, exactly 1 for 0, and NaN stays."""
    y = np.array([-np.inf, -1e30, 0, np.nan, 5], dtype)
    np.testing.assert_array_equal(function(y), np.array([0, 0, 1, np.nan, 32], dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_denormal_numbers(dtype):
    least = np.finfo(dtype).minexp
    powers = compiled(np.linspace(least - 30, least + 3, 30011).astype(dtype))
    assert not ((powers > 0) & (powers < np.finfo(dtype).tiny)).any()
    assert (powers[-1] > 0) and (powers[0] == 0)
