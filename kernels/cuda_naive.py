"""Attention on the GPU with one thread a row, in float32 and float64: ``cuda/naive.cu``."""

from minisora.kernels.array_module import array_module
from minisora.kernels.cuda_launch import program

NAME = "cuda-naive"
TYPES = ("float32", "float64")
_THREADS = 128


def forward(call, out, lse):
    """Write out and lse."""
    arrays = call.q, call.k, call.v, call.visible, call.seen, out, lse
    _launch(call, "attention_forward", lse.size, *arrays)


def backward(call, dout, out, lse):
    """Return (dq, dk, dv)."""
    xp = array_module(out)
    dq, dk, dv = map(xp.empty_like, (call.q, call.k, call.v))
    delta = xp.empty_like(lse)
    arrays = call.q, call.k, call.v, call.visible, call.seen
    _launch(call, "attention_backward_q", lse.size, *arrays, out, lse, dout, delta, dq)
    _launch(call, "attention_backward_kv", dk.size // dk.shape[-1], *arrays, lse, dout, delta, dk, dv)
    return dq, dk, dv


def _launch(call, kernel, rows, *arrays):
    """One thread for each of the rows."""
    real = {"float32": "float", "float64": "double"}[str(call.q.dtype)]
    compiled = program("naive", call.device, real=real, **call.flags)
    scalars = rows, *call.sizes, call.q.shape[-1], call.v.shape[-1], call.offset, call.scale, *call.dropout
    compiled.launch(kernel, -(-rows // _THREADS), _THREADS, *arrays, *scalars)
