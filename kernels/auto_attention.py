"""The backend "auto": for each call the one that serves it best, by sizes alone, so that a call repeats to the bit.

On the host, NumPy does small ones, for which nothing needs to be compiled, and Numba those that take NumPy a good part
of a second. On a GPU it is the specification over CuPy.
"""

from importlib import import_module

import numpy as np

LARGE = 1 << 32  # additions and multiplications of a forward from which on Numba is worth its compilation


def picked(q, v):
    """Return the name of the backend that serves these sizes."""
    if not isinstance(q, np.ndarray) or q.dtype not in (np.float32, np.float64):
        return "numpy"
    batch, heads, targets, d_k = q.shape
    return "numba" if 2 * batch * heads * targets * v.shape[2] * (d_k + v.shape[3]) >= LARGE else "numpy"


def _module(q, v):
    return import_module(f"minisora.kernels.{picked(q, v)}_attention")


def attention_forward(q, k, v, *, key_mask=None, causal=False, scale=None, dropout=None):
    """Attend, as `minisora.kernels.numpy_attention.attention_forward` does."""
    chosen = _module(q, v) if q.ndim == v.ndim == 4 else import_module("minisora.kernels.numpy_attention")
    return chosen.attention_forward(q, k, v, key_mask=key_mask, causal=causal, scale=scale, dropout=dropout)


def attention_backward(dout, cache):
    """Return (dq, dk, dv) for the gradient dout (B, H, T, d_v)."""
    return _module(cache.q, cache.v).attention_backward(dout, cache)
