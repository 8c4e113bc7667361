"""Attention in Numba as loops that read like the formula: the first rung of the ladder.

One query at a time, and of its scores no more than one row: memory grows with S, not with T times S. Each (batch, head)
is the work of one thread, from first to last, so that the numbers do not depend on how many threads there are.
"""

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST, KERNEL, launch
from minisora.kernels.numba_arguments import check_backward, cost, forward_by, kernel_arguments, ready
from minisora.kernels.numba_jobs import jobs
from minisora.kernels.numba_random import keeps, row_hash


def attention_forward(q, k, v, *, key_mask=None, causal=False, scale=None, dropout=None):
    """Attend, as `minisora.kernels.numpy_attention.attention_forward` does; float32 or float64 on the host."""
    return forward_by(_forward, "numba-loops", (), q, k, v, key_mask, causal, scale, dropout)


def attention_backward(dout, cache):
    """Return (dq, dk, dv) for the gradient dout (B, H, T, d_v)."""
    check_backward(dout, cache)
    q, k, v, _, lse, key_mask, causal, scale, dropout = cache
    dq, dk, dv = (np.zeros(array.shape, q.dtype) for array in (q, k, v))
    arrays = ready(dout, q.dtype), ready(lse)
    arguments = kernel_arguments(q, k, v, key_mask, causal, scale, dropout)
    launch("numba-loops, backward", _backward, q.dtype, 10 * cost(q, v), *arrays, *arguments, dq, dk, dv)
    return dq, dk, dv


@njit(**KERNEL, fastmath=FAST)
def _forward(progress, q, k, v, visible, causal, scale, drops, base, threshold, factor, out, lse):
    batch, heads, targets = q.shape[:3]
    sources = k.shape[2]
    for bh in jobs(progress.ctypes.data, batch * heads):
        b, h = bh // heads, bh % heads
        weights = np.empty(sources, q.dtype)
        for t in range(targets):
            hashed = row_hash(base, bh * targets + t)
            seen = t + 1 + sources - targets if causal else sources
            largest, count = -np.inf, 0
            for s in range(seen):
                if visible[b, s]:
                    score = _dot(q[b, h, t], k[b, h, s]) * scale
                    weights[s] = score
                    largest = max(largest, score)
                    count += 1
            out[b, h, t] = 0
            lse[b, h, t] = -np.inf
            if count == 0:
                continue
            total = q.dtype.type(0)
            for s in range(seen):
                if visible[b, s]:
                    weight = np.exp(weights[s] - q.dtype.type(largest))
                    total += weight
                    if not drops or keeps(hashed, s, threshold):
                        _add(out[b, h, t], weight * factor, v[b, h, s])
            out[b, h, t] /= total
            lse[b, h, t] = largest + np.log(total)


@njit(**KERNEL, fastmath=FAST)
def _backward(progress, dout, lse, q, k, v, visible, causal, scale, drops, base, threshold, factor, dq, dk, dv):
    batch, heads, targets = q.shape[:3]
    sources = k.shape[2]
    for bh in jobs(progress.ctypes.data, batch * heads):
        b, h = bh // heads, bh % heads
        weights, dweights = np.empty(sources, q.dtype), np.empty(sources, q.dtype)
        for t in range(targets):
            if lse[b, h, t] == -np.inf:
                continue
            hashed = row_hash(base, bh * targets + t)
            seen = t + 1 + sources - targets if causal else sources
            delta = q.dtype.type(0)  # sum_s dweights * weights
            for s in range(seen):
                if visible[b, s]:
                    weight = np.exp(_dot(q[b, h, t], k[b, h, s]) * scale - lse[b, h, t])
                    kept = factor if not drops or keeps(hashed, s, threshold) else q.dtype.type(0)
                    dweight = _dot(dout[b, h, t], v[b, h, s]) * kept
                    _add(dv[b, h, s], weight * kept, dout[b, h, t])
                    delta += dweight * weight
                    weights[s], dweights[s] = weight, dweight
            for s in range(seen):
                if visible[b, s]:
                    dscore = weights[s] * (dweights[s] - delta) * scale
                    _add(dq[b, h, t], dscore, k[b, h, s])
                    _add(dk[b, h, s], dscore, q[b, h, t])


@njit(cache=True, fastmath=FAST, inline="always")
def _dot(a, b):
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@njit(cache=True, fastmath=FAST, inline="always")
def _add(total, factor, vector):
    """total += factor * vector."""
    for i in range(vector.size):
        total[i] += factor * vector[i]
