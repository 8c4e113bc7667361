"""What every CUDA rung does around its kernels: checks, contiguous arrays, scalars, and the cache.

A rung is a module with ``forward(call, out, lse)`` and ``backward(call, dout, out, lse) -> (dq, dk, dv)``.
"""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels.array_module import array_module, check_same_device
from minisora.kernels.attention_cache import AttentionCache, check_attention_inputs, check_gradient
from minisora.kernels.random import dropout_scalars

ALIGNMENT = 16  # bytes: where vectors of four floats may start


class Call(NamedTuple):
    """One attention, as kernels take it."""

    q: Any  # (B, H, T, d_k), contiguous, as all arrays here
    k: Any  # (B, H, S, d_k)
    v: Any  # (B, H, S, d_v)
    visible: Any  # (B, S) bool; not looked at without a mask, as the next
    seen: Any  # (B, 3) int32, see cuda/attention.cuh
    offset: int  # query t sees the keys s <= t + offset
    scale: float
    dropout: tuple  # base, threshold, factor
    flags: dict  # the macros MASKED and DROPS

    @property
    def sizes(self):
        """heads, targets, sources."""
        return self.q.shape[1], self.q.shape[2], self.k.shape[2]

    @property
    def heads(self):
        """How many there are in the batch, B H."""
        return self.q.shape[0] * self.q.shape[1]

    @property
    def device(self):
        """The number of the GPU."""
        return self.q.device.id


def attention_forward(rung, q, k, v, *, key_mask=None, causal=False, scale=None, dropout=None):
    """Attend, as `minisora.kernels.numpy_attention.attention_forward` does, by the kernels of a rung."""
    check_attention_inputs(q, k, v, key_mask)
    check_types(rung, q)
    scale = q.shape[-1] ** -0.5 if scale is None else float(scale)
    xp, shape, wide = array_module(q), (*q.shape[:3], v.shape[-1]), np.promote_types(q.dtype, np.float32)
    with q.device:
        call = prepare(q, k, v, key_mask, causal, scale, dropout)
        if call is None:
            out, lse = xp.zeros(shape, q.dtype), xp.full(shape[:3], -xp.inf, wide)
        else:
            out, lse = xp.empty(shape, q.dtype), xp.empty(shape[:3], wide)
            rung.forward(call, out, lse)
    return out, AttentionCache(q, k, v, out, lse, key_mask, causal, scale, dropout)


def attention_backward(rung, dout, cache):
    """Return (dq, dk, dv) for the gradient dout (B, H, T, d_v)."""
    check_gradient(dout, cache)
    q, k, v, out, lse, key_mask, causal, scale, dropout = cache
    check_types(rung, q)
    check_same_device("dout", dout, "q", q)
    wide = np.promote_types(q.dtype, np.float32)  # the specification's lse has the type of q
    with q.device:
        call = prepare(q, k, v, key_mask, causal, scale, dropout)
        if call is None:
            return tuple(map(array_module(q).zeros_like, (q, k, v)))
        dout, lse = dout.astype(q.dtype, copy=False), lse.astype(wide, copy=False)
        return rung.backward(call, *map(ready, (dout, out, lse)))


def prepare(q, k, v, key_mask, causal, scale, dropout):
    """Return the `Call` of checked inputs, or None where there is nothing to do; the host reads nothing of it."""
    scalars = dropout_scalars(dropout)
    sources, targets = k.shape[2], q.shape[2]
    if not (q.size and k.size and v.size):
        return None
    offset = sources - targets if causal else sources + targets
    flags = {"MASKED": int(key_mask is not None), "DROPS": int(scalars[1] > 0)}
    return Call(*map(ready, (q, k, v)), *see(array_module(q), key_mask), offset, scale, scalars, flags)


def see(xp, key_mask):
    """Return ``visible`` and ``seen`` of a `Call`."""
    if key_mask is None:
        return xp.empty((1, 1), bool), xp.empty((1, 3), "int32")
    batch, sources = key_mask.shape
    seen, places = xp.empty((batch, 3), "int32"), xp.arange(sources, dtype="int32")
    seen[:, 0] = xp.where(key_mask, places, sources).min(axis=1)
    seen[:, 1] = xp.where(key_mask, places + 1, 0).max(axis=1)
    seen[:, 2] = xp.where(key_mask, sources, places).min(axis=1)
    return ready(key_mask), seen


def ready(array):
    """The array as kernels take it, or a copy: contiguous, and starting where vectors may start."""
    array = array_module(array).ascontiguousarray(array)
    return array.copy() if array.data.ptr % ALIGNMENT else array


def filled(width):
    """The width of rows in shared memory: the next multiple of 16."""
    return -(-width // 16) * 16


def check_types(rung, q):
    """Raise ValueError unless q is on the GPU, and of a type that the rung is for."""
    if type(q).__module__.partition(".")[0] != "cupy":
        raise ValueError(f"attention in {rung.NAME} expects arrays on the GPU, got {type(q).__name__} on the host")
    if str(q.dtype) not in rung.TYPES:
        raise ValueError(f"attention in {rung.NAME} expects {' or '.join(rung.TYPES)}, got {q.dtype}")
