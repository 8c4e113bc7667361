"""The affine map, and its twin that borrows an embedding's table.

Forward multiplies x (B, T, d_in) as B products, one a sequence, not as one of B T rows: BLAS sums a row of a product
in an order that depends on where the row stands, and a sequence's output must not depend on its neighbours, to the last
bit. Backward, which sums over the batch anyway, uses one large product, and so does a decoding step, x (B, d_in), where
a batch agrees with its rows to rounding. A backend's own product keeps the promise with one product.
"""

from typing import Any, NamedTuple

import numpy as np

from minisora.layers.layer import Layer, Parameter, check_width


class LinearCache(NamedTuple):
    x: Any  # (..., d_in)


class Linear(Layer):
    """out = x W + b.

    Parameters
    ----------
    d_in, d_out : int
    rng : numpy.random.Generator
        Draws W (d_in, d_out), uniform with variance 2 / (d_in + d_out) [1]_; b (d_out,) starts at 0.
    bias : bool
        Without it, out = x W.

    References
    ----------
    .. [1] Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, eq. (16).
    """

    def __init__(self, d_in, d_out, rng, *, bias=True, dtype=np.float32):
        limit = np.sqrt(6 / (d_in + d_out))
        self.weight = Parameter(rng.uniform(-limit, limit, (d_in, d_out)).astype(dtype))
        self.bias = Parameter(np.zeros(d_out, dtype), decay=False) if bias else None

    def forward(self, x, *, key=None):
        """Map x (..., d_in) to (..., d_out)."""
        check_width("Linear", x, len(self.weight.data))
        if many(x) and (fused := self.fused(x)):
            return fused.product(x, self.weight.data, None if self.bias is None else self.bias.data), LinearCache(x)
        out = x @ self.weight.data  # (..., d_out)
        if self.bias is not None:
            out += self.bias.data
        return out, LinearCache(x)

    def backward(self, dout, cache):
        """dx = dout W^T; dW += x^T dout and db += sum(dout) over all rows."""
        d_in, d_out = self.weight.data.shape
        x, dout_rows = cache.x.reshape(-1, d_in), dout.reshape(-1, d_out)
        self.weight.grad += x.T @ dout_rows
        if self.bias is not None:
            self.bias.grad += dout_rows.sum(axis=0)
        return (dout_rows @ self.weight.data.T).reshape(cache.x.shape)


def many(x):
    """Whether x holds enough vectors of sequences to be worth preparing the weights for a fused product."""
    return x.ndim > 2 and x.shape[0] * x.shape[1] >= 64


class TiedLinear(Layer):
    """out = x E^T with the table E (V, D) of an embedding: the same Parameter in a second place [1]_.

    References
    ----------
    .. [1] Press, Wolf, "Using the Output Embedding to Improve Language Models", 2017.
    """

    def __init__(self, table):
        self.table = table

    def forward(self, x, *, key=None):
        """Map x (..., D) to logits (..., V)."""
        check_width("TiedLinear", x, self.table.data.shape[1])
        if many(x) and (fused := self.fused(x)):
            return fused.product(x, self.table.data.T, None), LinearCache(x)
        return x @ self.table.data.T, LinearCache(x)

    def backward(self, dout, cache):
        """dx = dout E; dE += dout^T x, beside what the embedding adds."""
        vocab_size, d_model = self.table.data.shape
        dout_rows = dout.reshape(-1, vocab_size)
        self.table.grad += dout_rows.T @ cache.x.reshape(-1, d_model)
        return (dout_rows @ self.table.data).reshape(cache.x.shape)
