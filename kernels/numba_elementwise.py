"""The element-wise operations of `minisora.kernels.elementwise` in Numba: one pass over memory each.

Arrays come as rows (N, D), contiguous. A job is a block of rows; what is summed over rows is summed block by block.
"""

import math

import numpy as np
from numba import njit

from minisora.kernels.compilation import FAST, KERNEL
from minisora.kernels.numba_exp import LOG2_E, exp2
from minisora.kernels.numba_jobs import jobs
from minisora.kernels.numba_random import keeps, row_hash

ROWS = 32  # of a job
ELEMENTS = 1 << 14  # of a job over flat arrays
RELU, GELU, GELU_TANH = range(3)
_SQRT_HALF, _SQRT_2_OVER_PI, _CUBIC = 0.5**0.5, (2 / np.pi) ** 0.5, 0.044715


@njit(cache=True)
def row_jobs(count):
    """Return how many blocks of ROWS there are."""
    return (count + ROWS - 1) // ROWS


@njit(cache=True, inline="always")
def _kept(drops, hashed, i, threshold, factor):
    """What dropout multiplies element i of a row by."""
    return factor if not drops or keeps(hashed, i, threshold) else 0 * factor


@njit(**KERNEL)
def dropout_add(progress, x, residual, adds, drops, base, threshold, factor, out):
    """out = residual + dropout(x), or dropout(x)."""
    for job in jobs(progress.ctypes.data, row_jobs(len(x))):
        for r in range(job * ROWS, min(len(x), (job + 1) * ROWS)):
            hashed = row_hash(base, r)
            for i in range(x.shape[1]):
                out[r, i] = x[r, i] * _kept(drops, hashed, i, threshold, factor)
            if adds:
                for i in range(x.shape[1]):
                    out[r, i] += residual[r, i]


@njit(**KERNEL)
def activation_dropout(progress, x, kind, drops, base, threshold, factor, out):
    """out = dropout(activation(x))."""
    for job in jobs(progress.ctypes.data, row_jobs(len(x))):
        for r in range(job * ROWS, min(len(x), (job + 1) * ROWS)):
            _activate(kind, x[r], out[r])
            hashed = row_hash(base, r)
            if drops:
                for i in range(x.shape[1]):
                    out[r, i] *= _kept(True, hashed, i, threshold, factor)


@njit(**KERNEL)
def activation_dropout_backward(progress, dout, x, kind, drops, base, threshold, factor, dx):
    """dx = activation'(x) * dropout(dout)."""
    for job in jobs(progress.ctypes.data, row_jobs(len(x))):
        for r in range(job * ROWS, min(len(x), (job + 1) * ROWS)):
            _slope(kind, x[r], dx[r])
            hashed = row_hash(base, r)
            for i in range(x.shape[1]):
                dx[r, i] *= dout[r, i] * _kept(drops, hashed, i, threshold, factor)


@njit(cache=True, fastmath={"contract"})
def _activate(kind, x, out):
    """out = activation(x), a row."""
    half = x.dtype.type(0.5)
    if kind == RELU:
        for i in range(x.size):
            out[i] = 0 if x[i] < 0 else x[i]
    elif kind == GELU:
        for i in range(x.size):
            out[i] = half * x[i] * (1 + x.dtype.type(math.erf(x[i] * _SQRT_HALF)))
    else:
        for i in range(x.size):
            out[i] = half * x[i] * (1 + _tanh(_inner(x[i])))


@njit(cache=True, fastmath={"contract"})
def _slope(kind, x, slope):
    """slope = activation'(x), a row."""
    real = x.dtype.type
    if kind == RELU:
        for i in range(x.size):
            slope[i] = 1 if x[i] > 0 else 0
    elif kind == GELU:
        for i in range(x.size):
            density = exp2(real(-0.5 * LOG2_E) * x[i] * x[i]) * real(0.5 * _SQRT_2_OVER_PI)
            slope[i] = real(0.5) * (1 + real(math.erf(x[i] * _SQRT_HALF))) + x[i] * density
    else:
        for i in range(x.size):
            t = _tanh(_inner(x[i]))
            dinner = real(_SQRT_2_OVER_PI) * (1 + real(3 * _CUBIC) * x[i] * x[i])
            slope[i] = real(0.5) * (1 + t) + real(0.5) * x[i] * (1 - t * t) * dinner


@njit(cache=True, inline="always")
def _inner(x):
    return (x + x * x * x * type(x)(_CUBIC)) * type(x)(_SQRT_2_OVER_PI)


@njit(cache=True, inline="always")
def _tanh(u):
    """1 - 2 / (e^2u + 1), for a u that is cut where tanh is 1 to the last bit."""
    power = exp2(min(max(u, type(u)(-40)), type(u)(40)) * type(u)(2 * LOG2_E))
    return 1 - 2 / (power + 1)


@njit(**KERNEL, fastmath=FAST)
def layer_norm(progress, x, gamma, beta, eps, out, normalized, rstd):
    """out = gamma * normalized + beta, normalized = (x - mean) * rstd."""
    width = x.dtype.type(x.shape[1])
    for job in jobs(progress.ctypes.data, row_jobs(len(x))):
        for r in range(job * ROWS, min(len(x), (job + 1) * ROWS)):
            total, squares = x.dtype.type(0), x.dtype.type(0)
            for i in range(x.shape[1]):
                total += x[r, i]
            mean = total / width
            for i in range(x.shape[1]):
                difference = x[r, i] - mean
                squares += difference * difference
            rstd[r] = 1 / np.sqrt(squares / width + eps)
            for i in range(x.shape[1]):
                normalized[r, i] = (x[r, i] - mean) * rstd[r]
                out[r, i] = normalized[r, i] * gamma[i] + beta[i]


@njit(**KERNEL, fastmath={"reassoc"})  # a product that is subtracted is rounded first: one entry gives 0
def layer_norm_backward(progress, dout, normalized, rstd, gamma, dx, dgamma, dbeta):
    """dx = rstd * (g - mean(g) - n * mean(g * n)), g = gamma * dout; dgamma and dbeta hold a sum for each block."""
    width = dout.dtype.type(dout.shape[1])
    for job in jobs(progress.ctypes.data, row_jobs(len(dout))):
        for r in range(job * ROWS, min(len(dout), (job + 1) * ROWS)):
            total, stretch = dout.dtype.type(0), dout.dtype.type(0)
            for i in range(dout.shape[1]):
                total += dout[r, i] * gamma[i]
                stretch += dout[r, i] * gamma[i] * normalized[r, i]
            total /= width
            stretch /= width
            for i in range(dout.shape[1]):
                dx[r, i] = (dout[r, i] * gamma[i] - total - normalized[r, i] * stretch) * rstd[r]
            for i in range(dout.shape[1]):
                dgamma[job, i] += dout[r, i] * normalized[r, i]
                dbeta[job, i] += dout[r, i]


@njit(**KERNEL, fastmath=FAST)
def cross_entropy(progress, logits, targets, smoothing, exps, totals, losses):
    """losses = -log softmax(logits)[target], smoothed; exps = exp(logits - largest of the row), totals their sums."""
    width, scale = logits.dtype.type(logits.shape[1]), logits.dtype.type(LOG2_E)
    for job in jobs(progress.ctypes.data, row_jobs(len(logits))):
        for r in range(job * ROWS, min(len(logits), (job + 1) * ROWS)):
            largest, total = _largest(logits[r]), logits.dtype.type(0)
            for i in range(logits.shape[1]):
                power = exp2((logits[r, i] - largest) * scale)
                exps[r, i] = power
                total += power
            totals[r] = total
            lse = largest + np.log(total)
            losses[r] = lse - logits[r, targets[r]]
            if smoothing:
                mean = logits.dtype.type(0)
                for i in range(logits.shape[1]):
                    mean += logits[r, i]
                losses[r] += smoothing * (lse - mean / width - losses[r])


@njit(cache=True, fastmath={"nnan", "nsz"})
def _largest(row):
    """The maximum of a row; with a NaN, anything: the sum of exponentials is NaN whatever it is."""
    largest = row[0]
    for i in range(row.size):
        largest = row[i] if row[i] > largest else largest
    return largest


@njit(**KERNEL)
def cross_entropy_backward(progress, exps, totals, targets, dlosses, smoothing, dlogits):
    """dlogits = dloss * (softmax(logits) - q)."""
    for job in jobs(progress.ctypes.data, row_jobs(len(exps))):
        for r in range(job * ROWS, min(len(exps), (job + 1) * ROWS)):
            factor, less = dlosses[r] / totals[r], smoothing / exps.dtype.type(exps.shape[1]) * dlosses[r]
            for i in range(exps.shape[1]):
                dlogits[r, i] = exps[r, i] * factor - less
            dlogits[r, targets[r]] -= (1 - smoothing) * dlosses[r]


@njit(**KERNEL)
def scatter_add(progress, table, ids, rows, factor):
    """table[ids[n]] += factor * rows[n], one after the other: a job has a block of columns."""
    columns = 64
    for job in jobs(progress.ctypes.data, (table.shape[1] + columns - 1) // columns):
        for n in range(len(ids)):
            for i in range(job * columns, min(table.shape[1], (job + 1) * columns)):
                table[ids[n], i] += rows[n, i] * factor


@njit(**KERNEL)
def adam(progress, data, grad, m, v, rest_1, beta_2, rest_2, correction, eps, step_size, shrink):
    """An update of Adam on flat arrays, in the order of operations of `minisora.training.optimizers`: the same bits."""
    for job in jobs(progress.ctypes.data, (data.size + ELEMENTS - 1) // ELEMENTS):
        for i in range(job * ELEMENTS, min(data.size, (job + 1) * ELEMENTS)):
            m[i] += (grad[i] - m[i]) * rest_1
            v[i] = v[i] * beta_2 + grad[i] * grad[i] * rest_2
            data[i] = data[i] * shrink - m[i] / (np.sqrt(v[i]) / correction + eps) * step_size
