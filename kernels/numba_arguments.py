"""What every attention backend in Numba does before its kernel runs."""

import numpy as np

from minisora.kernels.numba_random import dropout_arguments


def check_precision(q):
    """Raise ValueError unless the arrays are float32 or float64 on the host."""
    if not isinstance(q, np.ndarray) or q.dtype not in (np.float32, np.float64):
        kind = q.dtype if isinstance(q, np.ndarray) else type(q).__name__
        raise ValueError(f"attention in Numba expects float32 or float64 arrays of NumPy, got {kind}")


def kernel_arguments(q, k, v, key_mask, causal, scale, dropout):
    """Return what all kernels take: arrays contiguous, scalars typed, so that there is one compilation a precision."""
    batch, sources = k.shape[0], k.shape[2]
    visible = np.ones((batch, sources), bool) if key_mask is None else np.ascontiguousarray(key_mask)
    arrays = (np.ascontiguousarray(array) for array in (q, k, v))
    return *arrays, visible, bool(causal), q.dtype.type(scale), *dropout_arguments(dropout, q.dtype)
