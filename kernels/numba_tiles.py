"""Attention in Numba by tiles, with a softmax that meets the keys block by block [1]_: the second rung of the ladder.

What a tile needs stays in the nearest cache for as long as it is needed, and the inner loops run along the rows of a
transposed block, which is what the compiler can turn into vectors; so is the exponential function (`exp_row`).

Each job writes to places of its own, blocks of queries for out and dq, blocks of keys for dk and dv, and goes through
its blocks in one order: no races, and the same bits for any number of threads. The price is that the backward computes
the weights twice.

References
----------
.. [1] Dao et al., "FlashAttention", 2022, algorithms 1 and 4; Milakov, Gimelshein, "Online normalizer calculation for
   softmax", 2018.
"""

import numpy as np
from numba import njit, prange

from minisora.kernels.attention_cache import AttentionCache, check_attention_inputs
from minisora.kernels.compilation import announced
from minisora.kernels.numba_arguments import check_precision, kernel_arguments
from minisora.kernels.numba_exp import exp_row, power_room
from minisora.kernels.numba_random import keeps, row_hash
from minisora.kernels.numba_rows import FAST, drop, hide, take_in, transpose

QUERIES, KEYS = 64, 64  # rows of a block; a tile of scores and a block of keys of width 64 take 16 KB each


def attention_forward(q, k, v, *, key_mask=None, causal=False, scale=None, dropout=None):
    """Attend, as `minisora.kernels.numpy_attention.attention_forward` does; float32 or float64 on the host."""
    check_attention_inputs(q, k, v, key_mask)
    check_precision(q)
    scale = q.shape[-1] ** -0.5 if scale is None else float(scale)
    out = np.empty((*q.shape[:3], v.shape[-1]), q.dtype)
    lse = np.empty(q.shape[:3], q.dtype)
    with announced("numba-tiles, forward", q.dtype):
        _forward(*kernel_arguments(q, k, v, key_mask, causal, scale, dropout), out, lse)
    return out, AttentionCache(q, k, v, out, lse, key_mask, causal, scale, dropout)


def attention_backward(dout, cache):
    """Return (dq, dk, dv) for the gradient dout (B, H, T, d_v)."""
    q, k, v, out, lse, key_mask, causal, scale, dropout = cache
    check_precision(q)
    dout = np.ascontiguousarray(dout, q.dtype)
    delta = np.einsum("bhtd,bhtd->bht", dout, out)  # = sum_s dweights * weights, whatever was dropped
    dq, dk, dv = (np.zeros(array.shape, q.dtype) for array in (q, k, v))
    arguments = kernel_arguments(q, k, v, key_mask, causal, scale, dropout)
    with announced("numba-tiles, backward", q.dtype):
        _backward(dout, np.ascontiguousarray(lse), delta, *arguments, dq, dk, dv)
    return dq, dk, dv


@njit(parallel=True, cache=True, fastmath=FAST)
def _forward(q, k, v, visible, causal, scale, drops, base, threshold, factor, out, lse):
    batch, heads, targets, d_k = q.shape
    sources, d_v = v.shape[2], v.shape[3]
    blocks = (targets + QUERIES - 1) // QUERIES
    for job in prange(batch * heads * blocks):
        bh, first = job // blocks, job % blocks * QUERIES
        b, h = bh // heads, bh % heads
        rows = min(QUERIES, targets - first)
        seen_of_first = first + 1 + sources - targets if causal else sources
        keys_t, weights = np.empty((d_k, KEYS), q.dtype), np.empty((QUERIES, KEYS), q.dtype)
        largest, total = np.full(QUERIES, -np.inf, q.dtype), np.zeros(QUERIES, q.dtype)
        any_key = np.zeros(QUERIES, np.bool_)
        powers = power_room(KEYS, q.dtype)
        summed = np.zeros((QUERIES, d_v), q.dtype)
        for start in range(0, min(sources, seen_of_first + rows - 1 if causal else sources), KEYS):
            columns = min(KEYS, sources - start)
            transpose(k[b, h], start, columns, keys_t)
            _products(q[b, h], first, rows, keys_t, columns, weights)
            for i in range(rows):
                seen = seen_of_first + i - start if causal else columns
                any_key[i] |= hide(weights[i, :columns], columns, visible[b], start, seen, scale)
                take_in(i, weights[i, :columns], powers, largest, total, summed)
                if drops:
                    drop(weights[i, :columns], row_hash(base, bh * targets + first + i), start, threshold, factor)
            _add_rows(weights, rows, columns, v[b, h], start, summed)
        for i in range(rows):
            if any_key[i]:
                out[b, h, first + i] = summed[i] / total[i]
                lse[b, h, first + i] = largest[i] + np.log(total[i]) if total[i] != 0 else np.nan
            else:
                out[b, h, first + i] = 0
                lse[b, h, first + i] = -np.inf


@njit(parallel=True, cache=True, fastmath=FAST)
def _backward(dout, lse, delta, q, k, v, visible, causal, scale, drops, base, threshold, factor, dq, dk, dv):
    """First dq, a job for each block of queries; then dk and dv, a job for each block of keys."""
    batch, heads, targets, d_k = q.shape
    sources, d_v = v.shape[2], v.shape[3]
    offset = sources - targets if causal else sources + targets  # query t sees the keys s <= t + offset
    query_blocks, key_blocks = (targets + QUERIES - 1) // QUERIES, (sources + KEYS - 1) // KEYS
    for job in prange(batch * heads * query_blocks):
        bh, first = job // query_blocks, job % query_blocks * QUERIES
        b, h, rows = bh // heads, bh % heads, min(QUERIES, targets - first)
        keys_t, values_t, dropped, dscores, powers = _room(d_k, d_v, q.dtype)
        for start in range(0, min(sources, first + rows + offset), KEYS):
            columns = min(KEYS, sources - start)
            transpose(k[b, h], start, columns, keys_t)
            transpose(v[b, h], start, columns, values_t)
            _gradient_tile(
                q[b, h], dout[b, h], lse[b, h], delta[b, h], keys_t, values_t, first, rows, start, columns,
                visible[b], offset, scale, drops, base, bh * targets, threshold, factor, dropped, dscores, powers,
            )  # fmt: skip
            _add_rows(dscores, rows, columns, k[b, h], start, dq[b, h, first : first + rows])
    for job in prange(batch * heads * key_blocks):
        bh, start = job // key_blocks, job % key_blocks * KEYS
        b, h, columns = bh // heads, bh % heads, min(KEYS, sources - start)
        keys_t, values_t, dropped, dscores, powers = _room(d_k, d_v, q.dtype)
        transpose(k[b, h], start, columns, keys_t)
        transpose(v[b, h], start, columns, values_t)
        for first in range(max(0, start - offset) // QUERIES * QUERIES, targets, QUERIES):
            rows = min(QUERIES, targets - first)
            _gradient_tile(
                q[b, h], dout[b, h], lse[b, h], delta[b, h], keys_t, values_t, first, rows, start, columns,
                visible[b], offset, scale, drops, base, bh * targets, threshold, factor, dropped, dscores, powers,
            )  # fmt: skip
            _add_columns(dropped, rows, columns, dout[b, h], first, dv[b, h, start : start + columns])
            _add_columns(dscores, rows, columns, q[b, h], first, dk[b, h, start : start + columns])


@njit(cache=True)
def _room(d_k, d_v, dtype):
    """Two transposed blocks, two tiles, and what `exp_row` needs."""
    keys_t, values_t = np.empty((d_k, KEYS), dtype), np.empty((d_v, KEYS), dtype)
    return keys_t, values_t, np.empty((QUERIES, KEYS), dtype), np.empty((QUERIES, KEYS), dtype), power_room(KEYS, dtype)


@njit(cache=True, fastmath=FAST)
def _gradient_tile(
    q, dout, lse, delta, keys_t, values_t, first, rows, start, columns, visible, offset, scale, drops, base, row,
    threshold, factor, dropped, dscores, powers,
):  # fmt: skip
    """Compute a tile of the dropped weights, and of the gradient of q k^T."""
    _products(q, first, rows, keys_t, columns, dropped)
    _products(dout, first, rows, values_t, columns, dscores)
    for i in range(rows):
        t = first + i
        if lse[t] == -np.inf:  # sees nothing
            dropped[i, :columns] = 0
            dscores[i, :columns] = 0
            continue
        hide(dropped[i, :columns], columns, visible, start, t + 1 + offset - start, scale)
        exp_row(dropped[i], columns, lse[t], powers)
        hashed = row_hash(base, row + t)
        for s in range(columns):
            kept = factor if not drops or keeps(hashed, start + s, threshold) else 0 * factor
            dscores[i, s] = dropped[i, s] * (dscores[i, s] * kept - delta[t]) * scale
            dropped[i, s] *= kept


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


@njit(cache=True, fastmath=FAST)
def _products(matrix, first, rows, transposed, columns, products):
    """products[i] = matrix[first + i] times the transposed block."""
    for i in range(rows):
        products[i, :columns] = 0
        _combine(products[i], columns, matrix[first + i], transposed.shape[0], transposed, 0)


@njit(cache=True, fastmath=FAST)
def _add_rows(weights, rows, columns, matrix, start, summed):
    """summed[i] += sum_s weights[i, s] * matrix[start + s]."""
    for i in range(rows):
        _combine(summed[i], matrix.shape[1], weights[i], columns, matrix, start)


@njit(cache=True, fastmath=FAST)
def _add_columns(weights, rows, columns, matrix, first, summed):
    """summed[s] += sum_i weights[i, s] * matrix[first + i]."""
    for s in range(columns):
        _combine(summed[s], matrix.shape[1], weights[:, s], rows, matrix, first)
