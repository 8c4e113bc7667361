"""What attention does with a tile of scores that stands on its side: a row for each key, a column for each query.

A processor's vector then holds as many queries, and what a softmax does for each query (a maximum, a sum, a difference)
is done for all of them by one instruction, row after row; nothing is ever summed across a vector. ``wide`` is how many
columns are worked on, a whole number of vectors; those beyond the last query hold nothing of use.

Scores are in units of log(2): `exp2` makes weights of them.
"""

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST
from minisora.kernels.numba_exp import exp2
from minisora.kernels.numba_random import keeps, row_hash

NEVER = 1 << 62  # a place that no query reaches
SLACK = 8  # in powers of two


@njit(cache=True)
def seen_range(visible):
    """Return the place of the first key that may be seen, and the one after the last; NEVER and 0 where none may."""
    first, stop = NEVER, 0
    for s in range(len(visible)):
        if visible[s]:
            first, stop = min(first, s), s + 1
    return first, stop


@njit(cache=True)
def hide(scores, keys, visible, seen, wide):
    """-inf where a key may not be seen: not by anyone, or not by query i, which sees the first ``seen + i`` keys."""
    for j in range(keys):
        if not visible[j]:
            scores[j, :wide] = -np.inf
        else:
            scores[j, : min(max(j + 1 - seen, 0), wide)] = -np.inf


@njit(cache=True, fastmath={"nnan", "nsz"})
def highest(scores, keys, wide, top):
    """top[i] = the maximum of column i; with a NaN, anything: the sum is NaN whatever it is."""
    top[:wide] = scores[0, :wide]
    eights = keys // 8 * 8  # rows for each time that top is read and written
    for a in range(0, eights, 8):
        for i in range(wide):
            m01, m23 = max(scores[a, i], scores[a + 1, i]), max(scores[a + 2, i], scores[a + 3, i])
            m45, m67 = max(scores[a + 4, i], scores[a + 5, i]), max(scores[a + 6, i], scores[a + 7, i])
            top[i] = max(top[i], max(max(m01, m23), max(m45, m67)))
    for j in range(eights, keys):
        for i in range(wide):
            top[i] = max(top[i], scores[j, i])


@njit(cache=True, fastmath=FAST)
def raise_to(top, wide, largest, total, summed):
    """Let weights be relative to a new maximum, and bring in line what was summed relative to the one before.

    A maximum need not be exact: as long as it is not exceeded by more than SLACK, it stays, and weights may reach
    2^SLACK, which costs no precision. Each column decides for itself: its bits do not depend on its neighbours.
    """
    exceeded = False
    for i in range(wide):
        exceeded |= top[i] > largest[i] + SLACK
    if not exceeded:
        return
    for i in range(wide):
        higher = top[i] if top[i] > largest[i] + SLACK else largest[i]
        top[i] = exp2(largest[i] - higher)
        total[i] *= top[i]
        largest[i] = higher
    for i in range(len(summed)):
        for d in range(summed.shape[1]):
            summed[i, d] *= top[i]


@njit(cache=True, fastmath=FAST)
def weigh(scores, keys, wide, largest, total):
    """Make weights of scores, relative to the maximum, and add them to the total."""
    for j in range(keys):
        for i in range(wide):
            weight = exp2(scores[j, i] - largest[i])
            scores[j, i] = weight
            total[i] += weight


@njit(cache=True)
def hash_rows(base, row, rows, hashed):
    """Write the hashes of a block of rows of weights."""
    for i in range(rows):
        hashed[i] = row_hash(base, row + i)


@njit(cache=True)
def drop(weights, keys, wide, hashed, start, threshold, factor):
    """Drop weights, and scale those that stay."""
    for j in range(keys):
        for i in range(wide):
            weights[j, i] = weights[j, i] * factor if keeps(hashed[i], start + j, threshold) else 0


@njit(cache=True, fastmath=FAST)
def scores_gradient(weights, gradients, keys, wide, lse, delta):
    """weights = exp2(scores - lse); gradients = weights * (dweights - delta), both in place."""
    for j in range(keys):
        for i in range(wide):
            weight = exp2(at_most_zero(weights[j, i] - lse[i]))
            weights[j, i] = weight
            gradients[j, i] = weight * (gradients[j, i] - delta[i])


@njit(cache=True, inline="always")
def at_most_zero(y):
    """y, or 0 in the place of what is above it by the rounding of large scores; NaN stays."""
    zero = type(y)(0)
    return zero if y > zero else y


@njit(cache=True)
def keep_factors(kept, keys, wide, hashed, start, threshold, factor):
    """kept = what dropout multiplies the weights by: factor, or 0."""
    for j in range(keys):
        for i in range(wide):
            kept[j, i] = factor if keeps(hashed[i], start + j, threshold) else 0


@njit(cache=True, fastmath=FAST)
def scores_gradient_dropped(weights, gradients, kept, keys, wide, lse, delta):
    """The same with dropout, after which weights are the dropped ones."""
    for j in range(keys):
        for i in range(wide):
            weight = exp2(at_most_zero(weights[j, i] - lse[i]))
            weights[j, i] = weight * kept[j, i]
            gradients[j, i] = weight * (gradients[j, i] * kept[j, i] - delta[i])
