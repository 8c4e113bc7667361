"""Dropout's hash for Numba kernels: the bits of `minisora.kernels.random`, one element at a time."""

import numpy as np
from numba import njit

from minisora.kernels.random import _GOLDEN, _ODD, dropout_scalars

GOLDEN, ODD = np.uint64(_GOLDEN), np.uint32(_ODD)
A, B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
C, D = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)


def dropout_arguments(dropout, dtype):
    """Return what a kernel needs of ``(p, key)`` or None: whether it drops, key, threshold, and 1 / (1 - p)."""
    base, threshold, factor = dropout_scalars(dropout)
    return dropout is not None, np.uint64(base), np.uint32(threshold), dtype.type(factor)


@njit(cache=True, inline="always")
def row_hash(base, row):
    """Return the hash of a row, uint32: the low half of SplitMix64 started from the key."""
    z = base + np.uint64(row + 1) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * A
    z = (z ^ (z >> np.uint64(27))) * B
    return np.uint32(z ^ (z >> np.uint64(31)))


@njit(cache=True, inline="always")
def keeps(hashed_row, s, threshold):
    """Tell whether element s of a row is kept."""
    x = hashed_row ^ np.uint32(np.uint32(s) * ODD)
    x = np.uint32((x ^ (x >> np.uint32(16))) * C)
    x = np.uint32((x ^ (x >> np.uint32(15))) * D)
    return np.uint32(x ^ (x >> np.uint32(16))) >= threshold
