"""The encoder: self-attention and feed-forward, each inside a residual connection, repeated."""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels import child
from minisora.layers.dropout import Dropout, DropoutCache
from minisora.layers.factory import LayerFactory
from minisora.layers.layer import Layer
from minisora.layers.normalization import LayerNormCache


class EncoderLayerCache(NamedTuple):
    norm_1: LayerNormCache
    self_attention: Any  # MultiHeadAttentionCache, or that of the layer in its place
    dropout_1: DropoutCache
    norm_2: LayerNormCache
    feed_forward: Any
    dropout_2: DropoutCache


class EncoderLayer(Layer):
    """Self-attention, then feed-forward; each is added to its input.

    pre-norm [2]_::

        h = x + dropout(self_attention(norm_1(x)))
        out = h + dropout(feed_forward(norm_2(h)))

    post-norm [1]_::

        h = norm_1(x + dropout(self_attention(x)))
        out = norm_2(h + dropout(feed_forward(h)))

    Parameters
    ----------
    config : SoraConfig
    rng : numpy.random.Generator
    layers : dict, optional
        What to build in the place of the standard layers, see `LayerFactory`.

    References
    ----------
    .. [1] Vaswani et al., "Attention Is All You Need", 2017, section 3.1.
    .. [2] Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020, table 1.
    """

    def __init__(self, config, rng, *, layers=None, dtype=np.float32):
        build = LayerFactory(config, rng, layers, dtype)
        self.pre_norm = config.norm == "pre"
        self.self_attention = build.attention()
        self.feed_forward = build.feed_forward()
        self.norm_1 = build.norm()
        self.norm_2 = build.norm()
        self.dropout_1 = Dropout(config.dropout)
        self.dropout_2 = Dropout(config.dropout)

    def forward(self, x, *, key=None, key_mask=None):
        """Map x (B, S, D) to the same shape; key_mask (B, S), True = may be attended."""
        forward = self._forward_pre if self.pre_norm else self._forward_post
        return forward(x, key, key_mask)

    def backward(self, dout, cache):
        """Return dx. At each residual sum the gradient goes both ways: past the sub-layer and through it."""
        return self._backward_pre(dout, cache) if self.pre_norm else self._backward_post(dout, cache)

    def _forward_pre(self, x, key, key_mask):
        normed, norm_1 = self.norm_1.forward(x)
        attended, attention = self.self_attention.forward(normed, key=child(key, "self_attention"), key_mask=key_mask)
        h, dropout_1 = self.dropout_1.add(x, attended, key=child(key, "dropout_1"))
        normed, norm_2 = self.norm_2.forward(h)
        fed, feed_forward = self.feed_forward.forward(normed, key=child(key, "feed_forward"))
        out, dropout_2 = self.dropout_2.add(h, fed, key=child(key, "dropout_2"))
        return out, EncoderLayerCache(norm_1, attention, dropout_1, norm_2, feed_forward, dropout_2)

    def _backward_pre(self, dout, cache):
        dfed = self.dropout_2.backward(dout, cache.dropout_2)
        dnormed = self.feed_forward.backward(dfed, cache.feed_forward)
        dh = dout + self.norm_2.backward(dnormed, cache.norm_2)
        dattended = self.dropout_1.backward(dh, cache.dropout_1)
        dnormed = self.self_attention.backward(dattended, cache.self_attention)
        return dh + self.norm_1.backward(dnormed, cache.norm_1)

    def _forward_post(self, x, key, key_mask):
        attended, attention = self.self_attention.forward(x, key=child(key, "self_attention"), key_mask=key_mask)
        summed, dropout_1 = self.dropout_1.add(x, attended, key=child(key, "dropout_1"))
        h, norm_1 = self.norm_1.forward(summed)
        fed, feed_forward = self.feed_forward.forward(h, key=child(key, "feed_forward"))
        summed, dropout_2 = self.dropout_2.add(h, fed, key=child(key, "dropout_2"))
        out, norm_2 = self.norm_2.forward(summed)
        return out, EncoderLayerCache(norm_1, attention, dropout_1, norm_2, feed_forward, dropout_2)

    def _backward_post(self, dout, cache):
        dsum = self.norm_2.backward(dout, cache.norm_2)
        dfed = self.dropout_2.backward(dsum, cache.dropout_2)
        dh = dsum + self.feed_forward.backward(dfed, cache.feed_forward)
        dsum = self.norm_1.backward(dh, cache.norm_1)
        dattended = self.dropout_1.backward(dsum, cache.dropout_1)
        return dsum + self.self_attention.backward(dattended, cache.self_attention)


class EncoderCache(NamedTuple):
    layers: list[EncoderLayerCache]
    norm: LayerNormCache | None


class Encoder(Layer):
    """A stack of encoder layers on vectors; in pre-norm, one more norm after the last, whose sum is not normed yet.

    Parameters
    ----------
    config : SoraConfig
    rng : numpy.random.Generator
    layers : dict, optional
        See `LayerFactory`.
    """

    def __init__(self, config, rng, *, layers=None, dtype=np.float32):
        self.layers = [EncoderLayer(config, rng, layers=layers, dtype=dtype) for _ in range(config.num_encoder_layers)]
        self.norm = LayerFactory(config, rng, layers, dtype).norm() if config.norm == "pre" else None

    def forward(self, x, *, key=None, key_mask=None):
        """Map x (B, S, D) to memory (B, S, D)."""
        caches = []
        for i, layer in enumerate(self.layers):
            x, cache = layer.forward(x, key=child(key, i), key_mask=key_mask)
            caches.append(cache)
        x, norm = (x, None) if self.norm is None else self.norm.forward(x)
        return x, EncoderCache(caches, norm)

    def backward(self, dout, cache):
        """Return dx: the layers, last to first."""
        dx = dout if self.norm is None else self.norm.backward(dout, cache.norm)
        for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
            dx = layer.backward(dx, layer_cache)
        return dx
