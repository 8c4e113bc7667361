"""Where a token stands: vectors that are added to the embeddings."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minisora.kernels import array_module
from minisora.layers.layer import Layer, Parameter, check_width


class PositionsCache(NamedTuple):
    offset: int  # position of the first vector


class SinusoidalPositions(Layer):
    """out = x + P with P[t, 2i] = sin(t / 10000^(2i/D)) and P[t, 2i+1] = cos(t / 10000^(2i/D)) [1]_.

    The table is no state: it is computed where it is used and never saved.

    Parameters
    ----------
    d_model : int
        Width D of the vectors.

    References
    ----------
    .. [1] Vaswani et al., "Attention Is All You Need", 2017, section 3.5.
    """

    def __init__(self, d_model):
        self.d_model = d_model

    def forward(self, x, *, key=None, offset=0):
        """Map x (..., T, D) to the same shape; the first vector stands at position ``offset``."""
        check_width("SinusoidalPositions", x, self.d_model)
        stop = offset + x.shape[-2]
        capacity = 1 << max(stop - 1, 0).bit_length()  # a few tables serve every length
        table = sinusoidal_table(capacity, self.d_model, array_module(x))[offset:stop]  # (T, D)
        return x + table.astype(x.real.dtype), PositionsCache(offset)

    def backward(self, dout, cache):
        """dx = dout: the table is constant."""
        return dout


@lru_cache(maxsize=16)
def sinusoidal_table(length, d_model, xp=np):
    """Return P (length, d_model) in float64, an array of the library xp; shared by all callers, not to be written."""
    position = xp.arange(length)[:, None]
    angles = position / 10000.0 ** (xp.arange(0, d_model, 2) / d_model)  # (length, ceil(D / 2))
    table = xp.empty((length, d_model))
    table[:, 0::2] = xp.sin(angles)
    table[:, 1::2] = xp.cos(angles[:, : d_model // 2])
    return table


class LearnedPositions(Layer):
    """out = x + P with a trained table P (max_len, D) [1]_.

    Parameters
    ----------
    max_len : int
        Number of positions.
    d_model : int
        Width D of the vectors.
    rng : numpy.random.Generator
        Draws P from a normal distribution with standard deviation 0.02.

    References
    ----------
    .. [1] Gehring et al., "Convolutional Sequence to Sequence Learning", 2017, section 3.1.
    """

    def __init__(self, max_len, d_model, rng, *, dtype=np.float32):
        self.table = Parameter(rng.normal(0, 0.02, (max_len, d_model)).astype(dtype), decay=False)

    def forward(self, x, *, key=None, offset=0):
        """Map x (..., T, D) to the same shape; the first vector stands at position ``offset``."""
        max_len, d_model = self.table.data.shape
        check_width("LearnedPositions", x, d_model)
        stop = offset + x.shape[-2]
        if stop > max_len:
            raise ValueError(f"LearnedPositions has {max_len} positions, got a sequence that reaches position {stop}")
        return x + self.table.data[offset:stop], PositionsCache(offset)

    def backward(self, dout, cache):
        """dx = dout; dP[t] += the sum of dout over the batch."""
        stop = cache.offset + dout.shape[-2]
        self.table.grad[cache.offset : stop] += dout.reshape(-1, *dout.shape[-2:]).sum(axis=0)
        return dout
