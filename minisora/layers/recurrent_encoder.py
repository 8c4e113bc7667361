"""The recurrent encoder: a stack of recurrent layers, and self-attention over what they have read."""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels import child
from minisora.layers.dropout import Dropout, DropoutCache
from minisora.layers.factory import LayerFactory
from minisora.layers.layer import Layer
from minisora.layers.normalization import LayerNormCache
from minisora.layers.recurrent import RecurrentStack, RecurrentStackCache


class AttentionOnTopCache(NamedTuple):
    norm_1: LayerNormCache | None
    self_attention: Any  # MultiHeadAttentionCache, or that of the layer in its place
    dropout_1: DropoutCache


class AttentionOnTop(Layer):
    """Self-attention, added to its input: out = x + dropout(self_attention(norm_1(x))), without the norm in post-norm.

    Parameters
    ----------
    config : SoraConfig
    rng : numpy.random.Generator
    layers : dict, optional
        What to build in the place of the standard layers, see `LayerFactory`.

    References
    ----------
    Lin et al., "A Structured Self-Attentive Sentence Embedding", 2017, section 2: attention over a bidirectional LSTM.
    """

    def __init__(self, config, rng, *, layers=None, dtype=np.float32):
        build = LayerFactory(config, rng, layers, dtype)
        self.norm_1 = build.norm() if config.norm == "pre" else None
        self.self_attention = build.attention()
        self.dropout_1 = Dropout(config.dropout)

    def forward(self, x, *, key=None, key_mask=None):
        """Map x (B, S, D) to the same shape; key_mask (B, S), True = may be attended."""
        normed, norm_1 = (x, None) if self.norm_1 is None else self.norm_1.forward(x)
        attended, attention = self.self_attention.forward(normed, key=child(key, "self_attention"), key_mask=key_mask)
        out, dropout_1 = self.dropout_1.add(x, attended, key=child(key, "dropout_1"))
        return out, AttentionOnTopCache(norm_1, attention, dropout_1)

    def backward(self, dout, cache):
        """Return dx: past the attention, and through it."""
        dattended = self.dropout_1.backward(dout, cache.dropout_1)
        dnormed = self.self_attention.backward(dattended, cache.self_attention)
        return dout + (dnormed if self.norm_1 is None else self.norm_1.backward(dnormed, cache.norm_1))


class RecurrentEncoderCache(NamedTuple):
    recurrent: RecurrentStackCache
    top: AttentionOnTopCache
    norm: LayerNormCache

    @property
    def layers(self):
        """What attends, under the name that it has in the cache of `minisora.layers.encoder.Encoder`."""
        return [self.top]


class RecurrentEncoder(Layer):
    """memory = norm(attention_on_top(recurrent(x))): in the place of the Transformer's `Encoder`.

    Recurrence brings the order of the tokens, one after the other; attention the ways between distant ones.

    Parameters
    ----------
    config : SoraConfig
        ``cell``, ``bidirectional`` and ``num_encoder_layers`` decide the recurrent layers; d_ff is the decoder's alone.
    rng : numpy.random.Generator
    layers : dict, optional
        See `LayerFactory`.
    """

    def __init__(self, config, rng, *, layers=None, dtype=np.float32):
        self.recurrent = RecurrentStack(
            config.d_model,
            config.num_encoder_layers,
            rng,
            cell=config.cell,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
            dtype=dtype,
        )
        self.top = AttentionOnTop(config, rng, layers=layers, dtype=dtype)
        self.norm = LayerFactory(config, rng, layers, dtype).norm()

    def forward(self, x, *, key=None, key_mask=None):
        """Map x (B, S, D) to memory (B, S, D); key_mask (B, S), True = is read, and may be attended."""
        x, recurrent = self.recurrent.forward(x, key=child(key, "recurrent"), key_mask=key_mask)
        x, top = self.top.forward(x, key=child(key, "top"), key_mask=key_mask)
        memory, norm = self.norm.forward(x)
        return memory, RecurrentEncoderCache(recurrent, top, norm)

    def backward(self, dout, cache):
        """Return dx."""
        dx = self.norm.backward(dout, cache.norm)
        return self.recurrent.backward(self.top.backward(dx, cache.top), cache.recurrent)
