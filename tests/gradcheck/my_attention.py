"""Attention as a student may write it, from nothing but the layer protocol: what the tests of own layers load."""

import numpy as np

from minisora.layers.layer import Layer, Parameter


class MyAttention(Layer):
    def __init__(self, d_model, num_heads, rng, *, dropout=0.0, dtype=np.float32):
        self.scale, self.heads = (d_model // num_heads) ** -0.5, num_heads
        for name in ("w_q", "w_k", "w_v", "w_o"):
            setattr(self, name, Parameter((rng.normal(size=(d_model, d_model)) * d_model**-0.5).astype(dtype)))

    def split(self, x):
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)

    def merge(self, x):
        return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        source = x if memory is None else memory
        q, k, v = self.split(x @ self.w_q.data), self.split(source @ self.w_k.data), self.split(source @ self.w_v.data)
        scores = q @ k.swapaxes(-1, -2) * self.scale
        visible = np.ones(scores.shape[-2:], bool)
        if causal:
            visible = np.tri(*scores.shape[-2:], scores.shape[-1] - scores.shape[-2], dtype=bool)
        if key_mask is not None:
            visible = visible & key_mask[:, None, None, :]
        exps = np.exp(scores - scores.max(axis=-1, keepdims=True)) * visible
        total = exps.sum(axis=-1, keepdims=True)
        weights = exps / np.where(total == 0, 1, total)
        heads = self.merge(weights @ v)
        return heads @ self.w_o.data, (x, source, q, k, v, weights, heads, memory is not None)

    def backward(self, dout, cache):
        x, source, q, k, v, weights, heads, is_cross = cache
        self.w_o.grad += np.einsum("btd,bte->de", heads, dout)
        dheads = self.split(dout @ self.w_o.data.T)
        dweights = dheads @ v.swapaxes(-1, -2)
        dv = weights.swapaxes(-1, -2) @ dheads
        dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True)) * self.scale
        dq, dk, dv = self.merge(dscores @ k), self.merge(dscores.swapaxes(-1, -2) @ q), self.merge(dv)
        self.w_q.grad += np.einsum("btd,bte->de", x, dq)
        self.w_k.grad += np.einsum("bsd,bse->de", source, dk)
        self.w_v.grad += np.einsum("bsd,bse->de", source, dv)
        dx, dsource = dq @ self.w_q.data.T, dk @ self.w_k.data.T + dv @ self.w_v.data.T
        return (dx, dsource) if is_cross else dx + dsource
