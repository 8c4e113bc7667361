"""The product of many vectors with a weight matrix, by the micro-kernel of `minisora.kernels.numba_simd`.

The weights are copied once, strips of 64 columns side by side. A job has a block of vectors, which it copies too, into
rows whose distance is not a power of two, since those would fall on each other in the nearest cache. Then it goes from
strip to strip, and along the inner length in parts that fit that cache.

Every entry is summed in the same order, wherever its row stands: a row's product does not depend on its neighbours, to
the last bit, which BLAS does not promise.
"""

import math

import numpy as np
from numba import njit

from minisora.kernels.compilation import KERNEL, launch
from minisora.kernels.numba_arguments import ready
from minisora.kernels.numba_jobs import jobs
from minisora.kernels.numba_simd import multiply, multiply_add, width

_ROWS, _INNER, _APART = 96, 128, 16  # rows of a tile, inner length of a part, what rows are longer than they need be
_BLOCK = 1 << 17  # entries of a block of vectors: half a megabyte, in the second-level cache


def product(a, b, bias):
    """Return a b + bias: a (..., K), b (K, M) or the transpose of such a matrix, bias (M,) or None."""
    if a.shape[-1] != len(b) or (bias is not None and bias.shape != b.shape[1:]):
        raise ValueError(f"a (..., K), b (K, M) and bias (M,) are expected, got {a.shape}, {b.shape}, {np.shape(bias)}")
    rows = ready(a).reshape(math.prod(a.shape[:-1]), a.shape[-1])
    out, bias = np.empty((len(rows), b.shape[1]), a.dtype), np.zeros(b.shape[1], a.dtype) if bias is None else bias
    launch("product", _product, a.dtype, rows.size * b.shape[1] / 50, rows, pack(b, a.dtype), bias, out)
    return out.reshape(*a.shape[:-1], b.shape[1])


def pack(b, dtype):
    """Return b (K, M) as strips of columns, (strips, K, columns), the last filled up with 0, for `packed_product`."""
    strip = width(dtype)
    packed = np.zeros((-(-b.shape[1] // strip), len(b), strip), dtype)
    launch("product, packing", _pack_transposed if b.flags.f_contiguous else _pack, dtype, b.size, b, packed)
    return packed


def packed_product(a, packed, bias):
    """Return a b + bias for few vectors a (N, K), with b (K, M) as `pack` gave it, and bias (M,)."""
    if a.shape[1] != packed.shape[1] or not 0 <= packed.shape[0] * packed.shape[2] - len(bias) < packed.shape[2]:
        raise ValueError(f"a (N, K) and bias (M,) are expected for {packed.shape}, got {a.shape} and {bias.shape}")
    rows = np.empty((len(a), a.shape[1] + _APART), a.dtype)
    rows[:, : a.shape[1]] = a
    out = np.empty((len(a), len(bias)), a.dtype)
    launch("product of few", _product_of_few, a.dtype, a.size * len(bias) / 50, rows, packed, bias, out)
    return out


@njit(**KERNEL)
def _pack(progress, b, packed):
    """packed[s, k] = 64 columns of b from 64 s on."""
    strip = packed.shape[2]
    for s in jobs(progress.ctypes.data, len(packed)):
        for k in range(len(b)):
            for j in range(min(strip, b.shape[1] - s * strip)):
                packed[s, k, j] = b[k, s * strip + j]


@njit(**KERNEL)
def _pack_transposed(progress, b, packed):
    """The same, along the columns, which are what is contiguous."""
    strip = packed.shape[2]
    for s in jobs(progress.ctypes.data, len(packed)):
        for j in range(min(strip, b.shape[1] - s * strip)):
            for k in range(len(b)):
                packed[s, k, j] = b[k, s * strip + j]


@njit(**KERNEL)
def _product(progress, a, packed, bias, out):
    strips, inner, strip = packed.shape
    long = max(1, _BLOCK // (max(1, inner) * _ROWS)) * _ROWS
    for job in jobs(progress.ctypes.data, (len(a) + long - 1) // long):
        first, last = job * long, min(len(a), (job + 1) * long)
        block, tile = np.empty((last - first, inner + _APART), a.dtype), np.empty((_ROWS, strip), a.dtype)
        block[:, :inner] = a[first:last]
        for s in range(strips):
            for top in range(0, last - first, _ROWS):
                _tile(out[first + top : last], block[top:], packed, s, bias, tile)


@njit(**KERNEL)
def _product_of_few(progress, a, packed, bias, out):
    """The same where all vectors fit the nearest caches: a job has a strip, so that several threads have work."""
    for s in jobs(progress.ctypes.data, len(packed)):
        tile = np.empty((_ROWS, packed.shape[2]), a.dtype)
        for top in range(0, len(out), _ROWS):
            _tile(out[top:], a[top:], packed, s, bias, tile)


@njit(**KERNEL)
def _tile(out, block, packed, s, bias, tile):
    """The entries of strip s in the first rows of out: block times the strip, and the bias."""
    strip = packed.shape[2]
    rows, columns = min(_ROWS, len(out)), min(strip, out.shape[1] - s * strip)
    if columns == strip:
        here = out[:, s * strip : (s + 1) * strip]
        _sum(here, block, packed[s], rows, columns)
        for i in range(rows):
            for j in range(strip):
                here[i, j] += bias[s * strip + j]
        return
    _sum(tile, block, packed[s], rows, columns)
    for i in range(rows):
        for j in range(columns):
            out[i, s * strip + j] = tile[i, j] + bias[s * strip + j]


@njit(**KERNEL)
def _sum(c, block, strip, rows, columns):
    """c = the first rows of block times a strip, in parts along the inner length that fit the nearest cache."""
    inner = len(strip)
    multiply(c, block, strip, rows, columns, min(_INNER, inner))
    for k in range(_INNER, inner, _INNER):
        multiply_add(c, block[:, k:], strip[k:], rows, columns, min(_INNER, inner - k))
