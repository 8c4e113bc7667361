"""Attention in Numba with a micro-kernel of explicit vectors: the top rung of the CPU's ladder.

The blocks, their order and the arithmetic are those of `minisora.kernels.numba_tiles`; what is new is that all products
go through `multiply_add`, whose operands are as wide as its registers want them. For that the last axis of the inputs
is padded with zeros once, and a block of keys is always `width` columns, those beyond the last one hidden.
"""

import numpy as np
from numba import njit, prange

from minisora.kernels.attention_cache import AttentionCache, check_attention_inputs
from minisora.kernels.compilation import announced
from minisora.kernels.numba_arguments import check_precision, kernel_arguments
from minisora.kernels.numba_exp import exp_row, power_room
from minisora.kernels.numba_random import keeps, row_hash
from minisora.kernels.numba_rows import FAST, drop, hide, take_in, transpose
from minisora.kernels.numba_simd import multiply_add, width

QUERIES = 64  # of a block


def attention_forward(q, k, v, *, key_mask=None, causal=False, scale=None, dropout=None):
    """Attend, as `minisora.kernels.numpy_attention.attention_forward` does; float32 or float64 on the host."""
    check_attention_inputs(q, k, v, key_mask)
    check_precision(q)
    scale = q.shape[-1] ** -0.5 if scale is None else float(scale)
    wide_v = _padded(v)
    out, lse = np.empty((*q.shape[:3], wide_v.shape[-1]), q.dtype), np.empty(q.shape[:3], q.dtype)
    arguments = kernel_arguments(q, k, wide_v, key_mask, causal, scale, dropout)
    with announced("numba, forward", q.dtype):
        _forward(*arguments, width(q.dtype), out, lse)
    out = np.ascontiguousarray(out[..., : v.shape[-1]])
    return out, AttentionCache(q, k, v, out, lse, key_mask, causal, scale, dropout)


def attention_backward(dout, cache):
    """Return (dq, dk, dv) for the gradient dout (B, H, T, d_v)."""
    q, k, v, out, lse, key_mask, causal, scale, dropout = cache
    check_precision(q)
    delta = np.einsum("bhtd,bhtd->bht", dout, out).astype(q.dtype)  # = sum_s dweights * weights, whatever was dropped
    wide = [_padded(array) for array in (q, k, v)]
    gradients = [np.zeros(array.shape, q.dtype) for array in wide]
    arguments = kernel_arguments(*wide, key_mask, causal, scale, dropout)
    with announced("numba, backward", q.dtype):
        _backward(_padded(dout), np.ascontiguousarray(lse), delta, *arguments, width(q.dtype), *gradients)
    return tuple(np.ascontiguousarray(g[..., : a.shape[-1]]) for g, a in zip(gradients, (q, k, v), strict=True))


def _padded(array):
    """The array with its last axis filled up with zeros to a multiple of `width`, contiguous."""
    missing = -array.shape[-1] % width(array.dtype)
    if not missing:
        return np.ascontiguousarray(array)
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)])


@njit(parallel=True, cache=True, fastmath=FAST)
def _forward(q, k, v, visible, causal, scale, drops, base, threshold, factor, keys, out, lse):
    batch, heads, targets, d_k = q.shape
    sources, d_v = v.shape[2], v.shape[3]
    offset = sources - targets if causal else sources + targets  # query t sees the keys s <= t + offset
    blocks = (targets + QUERIES - 1) // QUERIES
    for job in prange(batch * heads * blocks):
        bh, first = job // blocks, job % blocks * QUERIES
        b, h, rows = bh // heads, bh % heads, min(QUERIES, targets - first)
        keys_t, weights = np.zeros((d_k, keys), q.dtype), np.empty((QUERIES, keys), q.dtype)
        largest, total = np.full(QUERIES, -np.inf, q.dtype), np.zeros(QUERIES, q.dtype)
        any_key, powers = np.zeros(QUERIES, np.bool_), power_room(keys, q.dtype)
        summed = np.zeros((QUERIES, d_v), q.dtype)
        for start in range(0, min(sources, first + rows + offset), keys):
            columns = min(keys, sources - start)
            transpose(k[b, h], start, columns, keys_t)
            weights[:rows] = 0
            multiply_add(weights, q[b, h, first:], keys_t, rows, d_k)
            for i in range(rows):
                t = first + i
                any_key[i] |= hide(weights[i], columns, visible[b], start, t + 1 + offset - start, scale)
                take_in(i, weights[i], powers, largest, total, summed)
                if drops:
                    drop(weights[i], row_hash(base, bh * targets + t), start, threshold, factor)
            for d in range(0, d_v, keys):
                multiply_add(summed[:, d:], weights, v[b, h, start:, d:], rows, columns)
        for i in range(rows):
            if any_key[i]:
                out[b, h, first + i] = summed[i] / total[i]
                lse[b, h, first + i] = largest[i] + np.log(total[i]) if total[i] != 0 else np.nan
            else:
                out[b, h, first + i] = 0
                lse[b, h, first + i] = -np.inf


@njit(parallel=True, cache=True, fastmath=FAST)
def _backward(dout, lse, delta, q, k, v, visible, causal, scale, drops, base, threshold, factor, keys, dq, dk, dv):
    """First dq, a job for each block of queries; then dk and dv, a job for each block of keys."""
    batch, heads, targets, d_k = q.shape
    sources, d_v = v.shape[2], v.shape[3]
    offset = sources - targets if causal else sources + targets
    query_blocks, key_blocks = (targets + QUERIES - 1) // QUERIES, (sources + keys - 1) // keys
    for job in prange(batch * heads * query_blocks):
        bh, first = job // query_blocks, job % query_blocks * QUERIES
        b, h, rows = bh // heads, bh % heads, min(QUERIES, targets - first)
        keys_t, values_t, dropped, dscores, powers = _room(d_k, d_v, keys, q.dtype)
        for start in range(0, min(sources, first + rows + offset), keys):
            columns = min(keys, sources - start)
            transpose(k[b, h], start, columns, keys_t)
            transpose(v[b, h], start, columns, values_t)
            _gradient_tile(
                q[b, h, first:], dout[b, h, first:], lse[b, h, first:], delta[b, h, first:], keys_t, values_t, rows,
                start, columns, visible[b], first + 1 + offset - start, scale, drops, base, bh * targets + first,
                threshold, factor, dropped, dscores, powers,
            )  # fmt: skip
            for d in range(0, d_k, keys):
                multiply_add(dq[b, h, first:, d:], dscores, k[b, h, start:, d:], rows, columns)
    for job in prange(batch * heads * key_blocks):
        bh, start = job // key_blocks, job % key_blocks * keys
        b, h, columns = bh // heads, bh % heads, min(keys, sources - start)
        keys_t, values_t, dropped, dscores, powers = _room(d_k, d_v, keys, q.dtype)
        transpose(k[b, h], start, columns, keys_t)
        transpose(v[b, h], start, columns, values_t)
        for first in range(max(0, start - offset) // QUERIES * QUERIES, targets, QUERIES):
            rows = min(QUERIES, targets - first)
            _gradient_tile(
                q[b, h, first:], dout[b, h, first:], lse[b, h, first:], delta[b, h, first:], keys_t, values_t, rows,
                start, columns, visible[b], first + 1 + offset - start, scale, drops, base, bh * targets + first,
                threshold, factor, dropped, dscores, powers,
            )  # fmt: skip
            for d in range(0, d_v, keys):
                multiply_add(dv[b, h, start:, d:], dropped.T, dout[b, h, first:, d:], columns, rows)
            for d in range(0, d_k, keys):
                multiply_add(dk[b, h, start:, d:], dscores.T, q[b, h, first:, d:], columns, rows)


@njit(cache=True)
def _room(d_k, d_v, keys, dtype):
    """Two transposed blocks, two tiles, and what `exp_row` needs."""
    keys_t, values_t = np.zeros((d_k, keys), dtype), np.zeros((d_v, keys), dtype)
    return keys_t, values_t, np.empty((QUERIES, keys), dtype), np.empty((QUERIES, keys), dtype), power_room(keys, dtype)


@njit(cache=True, fastmath=FAST)
def _gradient_tile(
    q, dout, lse, delta, keys_t, values_t, rows, start, columns, visible, seen_of_first, scale, drops, base, row,
    threshold, factor, dropped, dscores, powers,
):  # fmt: skip
    """Compute a tile of the dropped weights, and of the gradient of q k^T."""
    dropped[:rows] = 0
    dscores[:rows] = 0
    multiply_add(dropped, q, keys_t, rows, q.shape[1])
    multiply_add(dscores, dout, values_t, rows, dout.shape[1])
    for i in range(rows):
        if lse[i] == -np.inf:  # sees nothing
            dropped[i] = 0
            dscores[i] = 0
            continue
        weights, gradients = dropped[i], dscores[i]
        hide(weights, columns, visible, start, seen_of_first + i, scale)
        exp_row(weights, weights.size, lse[i], powers)
        if drops:
            hashed = row_hash(base, row + i)
            for s in range(columns):
                kept = factor if keeps(hashed, start + s, threshold) else 0 * factor
                gradients[s] = weights[s] * (gradients[s] * kept - delta[i]) * scale
                weights[s] *= kept
        else:
            for s in range(weights.size):
                gradients[s] = weights[s] * (gradients[s] - delta[i]) * scale
