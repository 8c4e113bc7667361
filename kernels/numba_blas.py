"""Attention in Numba by tiles whose products are left to BLAS: the third rung of the ladder.

The kernels are those of `minisora.kernels.numba_tiles`. Numba reaches BLAS through SciPy, whose library is told to stay
on one thread, since a kernel runs on several: BLAS threads of their own inside each would stand in each other's way.
"""

from functools import cache
from importlib.util import find_spec

from minisora.kernels.numba_arguments import forward_by
from minisora.kernels.numba_tiles import backward_by, forward_kernel

if find_spec("scipy") is None:
    raise ValueError("the backend 'numba-blas' needs SciPy: pip install 'minisora[blas]'")

BLAS = ()  # see `minisora.kernels.numba_tile_products`


def attention_forward(q, k, v, *, key_mask=None, causal=False, scale=None, dropout=None):
    """Attend, as `minisora.kernels.numpy_attention.attention_forward` does; float32 or float64 on the host."""
    with _one_thread():
        return forward_by(forward_kernel, "numba-blas", (BLAS,), q, k, v, key_mask, causal, scale, dropout)


def attention_backward(dout, cache):
    """Return (dq, dk, dv) for the gradient dout (B, H, T, d_v)."""
    with _one_thread():
        return backward_by("numba-blas", BLAS, dout, cache)


def _one_thread():
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller():
    """Return what sets the threads of the libraries that are loaded, SciPy's BLAS among them."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
