"""Attention in Numba with a micro-kernel of explicit vectors: the top rung of the CPU's ladder.

The softmax is that of `minisora.kernels.numba_tiles`; what is new is that all products go through one micro-kernel
(`multiply`, `multiply_add`), and that tiles stand on their side, S^T = K Q^T, so that the lanes of a vector are queries
(`minisora.kernels.numba_lanes`). Of each block of queries, Q^T and dout^T are written once; everything else is read
where it lies, and out, dq, dk and dv are summed upright, since the micro-kernel takes weights from either side.

The backward computes each weight once: a job has a head and a part of its keys, and goes through the queries block by
block. dk and dv are its own; dq is too, and where a head has several parts, their sum is taken afterwards, in order.
How many parts there are follows from the sizes alone, never from the number of threads, and so do all bits.
"""

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST, KERNEL, launch
from minisora.kernels.numba_arguments import check_backward, cost, forward_by, kernel_arguments, ready
from minisora.kernels.numba_exp import LOG2_E
from minisora.kernels.numba_jobs import jobs
from minisora.kernels.numba_lanes import (
    drop,
    hash_rows,
    hide,
    highest,
    keep_factors,
    raise_to,
    scores_gradient,
    scores_gradient_dropped,
    seen_range,
    weigh,
)
from minisora.kernels.numba_simd import multiply, multiply_add, transpose, whole, width

KEYS = 64  # of a block: with as many queries, a tile of float32 takes 16 KB
_JOBS = 16  # of a backward at least, if the keys allow
_PRIVATE = 8 << 20  # bytes, at most, of the parts of dq


def attention_forward(q, k, v, *, key_mask=None, causal=False, scale=None, dropout=None):
    """Attend, as `minisora.kernels.numpy_attention.attention_forward` does; float32 or float64 on the host."""
    return forward_by(_forward, "numba", (), q, k, v, key_mask, causal, scale, dropout, pad=padded)


def attention_backward(dout, cache):
    """Return (dq, dk, dv) for the gradient dout (B, H, T, d_v)."""
    check_backward(dout, cache)
    q, k, v, out, lse, key_mask, causal, scale, dropout = cache
    q_wide, k_wide, dout_wide = padded(q), padded(k), padded(dout.astype(q.dtype, copy=False))
    parts = _parts(q_wide, k.shape[2])
    dqs = np.empty((parts, *q_wide.shape), q.dtype)
    dk, dv = np.empty(k_wide.shape, q.dtype), np.empty((*k.shape[:3], dout_wide.shape[-1]), q.dtype)
    arguments = kernel_arguments(q_wide, k_wide, v, key_mask, causal, scale, dropout)
    arguments = (dout_wide, ready(out), ready(lse), *arguments, dqs, dk, dv)
    launch("numba, backward", _backward, q.dtype, 2.5 * cost(q, v), *arguments)
    dq = dqs[0] if parts == 1 else dqs.sum(axis=0)
    return tuple(np.ascontiguousarray(g[..., : a.shape[-1]]) for g, a in ((dq, q), (dk, k), (dv, v)))


def padded(array):
    """The array with its last axis filled up with zeros to whole vectors, contiguous."""
    missing = whole(array.shape[-1], array.dtype) - array.shape[-1]
    if not missing:
        return ready(array)
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)])


def _parts(q, sources):
    """Return into how many parts the keys of a head are cut."""
    wanted = -(-_JOBS // max(1, q.shape[0] * q.shape[1]))
    return max(1, min(wanted, sources // (2 * KEYS), _PRIVATE // max(1, q.nbytes)))


@njit(**KERNEL, fastmath=FAST)
def _forward(progress, q, k, v, visible, causal, scale, drops, base, threshold, factor, out, lse):
    batch, heads, targets, d_k = q.shape
    sources, d_v, queries = v.shape[2], v.shape[3], width(q.dtype)
    offset = sources - targets if causal else sources + targets  # query t sees the keys s <= t + offset
    blocks = (targets + queries - 1) // queries
    for job in jobs(progress.ctypes.data, batch * heads * blocks):
        bh, first = job // blocks, job % blocks * queries
        b, h, rows = bh // heads, bh % heads, min(queries, targets - first)
        wide = whole(rows, q.dtype)
        q_t, weights, summed = _tile(d_k, q.dtype), _tile(KEYS, q.dtype), np.zeros((rows, d_v), q.dtype)
        total, top, hashed = np.zeros(queries, q.dtype), np.empty(queries, q.dtype), np.zeros(queries, np.uint32)
        largest = np.full(queries, np.finfo(q.dtype).min)  # finite: what nobody may see has a weight of 0 beside it
        transpose(q[b, h, first:], rows, q.dtype.type(scale * LOG2_E), q_t)
        hash_rows(base, bh * targets + first, rows, hashed)
        first_seen, stop = seen_range(visible[b])
        seen = first + 1 + offset  # keys, by the first query
        for start in range(0, min(stop, seen + rows - 1), KEYS):
            keys = min(KEYS, stop - start)
            multiply(weights, k[b, h, start:], q_t, keys, wide, d_k)
            hide(weights, keys, visible[b, start:], seen - start, wide)
            highest(weights, keys, wide, top)
            raise_to(top, wide, largest, total, summed)
            weigh(weights, keys, wide, largest, total)
            if drops:
                drop(weights, keys, wide, hashed, start, threshold, factor)
            multiply_add(summed, weights.T, v[b, h, start:], rows, d_v, keys)
        for i in range(rows):
            if first_seen <= first + i + offset:
                lse[b, h, first + i] = (largest[i] + np.log2(total[i])) / LOG2_E if total[i] != 0 else np.nan
                part = 1 / total[i]
                for d in range(out.shape[3]):
                    out[b, h, first + i, d] = summed[i, d] * part
            else:
                lse[b, h, first + i] = -np.inf
                out[b, h, first + i] = 0


@njit(**KERNEL, fastmath=FAST)
def _backward(progress, dout, out, lse, q, k, v, visible, causal, scale, drops, base, threshold, factor, dqs, dk, dv):
    batch, heads, targets = lse.shape
    sources, d_k, d_v, queries = v.shape[2], k.shape[3], v.shape[3], width(q.dtype)
    offset = sources - targets if causal else sources + targets
    parts = len(dqs)
    share = ((sources + KEYS - 1) // KEYS + parts - 1) // parts * KEYS  # of a part, in keys
    for job in jobs(progress.ctypes.data, batch * heads * parts):
        bh, part = job // parts, job % parts
        b, h = bh // heads, bh % heads
        q_t, dout_t = _tile(d_k, q.dtype), _tile(d_v, q.dtype)
        weights, dscores, kept = _tile(KEYS, q.dtype), _tile(KEYS, q.dtype), _tile(KEYS if drops else 0, q.dtype)
        lse_2, delta, hashed = np.zeros(queries, q.dtype), np.zeros(queries, q.dtype), np.zeros(queries, np.uint32)
        lowest, stop = part * share, min((part + 1) * share, seen_range(visible[b])[1])
        dqs[part, b, h], dk[b, h, lowest : lowest + share], dv[b, h, lowest : lowest + share] = 0, 0, 0
        for first in range(max(0, lowest - offset) // queries * queries, targets, queries):
            rows = min(queries, targets - first)
            wide = whole(rows, q.dtype)
            transpose(q[b, h, first:], rows, q.dtype.type(scale * LOG2_E), q_t)
            transpose(dout[b, h, first:], rows, scale, dout_t)
            hash_rows(base, bh * targets + first, rows, hashed)
            for i in range(rows):
                seeing = lse[b, h, first + i] != -np.inf  # the weights of a row that sees nothing are to be 0
                lse_2[i] = lse[b, h, first + i] * LOG2_E if seeing else np.inf
                product = q.dtype.type(0)
                for d in range(d_v):
                    product += dout[b, h, first + i, d] * out[b, h, first + i, d]
                delta[i] = scale * product
            seen = first + 1 + offset
            for start in range(lowest, min(stop, seen + rows - 1), KEYS):
                keys = min(KEYS, stop - start)
                multiply(weights, k[b, h, start:], q_t, keys, wide, d_k)
                multiply(dscores, v[b, h, start:], dout_t, keys, wide, d_v)
                hide(weights, keys, visible[b, start:], seen - start, wide)
                if drops:
                    keep_factors(kept, keys, wide, hashed, start, threshold, factor)
                    scores_gradient_dropped(weights, dscores, kept, keys, wide, lse_2, delta)
                else:
                    scores_gradient(weights, dscores, keys, wide, lse_2, delta)
                multiply_add(dv[b, h, start:], weights, dout[b, h, first:], keys, d_v, rows)
                multiply_add(dk[b, h, start:], dscores, q[b, h, first:], keys, d_k, rows)
                multiply_add(dqs[part, b, h, first:], dscores.T, k[b, h, start:], rows, d_k, keys)


@njit(cache=True)
def _tile(rows, dtype):
    """Room for a row for each key, or each place of a vector, and a column for each query."""
    return np.empty((rows, width(dtype)), dtype)
