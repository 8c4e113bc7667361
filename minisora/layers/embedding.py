"""Token embedding: a row of a table for every id."""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels import array_module
from minisora.kernels.array_module import check_same_device
from minisora.layers.layer import Layer, Parameter


class TokenEmbeddingCache(NamedTuple):
    ids: Any  # (...) integers


class TokenEmbedding(Layer):
    """out = sqrt(D) E[ids] [1]_.

    Parameters
    ----------
    vocab_size, d_model : int
        Shape (V, D) of the table E.
    rng : numpy.random.Generator
        Draws E from a normal distribution of variance 1 / D, so that out has variance 1, and so have logits made with
        the same table.

    References
    ----------
    .. [1] Vaswani et al., "Attention Is All You Need", 2017, section 3.4.
    """

    def __init__(self, vocab_size, d_model, rng, *, dtype=np.float32):
        self.table = Parameter(rng.normal(0, d_model**-0.5, (vocab_size, d_model)).astype(dtype), decay=False)
        self.scale = d_model**0.5

    def forward(self, ids, *, key=None):
        """Map ids (...), integers in [0, V), to vectors (..., D)."""
        check_ids(ids, len(self.table.data))
        check_same_device("token ids", ids, "the embedding's table", self.table.data)
        return self.table.data[ids] * self.scale, TokenEmbeddingCache(ids)

    def backward(self, dout, cache):
        """dE[i] += sqrt(D) * the sum of dout over every place where id i stood. Return None: ids have no gradient."""
        ids, dout_rows = cache.ids.reshape(-1), dout.reshape(-1, dout.shape[-1])  # (N,), (N, D)
        if fused := self.fused(self.table.grad):
            fused.scatter_add(self.table.grad, ids, dout_rows, self.scale)
            return
        drows = dout_rows * self.scale
        scatter_add(self.table.grad, ids, drows)


def scatter_add(table, ids, rows):
    """table[ids[n]] += rows[n] for every n. Ids (N,) may repeat: ``table[ids] += rows`` would keep the last alone.

    On a GPU it is the product with the one-hot matrix of the ids, (V, N), no larger than the logits: atomic additions
    come in another order from run to run, and a sorted sum would wait to learn how many different ids there are.
    """
    xp = array_module(table)
    if xp is not np:
        one_hot = xp.arange(len(table))[:, None] == ids  # (V, N)
        table += one_hot.astype(rows.dtype) @ rows
    elif len(ids):
        order = np.argsort(ids, kind="stable")  # equal ids side by side: what is added, and in which order, is fixed
        ids = ids[order]
        first = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))  # where each run of one id begins
        table[ids[first]] += np.add.reduceat(rows[order], first, axis=0)


def check_ids(ids, vocab_size):
    """Raise ValueError unless ids is an array of integers in [0, vocab_size)."""
    if not hasattr(ids, "dtype"):
        raise ValueError(f"token ids are expected as an array of integers, got a {type(ids).__name__}")
    if ids.dtype.kind not in "iu":
        raise ValueError(f"token ids are expected as an array of integers, got an array of {ids.dtype}")
    if (
        isinstance(ids, np.ndarray) and ids.size and not (ids.min() >= 0 and ids.max() < vocab_size)
    ):  # on a GPU this would wait
        raise ValueError(f"token ids are expected in 0 .. {vocab_size - 1}, got {ids.min()} .. {ids.max()}")
