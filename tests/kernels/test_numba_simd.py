"""The micro-kernel against NumPy's product, for every number of rows and vectors, compiled and in its plain form."""

import subprocess
import sys

import numpy as np
import pytest
from numba import njit, typeof

from minisora.kernels import numba_simd
from minisora.kernels.numba_simd import multiply, multiply_add, transpose, whole, width


@njit
def compiled(c, a, b, rows, columns, count):
    multiply(c, a, b, rows, columns, count)


@njit
def compiled_add(c, a, b, rows, columns, count):
    multiply_add(c, a, b, rows, columns, count)


def test_widths_are_four_vectors_of_64_bytes():
    assert (width(np.float32), width(np.float64)) == (64, 32)


@pytest.mark.parametrize("columns", [0, 1, 8, 9, 16, 17, 64, 65])
def test_whole_vectors(columns):
    assert whole(columns, np.float32) == -(-columns // 16) * 16
    assert njit(lambda x: whole(x.shape[1], x.dtype))(np.ones((2, columns))) == -(-columns // 8) * 8


@pytest.mark.parametrize("function", [multiply, compiled, multiply_add, compiled_add])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [0, 1, 4, 5, 6, 7, 16, 23])
@pytest.mark.parametrize("count", [0, 1, 2, 67])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_product_is_written_and_nothing_else_is_touched(rng, function, dtype, rows, count, transposed):
    for columns in (1, 17, 31, 40, 64, 7 * 16, 150):
        room = whole(columns, dtype)
        a = rng.normal(size=(rows + 2, count + 1)).astype(dtype)
        a = np.asfortranarray(a) if transposed else a
        b, c = (rng.normal(size=(length, room + 3)).astype(dtype) for length in (count + 1, rows + 1))
        found, expected = c.copy(), a[:rows, :count].astype(float) @ b[:count, :columns]
        expected += c[:rows, :columns] if function in (multiply_add, compiled_add) else 0
        function(found, a, b, rows, columns, count)
        np.testing.assert_allclose(found[:rows, :columns], expected, rtol=0, atol=100 * np.finfo(dtype).eps)
        np.testing.assert_array_equal(found[rows:], c[rows:])
        np.testing.assert_array_equal(found[:, room:], c[:, room:])


def test_not_a_number_goes_through(rng):
    a, b, c = (np.ones((6, 64), np.float32) for _ in range(3))
    a[2, 3] = np.nan
    compiled_add(c, a, b, 6, 64, 6)
    np.testing.assert_array_equal(np.isnan(c).any(axis=1), np.arange(6) == 2)


def sums_by(widths, dtype):
    """Return c += a b, compiled for strips of other widths than those of this processor."""
    strips = numba_simd._strips(widths, typeof(dtype(1)), True)

    @njit
    def product(c, a, b, rows, vectors, count):
        at_c, at_a, at_b = np.int64(c.ctypes.data), np.int64(a.ctypes.data), np.int64(b.ctypes.data)
        strips(at_c, c.strides[0], at_a, a.strides[0], a.strides[1], at_b, b.strides[0], rows, vectors, count)

    return product


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_do_not_depend_on_the_strips(rng, dtype):
    a, b, c = (rng.normal(size=shape).astype(dtype) for shape in ((17, 31), (31, 112), (17, 112)))
    found = [c.copy(), c.copy()]
    for total, widths in zip(found, ((1,), (4, 2, 1)), strict=True):
        sums_by(widths, dtype)(total, a, b, 17, 112 * c.itemsize // 64, 31)
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(found[0], c + a.astype(float) @ b, rtol=0, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 3, 4, 7, 19, 32])
@pytest.mark.parametrize("depth", [1, 4, 6, 31])
def test_a_block_is_turned_and_filled_up_with_zeros(rng, dtype, rows, depth):
    matrix = rng.normal(size=(rows + 2, depth)).astype(dtype)
    transposed = np.full((depth, 67), np.nan, dtype)
    transpose(matrix, rows, dtype(0.3), transposed)
    room = whole(rows, dtype)
    np.testing.assert_array_equal(transposed[:, :rows], (matrix[:rows] * dtype(0.3)).T)
    np.testing.assert_array_equal(transposed[:, rows:room], 0)
    assert np.isnan(transposed[:, room:]).all()


CALL = """
import itertools, sys
import numpy as np
from numba.core.bytecode import FunctionIdentity
FunctionIdentity._unique_ids = itertools.count(1000)  # both processes count alike
import products
a, b, c = np.ones((2, 3)), np.ones((3, 32)), np.ones((2, 32))
for name in sys.argv[1:]:
    getattr(products, name)(c, a, b)
    print(name, c[0, 0])
"""


def test_what_two_processes_have_compiled_is_told_apart_by_a_third(tmp_path):
    """Numba's symbols count the functions of a process: without names of their own, adding became setting."""
    call = "@njit(cache=True)\ndef {0}(c, a, b):\n    {0}_product(c, a, b, len(c), c.shape[1], len(b))\n"
    imports = "from numba import njit\nfrom minisora.kernels.numba_simd import multiply as set_product\n"
    imports += "from minisora.kernels.numba_simd import multiply_add as add_product\n"
    (tmp_path / "products.py").write_text(imports + call.format("set") + call.format("add"))
    (tmp_path / "call.py").write_text(CALL)

    def run(*names):
        done = subprocess.run([sys.executable, "call.py", *names], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert run("set") == ["set 3.0"]
    assert run("add") == ["add 4.0"]
    assert run("set", "add", "add") == ["set 3.0", "add 6.0", "add 9.0"]
