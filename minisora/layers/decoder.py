"""The decoder: causal self-attention, cross-attention to the memory, feed-forward, repeated."""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels import child
from minisora.layers.decoder_state import attend, remember, weigh
from minisora.layers.dropout import Dropout, DropoutCache
from minisora.layers.factory import LayerFactory
from minisora.layers.layer import Layer
from minisora.layers.normalization import LayerNormCache


class DecoderLayerCache(NamedTuple):
    norm_1: LayerNormCache
    self_attention: Any  # MultiHeadAttentionCache, or that of the layer in its place
    dropout_1: DropoutCache
    norm_2: LayerNormCache
    cross_attention: Any
    dropout_2: DropoutCache
    norm_3: LayerNormCache
    feed_forward: Any
    dropout_3: DropoutCache


class DecoderLayer(Layer):
    """Causal self-attention, cross-attention, feed-forward; each is added to its input.

    pre-norm::

        x1 = x + dropout(self_attention(norm_1(x)))
        x2 = x1 + dropout(cross_attention(norm_2(x1), memory))
        out = x2 + dropout(feed_forward(norm_3(x2)))

    post-norm::

        x1 = norm_1(x + dropout(self_attention(x)))
        x2 = norm_2(x1 + dropout(cross_attention(x1, memory)))
        out = norm_3(x2 + dropout(feed_forward(x2)))

    Parameters
    ----------
    config : SoraConfig
    rng : numpy.random.Generator
    layers : dict, optional
        What to build in the place of the standard layers, see `LayerFactory`.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3.1; Xiong et al., 2020, table 1 for pre-norm.
    """

    def __init__(self, config, rng, *, layers=None, dtype=np.float32):
        build = LayerFactory(config, rng, layers, dtype)
        self.pre_norm = config.norm == "pre"
        self.self_attention = build.attention()
        self.cross_attention = build.attention()
        self.feed_forward = build.feed_forward()
        self.norm_1, self.norm_2, self.norm_3 = build.norm(), build.norm(), build.norm()
        self.dropout_1, self.dropout_2, self.dropout_3 = (Dropout(config.dropout) for _ in range(3))

    def forward(self, x, memory, *, key=None, key_mask=None, memory_mask=None):
        """Map x (B, T, D), given memory (B, S, D), to (B, T, D); masks (B, T) and (B, S), True = may be attended."""
        if memory is None:
            raise ValueError("a decoder layer expects memory, an array (B, S, D), got None")
        forward = self._forward_pre if self.pre_norm else self._forward_post
        return forward(x, memory, key, key_mask, memory_mask)

    def backward(self, dout, cache):
        """Return (dx, dmemory)."""
        return self._backward_pre(dout, cache) if self.pre_norm else self._backward_post(dout, cache)

    def _forward_pre(self, x, memory, key, key_mask, memory_mask):
        normed, norm_1 = self.norm_1.forward(x)
        attended, self_attention = self.self_attention.forward(
            normed, key=child(key, "self_attention"), key_mask=key_mask, causal=True
        )
        x1, dropout_1 = self.dropout_1.add(x, attended, key=child(key, "dropout_1"))
        normed, norm_2 = self.norm_2.forward(x1)
        attended, cross = self.cross_attention.forward(
            normed, memory, key=child(key, "cross_attention"), key_mask=memory_mask
        )
        x2, dropout_2 = self.dropout_2.add(x1, attended, key=child(key, "dropout_2"))
        normed, norm_3 = self.norm_3.forward(x2)
        fed, feed_forward = self.feed_forward.forward(normed, key=child(key, "feed_forward"))
        out, dropout_3 = self.dropout_3.add(x2, fed, key=child(key, "dropout_3"))
        return out, DecoderLayerCache(
            norm_1, self_attention, dropout_1, norm_2, cross, dropout_2, norm_3, feed_forward, dropout_3
        )

    def _backward_pre(self, dout, cache):
        dfed = self.dropout_3.backward(dout, cache.dropout_3)
        dnormed = self.feed_forward.backward(dfed, cache.feed_forward)
        dx2 = dout + self.norm_3.backward(dnormed, cache.norm_3)
        dattended = self.dropout_2.backward(dx2, cache.dropout_2)
        dnormed, dmemory = self.cross_attention.backward(dattended, cache.cross_attention)
        dx1 = dx2 + self.norm_2.backward(dnormed, cache.norm_2)
        dattended = self.dropout_1.backward(dx1, cache.dropout_1)
        dnormed = self.self_attention.backward(dattended, cache.self_attention)
        return dx1 + self.norm_1.backward(dnormed, cache.norm_1), dmemory

    def _forward_post(self, x, memory, key, key_mask, memory_mask):
        attended, self_attention = self.self_attention.forward(
            x, key=child(key, "self_attention"), key_mask=key_mask, causal=True
        )
        summed, dropout_1 = self.dropout_1.add(x, attended, key=child(key, "dropout_1"))
        x1, norm_1 = self.norm_1.forward(summed)
        attended, cross = self.cross_attention.forward(
            x1, memory, key=child(key, "cross_attention"), key_mask=memory_mask
        )
        summed, dropout_2 = self.dropout_2.add(x1, attended, key=child(key, "dropout_2"))
        x2, norm_2 = self.norm_2.forward(summed)
        fed, feed_forward = self.feed_forward.forward(x2, key=child(key, "feed_forward"))
        summed, dropout_3 = self.dropout_3.add(x2, fed, key=child(key, "dropout_3"))
        out, norm_3 = self.norm_3.forward(summed)
        return out, DecoderLayerCache(
            norm_1, self_attention, dropout_1, norm_2, cross, dropout_2, norm_3, feed_forward, dropout_3
        )

    def _backward_post(self, dout, cache):
        dsum = self.norm_3.backward(dout, cache.norm_3)
        dfed = self.dropout_3.backward(dsum, cache.dropout_3)
        dx2 = dsum + self.feed_forward.backward(dfed, cache.feed_forward)
        dsum = self.norm_2.backward(dx2, cache.norm_2)
        dattended = self.dropout_2.backward(dsum, cache.dropout_2)
        dx1, dmemory = self.cross_attention.backward(dattended, cache.cross_attention)
        dsum = self.norm_1.backward(dsum + dx1, cache.norm_1)
        dattended = self.dropout_1.backward(dsum, cache.dropout_1)
        return dsum + self.self_attention.backward(dattended, cache.self_attention), dmemory

    def step(self, x, state, memory_mask):
        """Map the newest vectors x (B K, D), one a sequence; ``state``, a `LayerState`, is extended in place."""
        normed = self.norm_1(x) if self.pre_norm else x
        state.extend(remember(self.self_attention, normed))
        x1 = x + attend(self.self_attention, normed, state.past())
        x1 = x1 if self.pre_norm else self.norm_1(x1)
        asked = self.norm_2(x1) if self.pre_norm else x1
        x2 = x1 + attend(self.cross_attention, asked, state.memory, memory_mask)
        if state.watched:
            in_cross = weigh(self.cross_attention, asked, state.memory, memory_mask)
            state.weights = weigh(self.self_attention, normed, state.past()), in_cross
        x2 = x2 if self.pre_norm else self.norm_2(x2)
        out = x2 + self.feed_forward(self.norm_3(x2) if self.pre_norm else x2)
        return out if self.pre_norm else self.norm_3(out)


class DecoderCache(NamedTuple):
    layers: list[DecoderLayerCache]
    norm: LayerNormCache | None


class Decoder(Layer):
    """A stack of decoder layers on vectors; in pre-norm, one more norm after the last.

    Parameters
    ----------
    config : SoraConfig
    rng : numpy.random.Generator
    layers : dict, optional
        See `LayerFactory`.
    """

    def __init__(self, config, rng, *, layers=None, dtype=np.float32):
        self.layers = [DecoderLayer(config, rng, layers=layers, dtype=dtype) for _ in range(config.num_decoder_layers)]
        self.norm = LayerFactory(config, rng, layers, dtype).norm() if config.norm == "pre" else None

    def forward(self, x, memory, *, key=None, key_mask=None, memory_mask=None):
        """Map x (B, T, D), given memory (B, S, D), to (B, T, D)."""
        caches = []
        for i, layer in enumerate(self.layers):
            x, cache = layer.forward(x, memory, key=child(key, i), key_mask=key_mask, memory_mask=memory_mask)
            caches.append(cache)
        x, norm = (x, None) if self.norm is None else self.norm.forward(x)
        return x, DecoderCache(caches, norm)

    def backward(self, dout, cache):
        """Return (dx, dmemory): every layer read the same memory, so its gradient is the sum over the layers."""
        dx = dout if self.norm is None else self.norm.backward(dout, cache.norm)
        dmemory = 0
        for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
            dx, dmemory_of_layer = layer.backward(dx, layer_cache)
            dmemory = dmemory + dmemory_of_layer
        return dx, dmemory

    def step(self, x, states, memory_mask=None):
        """Map the newest vectors x (B K, D), one a sequence; ``states``, one for each layer, are extended in place."""
        for layer, state in zip(self.layers, states, strict=True):
            x = layer.step(x, state, memory_mask)
        return x if self.norm is None else self.norm(x)
