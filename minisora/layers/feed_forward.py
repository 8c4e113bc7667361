"""The position-wise feed-forward layer."""

from typing import NamedTuple

import numpy as np

from minisora.kernels import child
from minisora.layers.activation import GELU, ActivationCache, ReLU
from minisora.layers.dropout import Dropout, DropoutCache
from minisora.layers.layer import Layer, is_layer
from minisora.layers.linear import Linear, LinearCache


def named_activation(name):
    """Return the layer of an activation's name: ``"relu"``, ``"gelu"`` (exact) or ``"gelu_tanh"``."""
    if name not in ("relu", "gelu", "gelu_tanh"):
        raise ValueError(f"unknown activation {name!r}, expected one of: relu, gelu, gelu_tanh")
    if name == "relu":
        return ReLU()
    return GELU("tanh" if name == "gelu_tanh" else "none")


def activation_name(layer):
    """Return the name of one of our own activations, and None of another layer, were it derived from them."""
    if type(layer) is GELU:
        return "gelu_tanh" if layer.approximate == "tanh" else "gelu"
    return "relu" if type(layer) is ReLU else None


class FeedForwardCache(NamedTuple):
    w_1: LinearCache
    activation: ActivationCache
    dropout: DropoutCache
    w_2: LinearCache


class FeedForward(Layer):
    """out = dropout(activation(x W_1 + b_1)) W_2 + b_2, at each position alone [1]_.

    Parameters
    ----------
    d_model, d_ff : int
        Width D outside and inside.
    rng : numpy.random.Generator
        Initialises W_1 (D, d_ff) and W_2 (d_ff, D).
    activation : {"relu", "gelu", "gelu_tanh"} or Layer
    dropout : float

    References
    ----------
    .. [1] Vaswani et al., "Attention Is All You Need", 2017, eq. (2).
    """

    def __init__(self, d_model, d_ff, rng, *, activation="relu", dropout=0.0, dtype=np.float32):
        self.w_1 = Linear(d_model, d_ff, rng, dtype=dtype)
        self.activation = activation if is_layer(activation) else named_activation(activation)
        self.dropout = Dropout(dropout)
        self.w_2 = Linear(d_ff, d_model, rng, dtype=dtype)

    def forward(self, x, *, key=None):
        """Map x (..., D) to the same shape."""
        hidden, w_1 = self.w_1.forward(x)  # (..., d_ff)
        kept, activation, dropout = self._activate(hidden, child(key, "dropout"))
        out, w_2 = self.w_2.forward(kept)  # (..., D)
        return out, FeedForwardCache(w_1, activation, dropout, w_2)

    def backward(self, dout, cache):
        """The four steps of forward, last to first."""
        dkept = self.w_2.backward(dout, cache.w_2)
        dhidden = self._activate_backward(dkept, cache.activation, cache.dropout)
        return self.w_1.backward(dhidden, cache.w_1)

    def _activate(self, hidden, key):
        """dropout(activation(hidden)), and the caches of both."""
        kind = activation_name(self.activation)
        if kind and (fused := self.fused(hidden)):
            kept = fused.activation_dropout(hidden, kind, self.dropout.p, key)
            return kept, ActivationCache(hidden), DropoutCache(key)
        active, activation = self.activation.forward(hidden)
        kept, dropout = self.dropout.forward(active, key=key)
        return kept, activation, dropout

    def _activate_backward(self, dkept, activation, dropout):
        """Return dhidden: through dropout, then through the activation."""
        kind = activation_name(self.activation)
        if kind and (fused := self.fused(dkept)):
            return fused.activation_dropout_backward(dkept, activation.x, kind, self.dropout.p, dropout.key)
        return self.activation.backward(self.dropout.backward(dkept, dropout), activation)
