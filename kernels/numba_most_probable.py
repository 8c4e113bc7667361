"""The few most probable tokens of each row of logits, in one pass for the largest and one for the sum."""

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST, KERNEL
from minisora.kernels.numba_exp import LOG2_E, exp2
from minisora.kernels.numba_jobs import jobs

_BLOCK = 64  # logits of which only the maximum is looked at, unless it is among the largest so far


@njit(**KERNEL)
def most_probable(progress, logits, gains, tokens):
    """gains = the largest of log softmax(logits), falling, and tokens where they stand; of equal ones the first."""
    width, count = logits.shape[1], gains.shape[1]
    for r in jobs(progress.ctypes.data, len(logits)):
        best = np.full(count, -np.inf, logits.dtype)
        found = 0
        for start in range(0, width, _BLOCK):
            block = logits[r, start : start + _BLOCK]
            if found == count and not _exceeds(block, best[count - 1]):
                continue
            for i in range(block.size):
                if found < count or block[i] > best[count - 1]:
                    found = min(found + 1, count)
                    place = found - 1
                    while place > 0 and block[i] > best[place - 1]:
                        best[place], tokens[r, place] = best[place - 1], tokens[r, place - 1]
                        place -= 1
                    best[place], tokens[r, place] = block[i], start + i
        lse = np.log(_total(logits[r], best[0]))
        for place in range(count):
            gains[r, place] = best[place] - best[0] - lse


@njit(cache=True, fastmath={"nnan", "nsz"})
def _exceeds(block, least):
    """Whether the maximum of a block is above ``least``; with a NaN, anything: the sum is NaN whatever it is."""
    top = block[0]
    for i in range(block.size):
        top = block[i] if block[i] > top else top
    return top > least


@njit(cache=True, fastmath=FAST)
def _total(row, largest):
    """The sum of exp(row - largest)."""
    total, scale = row.dtype.type(0), row.dtype.type(LOG2_E)
    for i in range(row.size):
        total += exp2((row[i] - largest) * scale)
    return total
