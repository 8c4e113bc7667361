"""Multi-head attention: the projections here, the hot path through `minisora.kernels`."""

from typing import NamedTuple

import numpy as np

from minisora.kernels import AttentionCache, attention_forward, attention_steps, get_backend
from minisora.kernels.random import check_dropout_probability
from minisora.layers.decoder_state import by_sequence, by_source
from minisora.layers.layer import Layer
from minisora.layers.linear import Linear, LinearCache


class MultiHeadAttentionCache(NamedTuple):
    w_q: LinearCache
    w_k: LinearCache
    w_v: LinearCache
    attention: AttentionCache  # of all heads: q, k, v are (B, H, T or S, d_k)
    w_o: LinearCache
    is_cross: bool

    @property
    def weights(self):
        """The attention weights (B, H, T, S), computed again."""
        return attention_steps(self.attention).weights


class MultiHeadAttention(Layer):
    """out = concat(head_1, ..., head_H) W_o with head_i = attention(x W_q_i, memory W_k_i, memory W_v_i) [1]_.

    The H projections of each kind are the columns of one matrix: head i owns columns i d_k to (i + 1) d_k.

    Parameters
    ----------
    d_model : int
        Width D of the vectors.
    num_heads : int
        H; d_k = d_v = D / H.
    rng : numpy.random.Generator
        Initialises W_q, W_k, W_v, W_o, each (D, D).
    dropout : float
        Probability with which an attention weight is dropped.
    bias : bool
        Whether the four projections have one.
    backend : str
        A name that `minisora.kernels.get_backend` takes; `use_backend` changes it.

    References
    ----------
    .. [1] Vaswani et al., "Attention Is All You Need", 2017, section 3.2.2.
    """

    def __init__(self, d_model, num_heads, rng, *, dropout=0.0, bias=True, backend="numpy", dtype=np.float32):
        if num_heads < 1 or d_model % num_heads:
            raise ValueError(f"d_model is expected to be a multiple of num_heads, got {d_model} and {num_heads}")
        check_dropout_probability(dropout)
        self.num_heads = num_heads
        self.dropout = dropout
        self.backend = get_backend(backend)
        self.w_q = Linear(d_model, d_model, rng, bias=bias, dtype=dtype)
        self.w_k = Linear(d_model, d_model, rng, bias=bias, dtype=dtype)
        self.w_v = Linear(d_model, d_model, rng, bias=bias, dtype=dtype)
        self.w_o = Linear(d_model, d_model, rng, bias=bias, dtype=dtype)

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        """Attend from x to memory, or to x itself.

        Parameters
        ----------
        x : array (B, T, D)
        memory : array (B, S, D), optional
            None: self-attention, S = T.
        key : DropoutKey, optional
        key_mask : bool array (B, S), optional
            True = may be attended.
        causal : bool
            Query t sees the keys s <= t + (S - T).

        Returns
        -------
        out : array (B, T, D)
        cache : MultiHeadAttentionCache
        """
        source = x if memory is None else memory
        q, q_cache = self.w_q.forward(x)  # (B, T, D)
        k, k_cache = self.w_k.forward(source)  # (B, S, D)
        v, v_cache = self.w_v.forward(source)
        dropout = (self.dropout, key) if key is not None and self.dropout else None
        heads, attention = self.backend.forward(
            self.split(q), self.split(k), self.split(v), key_mask=key_mask, causal=causal, dropout=dropout
        )  # (B, H, T, d_k)
        out, o_cache = self.w_o.forward(self.merge(heads))
        return out, MultiHeadAttentionCache(q_cache, k_cache, v_cache, attention, o_cache, memory is not None)

    def backward(self, dout, cache):
        """dheads = dout W_o^T, then (dq, dk, dv) of attention; dx sums what came through the projections of x.

        Returns dx for self-attention and (dx, dmemory) for cross-attention.
        """
        dheads = self.w_o.backward(dout, cache.w_o)
        dq, dk, dv = self.backend.backward(self.split(dheads), cache.attention)
        dx = self.w_q.backward(self.merge(dq), cache.w_q)
        dsource = self.w_k.backward(self.merge(dk), cache.w_k)
        dsource += self.w_v.backward(self.merge(dv), cache.w_v)
        return (dx, dsource) if cache.is_cross else dx + dsource

    def choose_backend(self, name):
        """Attend with another backend from now on."""
        super().choose_backend(name)
        self.backend = get_backend(name)

    def remember(self, memory):
        """Return the keys and values (B, H, S, d_k) of memory (B, S, D), or (B, D) for S = 1, for later queries."""
        return self.split(self.w_k(memory)), self.split(self.w_v(memory))

    def attend(self, x, remembered, key_mask=None):
        """Attend from vectors x (B K, D), K for each row of what `remember` returned, to all of that row.

        Inference only. A few queries leave nothing to cut into tiles: this is the specification, whatever the backend.
        """
        heads, _ = attention_forward(self._queries(x, remembered), *remembered, key_mask=key_mask)  # (B, H, K, d_k)
        return self.w_o(self.merge(heads).reshape(x.shape))

    def weigh(self, x, remembered, key_mask=None):
        """Return the weights (B K, H, S) with which `attend` sums the values."""
        _, attention = attention_forward(self._queries(x, remembered), *remembered, key_mask=key_mask)
        return by_sequence(attention_steps(attention).weights)

    def _queries(self, x, remembered):
        """The queries (B, H, K, d_k) of x (B K, D)."""
        return self.split(by_source(self.w_q(x), remembered))

    def split(self, x):
        """(B, T, D), or (B, D) for T = 1, to (B, H, T, d_k): head i gets columns i d_k to (i + 1) d_k."""
        length = 1 if x.ndim == 2 else x.shape[1]
        return x.reshape(len(x), length, self.num_heads, x.shape[-1] // self.num_heads).swapaxes(1, 2)

    def merge(self, heads):
        """(B, H, T, d_k) to (B, T, D), the inverse of `split`."""
        batch, num_heads, length, d_k = heads.shape
        return heads.swapaxes(1, 2).reshape(batch, length, num_heads * d_k)
