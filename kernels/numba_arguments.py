"""What every attention backend in Numba does before its kernel runs."""

import numpy as np

from minisora.kernels.attention_cache import AttentionCache, check_attention_inputs, check_gradient
from minisora.kernels.compilation import launch
from minisora.kernels.numba_random import dropout_arguments


def forward_by(kernel, name, by, q, k, v, key_mask, causal, scale, dropout, pad=None):
    """Check the inputs, let a kernel write out and lse, and return ``(out, cache)``.

    The kernel gets ``by`` first, and v as ``pad`` makes it, if it needs that.
    """
    check_attention_inputs(q, k, v, key_mask)
    check_precision(q)
    scale = q.shape[-1] ** -0.5 if scale is None else float(scale)
    out, lse = np.empty((*q.shape[:3], v.shape[-1]), q.dtype), np.empty(q.shape[:3], q.dtype)
    arguments = kernel_arguments(q, k, pad(v) if pad else v, key_mask, causal, scale, dropout)
    launch(f"{name}, forward", kernel, q.dtype, cost(q, v), *by, *arguments, out, lse)
    return out, AttentionCache(q, k, v, out, lse, key_mask, causal, scale, dropout)


def ready(array, dtype=None):
    """The array as compiled code takes it, or a copy: contiguous, aligned and writeable, so that types are few."""
    return np.require(array, dtype, "CAW")


def cost(q, v):
    """Return roughly how many nanoseconds a forward takes on one thread: 100 additions and multiplications in each."""
    batch, heads, targets, d_k = q.shape
    return batch * heads * targets * v.shape[2] * (d_k + v.shape[3]) / 50


def check_backward(dout, cache):
    """Raise ValueError unless dout fits what the forward gave, for which compiled code does not look."""
    check_gradient(dout, cache)
    check_precision(cache.q)


def check_precision(q):
    """Raise ValueError unless the arrays are float32 or float64 on the host."""
    if not isinstance(q, np.ndarray) or q.dtype not in (np.float32, np.float64):
        kind = q.dtype if isinstance(q, np.ndarray) else f"{type(q).__module__}.{type(q).__name__}"
        raise ValueError(f"attention in Numba expects float32 or float64 arrays of NumPy, got {kind}")


def kernel_arguments(q, k, v, key_mask, causal, scale, dropout):
    """Return what all kernels take: arrays contiguous, scalars typed, so that there is one compilation a precision."""
    batch, sources = k.shape[0], k.shape[2]
    visible = np.ones((batch, sources), bool) if key_mask is None else ready(key_mask)
    return *map(ready, (q, k, v)), visible, bool(causal), q.dtype.type(scale), *dropout_arguments(dropout, q.dtype)
