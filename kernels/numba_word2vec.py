"""word2vec's two loops: draw the examples of a block of text, and make an update for each of them.

An example is a row of inputs (C,), the words that predict, -1 where there are fewer, and a row of targets (1 + K,): the
word to be predicted, then K words of noise, -1 where the draw hit the word itself. For skip-gram C is 1.

The updates are made one after the other, on one thread, since each begins where the one before has ended; threads that
update side by side without waiting ("Hogwild") would give other numbers in every run. Meanwhile the other threads draw
the examples of the next block. A sentence has random numbers of its own, made from the seed, the epoch and its place in
the text, so that nothing depends on who draws it: the numbers are the same for any number of threads.
"""

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST, KERNEL
from minisora.kernels.numba_exp import LOG2_E, exp2
from minisora.kernels.numba_jobs import jobs
from minisora.kernels.numba_random import GOLDEN, A, B

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@njit(**KERNEL)
def train_block(progress, v, u, rate, drawn, updates, text, chunks, noise, window, cbow, seed, draws):
    """Make the updates of the examples ``drawn`` and draw those of the next block into ``draws``.

    v, u (V, D); drawn and draws: (places, counts, inputs, targets), where ``counts[i, 0]`` examples of chunk i, drawn
    from ``counts[i, 1]`` words, begin at ``places[i]``; updates: how many chunks of ``drawn`` to work off. text: (ids,
    starts, keep), all sentences after each other, where each begins, and how many of 2^32 occurrences of a word stay;
    chunks (M + 1,): at which sentences those of the next block begin. noise: (thresholds, aliases), see
    `minisora.text.noise`.
    """
    for job in jobs(progress.ctypes.data, len(chunks)):
        if job == 0:
            for i in range(updates):
                places, counts, inputs, targets = drawn
                steps(v, u, rate, inputs, targets, places[i], places[i] + counts[i, 0])
        else:
            places, counts, inputs, targets = draws
            counts[job - 1] = draw(
                text, chunks[job - 1], chunks[job], noise, window, cbow, seed, inputs, targets, places[job - 1]
            )


@njit(**KERNEL, fastmath=FAST)
def steps(v, u, rate, inputs, targets, begin, end):
    """One step of gradient descent on eq. (4) for each of the examples begin .. end - 1, one after the other.

    Scores and both gradients are taken at the values before the step, even where a word of noise comes twice.
    """
    h, dh, slopes = np.empty(v.shape[1], v.dtype), np.empty(v.shape[1], v.dtype), np.empty(targets.shape[1], v.dtype)
    scale, far = v.dtype.type(-LOG2_E), v.dtype.type(60)
    for n in range(begin, end):
        count = 0
        h[:] = 0
        for i in inputs[n]:
            if i >= 0:
                count += 1
                row = v[i]
                for d in range(h.size):
                    h[d] += row[d]
        share = 1 / v.dtype.type(count)
        for d in range(h.size):
            h[d] *= share
        for k in range(slopes.size):
            score = v.dtype.type(0)
            if targets[n, k] >= 0:
                row = u[targets[n, k]]
                for d in range(h.size):
                    score += row[d] * h[d]
            slopes[k] = min(max(score, -far), far)
        for k in range(slopes.size):
            slopes[k] = -rate / (1 + exp2(scale * slopes[k]))  # -rate * sigmoid(score)
        slopes[0] += rate
        dh[:] = 0
        for k in range(slopes.size):
            if targets[n, k] >= 0:
                row, slope = u[targets[n, k]], slopes[k]
                for d in range(h.size):
                    dh[d] += slope * row[d]
        for k in range(slopes.size):
            if targets[n, k] >= 0:
                row, slope = u[targets[n, k]], slopes[k]
                for d in range(h.size):
                    row[d] += slope * h[d]
        for i in inputs[n]:
            if i >= 0:
                row = v[i]
                for d in range(h.size):
                    row[d] += share * dh[d]


@njit(**KERNEL)
def draw(text, first, last, noise, window, cbow, seed, inputs, targets, place):
    """Draw the examples of sentences first .. last - 1 from ``place`` on; return how many, and of how many words."""
    ids, starts, keep = text
    kept, state, begin, words = np.empty(starts[last] - starts[first], np.int32), np.empty(1, np.uint64), place, 0
    for s in range(first, last):
        state[0] = seed ^ (np.uint64(s + 1) * A)
        length = 0
        for i in ids[starts[s] : starts[s + 1]]:
            if _next(state) >> _HALF < keep[i]:
                kept[length] = i
                length += 1
        words += length
        for t in range(length):
            reach = 1 + _below(state, window)
            left, right = max(0, t - reach), min(length, t + reach + 1)
            if right - left < 2:
                continue
            if cbow:
                inputs[place] = -1
                column = 0
                for j in range(left, right):
                    if j != t:
                        inputs[place, column] = kept[j]
                        column += 1
                _targets(state, noise, kept[t], targets[place])
                place += 1
            else:
                for j in range(left, right):
                    if j != t:
                        inputs[place, 0] = kept[t]
                        _targets(state, noise, kept[j], targets[place])
                        place += 1
    return place - begin, words


@njit(cache=True)
def _targets(state, noise, word, row):
    """Fill a row of targets: the word, then noise."""
    thresholds, aliases = noise
    row[0] = word
    for k in range(1, row.size):
        bits = _next(state)
        column = (bits >> _HALF) * np.uint64(aliases.size) >> _HALF
        drawn = column if bits & _LOW < thresholds[column] else aliases[column]
        row[k] = -1 if drawn == word else drawn


@njit(cache=True, inline="always")
def _next(state):
    """The next 64 random bits: SplitMix64."""
    state[0] += GOLDEN
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * A
    z = (z ^ (z >> np.uint64(27))) * B
    return z ^ (z >> np.uint64(31))


@njit(cache=True, inline="always")
def _below(state, count):
    """A random integer in 0 .. count - 1."""
    return np.int64((_next(state) >> _HALF) * np.uint64(count) >> _HALF)
