"""Attention on the GPU in float32 with tiles in shared memory: ``cuda/tiled.cuh``, ``tiled_forward.cu`` and so on.

What is chosen here is how large the tiles are: as large as registers and shared memory allow, and not much larger than
the sequences.
"""

from minisora.kernels.array_module import array_module
from minisora.kernels.cuda_attention import filled
from minisora.kernels.cuda_delta import row_products
from minisora.kernels.cuda_launch import program, shared_memory

NAME = "cuda-tiled"
TYPES = ("float32",)
_THREADS, _PAD = 256, 4
_FORWARD = ((8, 4), (4, 4), (4, 2), (2, 2), (1, 1))  # ROWS and COLUMNS, of scores, of a thread
_BACKWARD = ((4, 4), (2, 4), (2, 2), (1, 1))
_SUMS = 64  # registers of a thread, at most, for the sums of the second product


def forward(call, out, lse):
    """Write out and lse."""
    rows, columns, shared = tile(call, _FORWARD, call.v.shape[-1], forward_bytes, lse.shape[2])
    arrays = call.q, call.k, call.v, call.visible, call.seen, out, lse
    _launch(call, "forward", "attention_forward", lse.shape[2], rows, columns, shared, *arrays)


def backward(call, dout, out, lse):
    """Return (dq, dk, dv)."""
    dq, dk, dv = map(array_module(out).empty_like, (call.q, call.k, call.v))
    delta = row_products(dout, out)
    arrays = call.q, call.k, call.v, call.visible, call.seen, lse, dout, delta
    width = filled(call.q.shape[-1]) + filled(call.v.shape[-1])
    for kernel, results in (("q", (dq,)), ("kv", (dk, dv))):
        length = results[0].shape[2]
        rows, columns, shared = tile(call, _BACKWARD, width, backward_bytes, length)
        name = f"attention_backward_{kernel}"
        _launch(call, "backward", name, length, rows, columns, shared, *arrays, *results)
    return dq, dk, dv


def _launch(call, half, kernel, length, rows, columns, shared, *arrays):
    """A block for each 16 ``rows`` of the ``length`` queries, or keys, that each head has."""
    macros = {"D_K": call.q.shape[-1], "D_V": call.v.shape[-1], "ROWS": rows, "COLUMNS": columns, **call.flags}
    blocks = -(-length // (16 * rows))
    compiled = program(f"tiled_{half}", call.device, **macros)
    scalars = blocks, *call.sizes, call.offset, call.scale, *call.dropout
    compiled.launch(kernel, blocks * call.heads, _THREADS, *arrays, *scalars, shared=shared)


def tile(call, candidates, width, needed, length):
    """Return ROWS, COLUMNS and bytes of shared memory: the first that fit, or the smallest there are.

    Parameters
    ----------
    width : int
        Of the sums that a row of the block keeps in registers.
    needed : callable
        ROWS, COLUMNS, d_k, d_v -> bytes.
    length : int
        Of the sequences that are owned: blocks of twice as many rows are taken only where nothing smaller is.
    """
    sizes = call.q.shape[-1], call.v.shape[-1]
    for rows, columns in candidates:
        shared = needed(rows, columns, *sizes)
        fits = rows * filled(width) // 16 <= _SUMS and shared <= shared_memory(call.device)
        if fits and 8 * rows < length:
            break
    return rows, columns, shared


def forward_bytes(rows, columns, d_k, d_v):
    """Shared memory of a block: q, k, v and weights."""
    own, other = 16 * rows, 16 * columns
    k_row, v_row = filled(d_k) + _PAD, filled(d_v) + _PAD
    return 4 * ((own + other) * k_row + other * v_row + own * (other + _PAD))


def backward_bytes(rows, columns, d_k, d_v):
    """Shared memory of a block: q, k, v, dout, and weights."""
    own, other = 16 * rows, 16 * columns
    return 4 * ((own + other) * (filled(d_k) + filled(d_v) + 2 * _PAD) + own * (other + _PAD))
