"""The three products of tiles of scores, in loops that the compiler makes vectors of, or by BLAS.

``blas`` is None or an empty tuple, two types that the compiler knows apart: each makes a kernel of its own.
"""

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST


@njit(cache=True, fastmath=FAST)
def products(blas, matrix, first, rows, transposed, columns, out):
    """out[i] = matrix[first + i] times the transposed block; BLAS fills whole rows of out."""
    if blas is None:
        for i in range(rows):
            out[i, :columns] = 0
            _combine(out[i], columns, matrix[first + i], transposed.shape[0], transposed, 0)
    else:
        np.dot(matrix[first : first + rows], transposed, out[:rows])


@njit(cache=True, fastmath=FAST)
def add_rows(blas, weights, rows, columns, matrix, start, summed):
    """summed[i] += sum_s weights[i, s] * matrix[start + s]."""
    if blas is None:
        for i in range(rows):
            _combine(summed[i], matrix.shape[1], weights[i], columns, matrix, start)
    else:
        summed[:rows] += np.dot(np.ascontiguousarray(weights[:rows, :columns]), matrix[start : start + columns])


@njit(cache=True, fastmath=FAST)
def add_columns(blas, weights, rows, columns, matrix, first, summed):
    """summed[s] += sum_i weights[i, s] * matrix[first + i]."""
    if blas is None:
        for s in range(columns):
            _combine(summed[s], matrix.shape[1], weights[:, s], rows, matrix, first)
    else:
        summed[:columns] += np.dot(np.ascontiguousarray(weights[:rows, :columns]).T, matrix[first : first + rows])


@njit(cache=True, fastmath=FAST)
def _combine(target, length, coefficients, count, rows, first):
    """target += sum_j coefficients[j] * rows[first + j]: eight rows for each time that target is read and written."""
    whole = count // 8 * 8
    for j in range(0, whole, 8):
        c0, c1, c2, c3 = coefficients[j], coefficients[j + 1], coefficients[j + 2], coefficients[j + 3]
        c4, c5, c6, c7 = coefficients[j + 4], coefficients[j + 5], coefficients[j + 6], coefficients[j + 7]
        r = first + j
        for i in range(length):
            target[i] += ((c0 * rows[r, i] + c1 * rows[r + 1, i]) + (c2 * rows[r + 2, i] + c3 * rows[r + 3, i])) + (
                (c4 * rows[r + 4, i] + c5 * rows[r + 5, i]) + (c6 * rows[r + 6, i] + c7 * rows[r + 7, i])
            )
    for j in range(whole, count):
        for i in range(length):
            target[i] += coefficients[j] * rows[first + j, i]
