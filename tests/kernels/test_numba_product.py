"""The product with weights that were packed before, beside NumPy's."""

import numpy as np
import pytest

from minisora.kernels.elementwise import pack, packed_product


@pytest.mark.parametrize("rows", [1, 5, 96, 97, 211])
@pytest.mark.parametrize(("inner", "columns"), [(1, 1), (7, 64), (128, 65), (131, 31), (257, 200)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_the_product(rng, rows, inner, columns, dtype):
    a, b = rng.normal(size=(rows, inner)).astype(dtype), rng.normal(size=(inner, columns)).astype(dtype)
    bias = rng.normal(size=columns).astype(dtype)
    expected = a.astype(np.float64) @ b.astype(np.float64) + bias
    for weights in (b, np.asfortranarray(b)):
        out = packed_product(a, pack(weights, a.dtype), bias)
        assert out.dtype == dtype
        np.testing.assert_allclose(out, expected, rtol=0, atol=4 * np.finfo(dtype).eps * inner**0.5 * 9)


def test_a_row_does_not_depend_on_its_neighbours(rng):
    a, weights = rng.normal(size=(101, 131)).astype(np.float32), pack(rng.normal(size=(131, 77)), np.dtype(np.float32))
    together = packed_product(a, weights, np.zeros(77, np.float32))
    for row in (0, 50, 96, 100):
        alone = packed_product(a[row : row + 1], weights, np.zeros(77, np.float32))
        np.testing.assert_array_equal(alone[0], together[row])


@pytest.mark.parametrize(("inner", "bias"), [(12, 77), (13, 64), (13, 129)])
def test_other_sizes_are_refused(rng, inner, bias):
    weights = pack(rng.normal(size=(13, 77)), np.dtype(float))
    with pytest.raises(ValueError, match=r"a \(N, K\) and bias \(M,\) are expected"):
        packed_product(np.zeros((3, inner)), weights, np.zeros(bias))
