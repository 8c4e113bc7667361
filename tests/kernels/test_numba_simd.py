"""The micro-kernel against NumPy's product, for every number of rows, compiled and in its plain form."""

import numpy as np
import pytest
from numba import njit

from minisora.kernels.numba_simd import multiply_add, width


@njit
def compiled(c, a, b, rows, count):
    multiply_add(c, a, b, rows, count)


def plain(c, a, b, rows, count):
    multiply_add(c, a, b, rows, count)


def test_widths_are_four_vectors_of_64_bytes():
    assert (width(np.float32), width(np.float64)) == (64, 32)


@pytest.mark.parametrize("function", [compiled, plain])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [0, 1, 5, 6, 7, 12, 13, 64])
@pytest.mark.parametrize("count", [0, 1, 2, 67])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_product_is_added_and_nothing_else_is_touched(rng, function, dtype, rows, count, transposed):
    wide = width(dtype)
    a = rng.normal(size=(rows + 2, count + 1)).astype(dtype)
    a = np.asfortranarray(a) if transposed else a
    b, c = (rng.normal(size=(length, wide + 3)).astype(dtype) for length in (count + 1, rows + 1))
    expected, found = c.astype(float), c.copy()
    expected[:rows, :wide] += a[:rows, :count].astype(float) @ b[:count, :wide]
    function(found, a, b, rows, count)
    np.testing.assert_allclose(found, expected, rtol=0, atol=100 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(found[rows:], c[rows:])
    np.testing.assert_array_equal(found[:, wide:], c[:, wide:])


def test_not_a_number_goes_through(rng):
    a, b, c = (np.ones((6, 64), np.float32) for _ in range(3))
    a[2, 3] = np.nan
    compiled(c, a, b, 6, 6)
    np.testing.assert_array_equal(np.isnan(c).any(axis=1), np.arange(6) == 2)
