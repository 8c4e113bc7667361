"""The second door: fused operations on elements and rows, and a product, chosen by a backend's name like attention.

The specification of each stands where it is taught, in NumPy: in its layer, or of the most probable tokens in
`minisora.generation.beam`. It is used unless a backend is chosen with
`minisora.layers.layer.Layer.use_backend`. What stands here does the same in one pass over memory, on several threads;
dropout's masks are the same bits. Arrays are float32 or float64 on the host (`takes`).
"""

import math

import numpy as np

from minisora.kernels import numba_elementwise as kernels
from minisora.kernels import numba_most_probable
from minisora.kernels.compilation import launch
from minisora.kernels.numba_arguments import ready
from minisora.kernels.numba_product import pack, packed_product, product
from minisora.kernels.numba_random import dropout_arguments

__all__ = [
    "activation_dropout",
    "activation_dropout_backward",
    "adam",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout_add",
    "layer_norm",
    "layer_norm_backward",
    "most_probable",
    "pack",
    "packed_product",
    "product",
    "scatter_add",
    "takes",
]
_KINDS = {"relu": kernels.RELU, "gelu": kernels.GELU, "gelu_tanh": kernels.GELU_TANH}


def takes(x):
    """Whether an array is one that these operations are for: float32 or float64, on the host."""
    return isinstance(x, np.ndarray) and x.dtype in (np.float32, np.float64)


def _rows(x, dtype=None):
    """The array as contiguous rows (N, D)."""
    return ready(x, dtype).reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _expect(name, array, shape):
    """Raise ValueError unless an array has the shape that the compiled code will take for granted."""
    if array.shape != shape:
        raise ValueError(f"{name} is expected to have shape {shape}, got {array.shape}")


def _expect_ids(name, ids, count):
    """Raise ValueError unless ids are places among ``count``; return them as 64-bit integers."""
    if len(ids) and not (ids.min() >= 0 and ids.max() < count):
        raise ValueError(f"{name} are expected in 0 .. {count - 1}, got {ids.min()} .. {ids.max()}")
    return ids.astype(np.int64)


def dropout_add(x, residual, p, key):
    """Return residual + dropout(x), both (..., D); with residual None, dropout(x) alone."""
    if residual is not None:
        _expect("the residual", residual, x.shape)
    out, rows = np.empty(x.shape, x.dtype), _rows(x)
    others = rows if residual is None else _rows(residual, x.dtype)
    arguments = rows, others, residual is not None, *_dropout(p, key, x.dtype)
    launch("dropout", kernels.dropout_add, x.dtype, x.size, *arguments, out.reshape(rows.shape))
    return out


def activation_dropout(x, kind, p, key):
    """Return dropout(activation(x)), x (..., D), with kind ``"relu"``, ``"gelu"`` or ``"gelu_tanh"``."""
    out, rows = np.empty(x.shape, x.dtype), _rows(x)
    arguments = rows, _KINDS[kind], *_dropout(p, key, x.dtype), out.reshape(rows.shape)
    launch("activation", kernels.activation_dropout, x.dtype, x.size, *arguments)
    return out


def activation_dropout_backward(dout, x, kind, p, key):
    """Return dx = activation'(x) * dropout(dout), with the mask of the key."""
    _expect("dout", dout, x.shape)
    dx, rows = np.empty(x.shape, x.dtype), _rows(x)
    arguments = _rows(dout, x.dtype), rows, _KINDS[kind], *_dropout(p, key, x.dtype), dx.reshape(rows.shape)
    launch("activation, backward", kernels.activation_dropout_backward, x.dtype, x.size, *arguments)
    return dx


def _dropout(p, key, dtype):
    return dropout_arguments(None if key is None or p == 0 else (p, key), dtype)


def layer_norm(x, gamma, beta, eps):
    """Return out and normalized (..., D), and rstd (..., 1)."""
    _expect("gamma", gamma, x.shape[-1:])
    _expect("beta", beta, x.shape[-1:])
    out, normalized, rows = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype), _rows(x)
    rstd = np.empty((*x.shape[:-1], 1), x.dtype)
    results = out.reshape(rows.shape), normalized.reshape(rows.shape), rstd.ravel()
    launch(
        "LayerNorm", kernels.layer_norm, x.dtype, x.size, rows, ready(gamma), ready(beta), x.dtype.type(eps), *results
    )
    return out, normalized, rstd


def layer_norm_backward(dout, normalized, rstd, gamma):
    """Return dx (..., D), and dgamma and dbeta (D,)."""
    _expect("dout", dout, normalized.shape)
    _expect("rstd", rstd, (*normalized.shape[:-1], 1))
    _expect("gamma", gamma, normalized.shape[-1:])
    dtype, rows = normalized.dtype, _rows(dout, normalized.dtype)
    dx = np.empty(dout.shape, dtype)
    dgamma, dbeta = np.zeros((2, kernels.row_jobs(len(rows)), dout.shape[-1]), dtype)
    arguments = rows, _rows(normalized), ready(rstd).ravel(), ready(gamma), dx.reshape(rows.shape)
    launch("LayerNorm, backward", kernels.layer_norm_backward, dtype, dx.size, *arguments, dgamma, dbeta)
    return dx, dgamma.sum(axis=0), dbeta.sum(axis=0)


def cross_entropy(logits, targets, smoothing):
    """Return the losses (N,) of logits (N, V), exps (N, V) = exp(logits - largest), and their sums (N, 1)."""
    _expect("targets", targets, logits.shape[:1])
    exps, totals, losses = (np.empty(shape, logits.dtype) for shape in (logits.shape, len(logits), len(logits)))
    arguments = ready(logits), _expect_ids("targets", targets, logits.shape[1]), logits.dtype.type(smoothing)
    launch("cross-entropy", kernels.cross_entropy, logits.dtype, logits.size, *arguments, exps, totals, losses)
    return losses, exps, totals[:, None]


def cross_entropy_backward(dlosses, exps, totals, targets, smoothing):
    """Return dlogits (N, V) for the gradients of the losses, dlosses (N,)."""
    for name, array in (("dlosses", dlosses), ("targets", targets)):
        _expect(name, array, exps.shape[:1])
    _expect("totals", totals, (len(exps), 1))
    dlogits = np.empty(exps.shape, exps.dtype)
    targets = _expect_ids("targets", targets, exps.shape[1])
    arguments = ready(exps), ready(totals).ravel(), targets, ready(dlosses)
    arguments = *arguments, exps.dtype.type(smoothing), dlogits
    launch("cross-entropy, backward", kernels.cross_entropy_backward, exps.dtype, exps.size, *arguments)
    return dlogits


def most_probable(logits, count):
    """Return the highest log-probabilities of each row of logits (N, V), falling, and their tokens, (N, count)."""
    if min(count, logits.shape[1]) < 1 or not takes(logits):
        found = f"{count}, {logits.shape} and {logits.dtype}"
        raise ValueError(f"a count and logits of 1 or more, float32 or float64, are expected, got {found}")
    shape = len(logits), min(count, logits.shape[1])
    gains, tokens = np.empty(shape), np.zeros(shape, np.int64)
    kernel = numba_most_probable.most_probable
    launch("most probable", kernel, logits.dtype, 2 * logits.size, ready(logits), gains, tokens)
    return gains, tokens


def scatter_add(table, ids, rows, factor):
    """table[ids[n]] += factor * rows[n] for every n; ids (N,) may repeat, rows (N, D)."""
    _expect("rows", rows, (len(ids), table.shape[1]))
    arguments = table, _expect_ids("ids", ids, len(table)), _rows(rows, table.dtype), table.dtype.type(factor)
    launch("scatter-add", kernels.scatter_add, table.dtype, rows.size, *arguments)


def adam(data, grad, m, v, betas, correction, eps, step_size, shrink):
    """Update data, m and v in place: `minisora.training.optimizers.Adam`; data shrinks by a factor first."""
    for name, array in (("data", data), ("grad", grad), ("m", m), ("v", v)):
        _expect(name, array, data.shape)
        if not array.flags.c_contiguous:
            raise ValueError(f"{name} is expected to be contiguous, got strides {array.strides}")
    (beta_1, beta_2), real = betas, data.dtype.type
    scalars = map(real, (1 - beta_1, beta_2, 1 - beta_2, correction, eps, step_size, shrink))
    launch("Adam", kernels.adam, data.dtype, data.size, *(a.ravel() for a in (data, grad, m, v)), *scalars)
