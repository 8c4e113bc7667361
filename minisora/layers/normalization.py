"""Layer normalization."""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels import array_module
from minisora.layers.layer import Layer, Parameter, check_width


class LayerNormCache(NamedTuple):
    normalized: Any  # (..., D), zero mean and unit variance in each row
    rstd: Any  # (..., 1), 1 / sqrt(var + eps)


class LayerNorm(Layer):
    """out = gamma * (x - mean) / sqrt(var + eps) + beta, with mean and (biased) variance over the last axis [1]_.

    Parameters
    ----------
    d_model : int
        Length D of the vectors.
    eps : float
        Added to the variance, so that a constant vector maps to ``beta``.

    References
    ----------
    .. [1] Ba, Kiros, Hinton, "Layer Normalization", 2016, eq. (4).
    """

    def __init__(self, d_model, *, eps=1e-5, dtype=np.float32):
        self.gamma = Parameter(np.ones(d_model, dtype), decay=False)
        self.beta = Parameter(np.zeros(d_model, dtype), decay=False)
        self.eps = eps

    def forward(self, x, *, key=None):
        """Map x (..., D) to an array of the same shape."""
        check_width("LayerNorm", x, len(self.gamma.data))
        if fused := self.fused(x):
            out, *cache = fused.layer_norm(x, self.gamma.data, self.beta.data, self.eps)
            return out, LayerNormCache(*cache)
        xp = array_module(x)
        normalized = x - x.mean(axis=-1, keepdims=True)
        rstd = 1 / xp.sqrt(row_dot(normalized, normalized) / x.shape[-1] + self.eps)  # (..., 1)
        normalized *= rstd
        out = normalized * self.gamma.data
        out += self.beta.data
        return out, LayerNormCache(normalized, rstd)

    def backward(self, dout, cache):
        """dx = rstd * (g - mean(g) - n * mean(g * n)) with g = gamma * dout and n the normalized input."""
        normalized, rstd = cache
        if fused := self.fused(normalized):
            dx, dgamma, dbeta = fused.layer_norm_backward(dout, normalized, rstd, self.gamma.data)
            self.gamma.grad += dgamma
            self.beta.grad += dbeta
            return dx
        rows = tuple(range(dout.ndim - 1))
        self.gamma.grad += (dout * normalized).sum(axis=rows)
        self.beta.grad += dout.sum(axis=rows)
        dx = dout * self.gamma.data  # inside the two means: gamma differs from column to column
        stretch = row_dot(dx, normalized) / dout.shape[-1]  # through the variance
        dx -= dx.mean(axis=-1, keepdims=True)  # through the mean
        dx -= normalized * stretch
        dx *= rstd
        return dx


def row_dot(a, b):
    """Return the dot product of each row of a and b, (..., D) to (..., 1), without an array of their products."""
    return array_module(a).einsum("...d,...d->...", a, b)[..., None]
