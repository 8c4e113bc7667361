"""GloVe's loop: an update of AdaGrad for each pair of words that stand near each other.

The cells of the table of counts are dealt out to P x P blocks, by the numbers of their row and their column modulo P.
The P blocks of a diagonal share neither a row nor a column, hence no vector: threads work on them side by side without
disturbing each other [1]_, and the numbers are the same for any number of threads.

References
----------
.. [1] Gemulla et al., "Large-Scale Matrix Factorization with Distributed Stochastic Gradient Descent", KDD 2011.
"""

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST, KERNEL
from minisora.kernels.numba_jobs import jobs

PARTS = 8  # P: blocks of a diagonal


@njit(**KERNEL)
def diagonal(progress, words, contexts, rate, cells, starts, shift, losses):
    """Update on the cells of blocks (part, (part + shift) mod P), P of them; block b is ``starts[b] .. starts[b + 1]``.

    words and contexts: (w, b, squares of w, squares of b); cells: (rows, columns, log X, f(X)); losses (P,): gets the
    sum of each block.
    """
    for part in jobs(progress.ctypes.data, PARTS):
        block = part * PARTS + (part + shift) % PARTS
        losses[part] = steps(words, contexts, rate, cells, starts[block], starts[block + 1])


@njit(**KERNEL, fastmath=FAST)
def steps(words, contexts, rate, cells, begin, end):
    """One step of AdaGrad on eq. (8) for each of the cells begin .. end - 1, one after the other; return the loss."""
    (w, b, w_squares, b_squares), (c, d, c_squares, d_squares) = words, contexts
    rows, columns, logs, weights = cells
    total = 0.0
    for n in range(begin, end):
        i, j = rows[n], columns[n]
        x, y, x_squares, y_squares = w[i], c[j], w_squares[i], c_squares[j]
        difference = b[i] + d[j] - logs[n]
        for k in range(x.size):
            difference += x[k] * y[k]
        total += weights[n] * difference * difference
        slope = 2 * weights[n] * difference
        for k in range(x.size):
            dx, dy = slope * y[k], slope * x[k]
            x_squares[k] += dx * dx
            y_squares[k] += dy * dy
            x[k] -= rate * dx / np.sqrt(x_squares[k])
            y[k] -= rate * dy / np.sqrt(y_squares[k])
        b_squares[i] += slope * slope
        d_squares[j] += slope * slope
        b[i] -= rate * slope / np.sqrt(b_squares[i])
        d[j] -= rate * slope / np.sqrt(d_squares[j])
    return total
