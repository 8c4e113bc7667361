"""What the rung by tiles does with a row of scores, which are in units of log(2), and with a block of keys."""

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST
from minisora.kernels.numba_exp import LOG2_E, exp2
from minisora.kernels.numba_random import keeps


@njit(cache=True)
def transpose(matrix, start, columns, transposed):
    """transposed[:, s] = matrix[start + s]."""
    for s in range(columns):
        for d in range(matrix.shape[1]):
            transposed[d, s] = matrix[start + s, d]


@njit(cache=True, fastmath=FAST)
def hide(scores, columns, visible, start, seen, scale):
    """Multiply a row of products by scale; -inf where the query may not see the key. Return whether it sees any."""
    seen, any_key = min(max(seen, 0), columns), False
    for s in range(seen):
        any_key |= visible[start + s]
        scores[s] = scores[s] * scale if visible[start + s] else -np.inf
    scores[seen:] = -np.inf
    return any_key


@njit(cache=True, fastmath={"nnan", "nsz"})
def largest_of(scores, least):
    """The maximum of a row and ``least``; where there is a NaN, anything: the row's sum is NaN whatever this is."""
    top = least
    for s in range(scores.size):
        top = scores[s] if scores[s] > top else top
    return top


@njit(cache=True, fastmath=FAST)
def take_in(i, scores, largest, total, summed):
    """Make weights of a row of scores, in place, relative to the largest so far; bring what was summed in line."""
    top = largest_of(scores, largest[i])
    if top == -np.inf:
        scores[:] = 0
        return
    if top != largest[i]:
        shrink = exp2(largest[i] - top)
        total[i] *= shrink
        for d in range(summed.shape[1]):
            summed[i, d] *= shrink
        largest[i] = top
    added = total[i]
    for s in range(scores.size):
        scores[s] = exp2(scores[s] - top)
        added += scores[s]
    total[i] = added


@njit(cache=True)
def drop(weights, hashed, start, threshold, factor):
    """Drop weights of a row, and scale those that stay."""
    for s in range(weights.size):
        weights[s] = weights[s] * factor if keeps(hashed, start + s, threshold) else 0


@njit(cache=True, error_model="numpy")
def finish(any_key, summed, total, largest, out, lse):
    """Write the rows of a block: out = summed / total; a row that has seen no key is 0, and its lse -inf."""
    for i in range(len(out)):
        if any_key[i]:
            out[i] = summed[i] / total[i]
            lse[i] = (largest[i] + np.log2(total[i])) / LOG2_E if total[i] != 0 else np.nan
        else:
            out[i] = 0
            lse[i] = -np.inf
