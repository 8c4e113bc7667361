"""Attention in Numba by tiles, with a softmax that meets the keys block by block [1]_: the second rung of the ladder.

What a tile needs stays in the nearest cache for as long as it is needed, and the inner loops run along the rows of a
transposed block, which is what the compiler can turn into vectors; so is the exponential function (`exp2`).

Each job writes to places of its own, blocks of queries for out and dq, blocks of keys for dk and dv, and goes through
its blocks in one order: no races, and the same bits for any number of threads. The price is that the backward computes
the weights twice.

References
----------
.. [1] Dao et al., "FlashAttention", 2022, algorithms 1 and 4; Milakov, Gimelshein, "Online normalizer calculation for
   softmax", 2018.
"""

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST, KERNEL, launch
from minisora.kernels.numba_arguments import check_backward, cost, forward_by, kernel_arguments, ready
from minisora.kernels.numba_exp import LOG2_E, exp2
from minisora.kernels.numba_jobs import jobs
from minisora.kernels.numba_lanes import at_most_zero
from minisora.kernels.numba_random import keeps, row_hash
from minisora.kernels.numba_rows import drop, finish, hide, take_in, transpose
from minisora.kernels.numba_tile_products import add_columns, add_rows, products

QUERIES, KEYS = 64, 64  # rows of a block; a tile of scores and a block of keys of width 64 take 16 KB each


def attention_forward(q, k, v, *, key_mask=None, causal=False, scale=None, dropout=None):
    """Attend, as `minisora.kernels.numpy_attention.attention_forward` does; float32 or float64 on the host."""
    return forward_by(forward_kernel, "numba-tiles", (None,), q, k, v, key_mask, causal, scale, dropout)


def attention_backward(dout, cache):
    """Return (dq, dk, dv) for the gradient dout (B, H, T, d_v)."""
    return backward_by("numba-tiles", None, dout, cache)


def backward_by(name, blas, dout, cache):
    """Run the backward; ``blas`` is what the products are made by, see `products`."""
    check_backward(dout, cache)
    q, k, v, out, lse, key_mask, causal, scale, dropout = cache
    dout = ready(dout, q.dtype)
    delta = np.einsum("bhtd,bhtd->bht", dout, out)  # = sum_s dweights * weights, whatever was dropped
    dq, dk, dv = (np.zeros(array.shape, q.dtype) for array in (q, k, v))
    arguments = kernel_arguments(q, k, v, key_mask, causal, scale, dropout)
    arguments = (blas, dout, ready(lse), delta, *arguments, dq, dk, dv)
    launch(f"{name}, backward", backward_kernel, q.dtype, 20 * cost(q, v), *arguments)
    return dq, dk, dv


@njit(**KERNEL, fastmath=FAST)
def forward_kernel(progress, blas, q, k, v, visible, causal, scale, drops, base, threshold, factor, out, lse):
    batch, heads, targets, d_k = q.shape
    sources, d_v = v.shape[2], v.shape[3]
    blocks = (targets + QUERIES - 1) // QUERIES
    for job in jobs(progress.ctypes.data, batch * heads * blocks):
        bh, first = job // blocks, job % blocks * QUERIES
        b, h = bh // heads, bh % heads
        rows = min(QUERIES, targets - first)
        seen_of_first = first + 1 + sources - targets if causal else sources
        keys_t, weights = np.empty((d_k, KEYS), q.dtype), np.empty((QUERIES, KEYS), q.dtype)
        largest, total = np.full(QUERIES, -np.inf, q.dtype), np.zeros(QUERIES, q.dtype)
        any_key = np.zeros(QUERIES, np.bool_)
        summed = np.zeros((QUERIES, d_v), q.dtype)
        for start in range(0, min(sources, seen_of_first + rows - 1 if causal else sources), KEYS):
            columns = min(KEYS, sources - start)
            transpose(k[b, h], start, columns, keys_t)
            products(blas, q[b, h], first, rows, keys_t, columns, weights)
            for i in range(rows):
                seen = seen_of_first + i - start if causal else columns
                any_key[i] |= hide(weights[i, :columns], columns, visible[b], start, seen, scale * LOG2_E)
                take_in(i, weights[i, :columns], largest, total, summed)
                if drops:
                    drop(weights[i, :columns], row_hash(base, bh * targets + first + i), start, threshold, factor)
            add_rows(blas, weights, rows, columns, v[b, h], start, summed)
        finish(any_key, summed, total, largest, out[b, h, first : first + rows], lse[b, h, first : first + rows])


@njit(**KERNEL, fastmath=FAST)
def backward_kernel(
    progress, blas, dout, lse, delta, q, k, v, visible, causal, scale, drops, base, threshold, factor, dq, dk, dv
):  # fmt: skip
    batch, heads, targets, _ = q.shape
    sources = v.shape[2]
    offset = sources - targets if causal else sources + targets  # query t sees the keys s <= t + offset
    query_blocks, key_blocks = (targets + QUERIES - 1) // QUERIES, (sources + KEYS - 1) // KEYS
    for job in jobs(progress.ctypes.data, batch * heads * (query_blocks + key_blocks)):
        bh, block = job // (query_blocks + key_blocks), job % (query_blocks + key_blocks)
        b, h = bh // heads, bh % heads
        arrays = dout[b, h], lse[b, h], delta[b, h], q[b, h], k[b, h], v[b, h], visible[b]
        options = offset, scale, drops, base, bh * targets, threshold, factor
        if block < query_blocks:
            _block_of_queries(blas, block * QUERIES, arrays, options, dq[b, h])
        else:
            _block_of_keys(blas, (block - query_blocks) * KEYS, arrays, options, dk[b, h], dv[b, h])


@njit(cache=True, fastmath=FAST)
def _block_of_queries(blas, first, arrays, options, dq):
    """Sum dq of the queries from ``first`` on, over all keys that they see."""
    _, _, _, q, k, v, _ = arrays
    rows = min(QUERIES, len(q) - first)
    keys_t, values_t, dropped, dscores = _room(q.shape[1], v.shape[1], q.dtype)
    for start in range(0, min(len(k), first + rows + options[0]), KEYS):
        columns = min(KEYS, len(k) - start)
        transpose(k, start, columns, keys_t)
        transpose(v, start, columns, values_t)
        _gradient_tile(blas, first, rows, start, columns, arrays, options, keys_t, values_t, dropped, dscores)
        add_rows(blas, dscores, rows, columns, k, start, dq[first : first + rows])


@njit(cache=True, fastmath=FAST)
def _block_of_keys(blas, start, arrays, options, dk, dv):
    """Sum dk and dv of the keys from ``start`` on, over all queries that see them."""
    dout, _, _, q, k, v, _ = arrays
    columns = min(KEYS, len(k) - start)
    keys_t, values_t, dropped, dscores = _room(q.shape[1], v.shape[1], q.dtype)
    transpose(k, start, columns, keys_t)
    transpose(v, start, columns, values_t)
    for first in range(max(0, start - options[0]) // QUERIES * QUERIES, len(q), QUERIES):
        rows = min(QUERIES, len(q) - first)
        _gradient_tile(blas, first, rows, start, columns, arrays, options, keys_t, values_t, dropped, dscores)
        add_columns(blas, dropped, rows, columns, dout, first, dv[start : start + columns])
        add_columns(blas, dscores, rows, columns, q, first, dk[start : start + columns])


@njit(cache=True)
def _room(d_k, d_v, dtype):
    """Two transposed blocks and two tiles."""
    keys_t, values_t = np.empty((d_k, KEYS), dtype), np.empty((d_v, KEYS), dtype)
    return keys_t, values_t, np.empty((QUERIES, KEYS), dtype), np.empty((QUERIES, KEYS), dtype)


@njit(cache=True, fastmath=FAST)
def _gradient_tile(blas, first, rows, start, columns, arrays, options, keys_t, values_t, dropped, dscores):
    """Compute a tile of the dropped weights, and of the gradient of q k^T."""
    dout, lse, delta, q, _, _, visible = arrays
    offset, scale, drops, base, row, threshold, factor = options
    products(blas, q, first, rows, keys_t, columns, dropped)
    products(blas, dout, first, rows, values_t, columns, dscores)
    for i in range(rows):
        t = first + i
        if lse[t] == -np.inf:  # sees nothing
            dropped[i, :columns] = 0
            dscores[i, :columns] = 0
            continue
        hide(dropped[i, :columns], columns, visible, start, t + 1 + offset - start, scale * LOG2_E)
        hashed, lse_2 = row_hash(base, row + t), q.dtype.type(lse[t] * LOG2_E)
        for s in range(columns):
            kept = factor if not drops or keeps(hashed, start + s, threshold) else 0 * factor
            weight = exp2(at_most_zero(dropped[i, s] - lse_2))
            dscores[i, s] = weight * (dscores[i, s] * kept - delta[t]) * scale
            dropped[i, s] = weight * kept
