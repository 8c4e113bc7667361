"""Which class stands for which part of an encoder or decoder layer, so that any can be replaced by one's own."""

import numpy as np

from minisora.layers.attention import MultiHeadAttention
from minisora.layers.feed_forward import FeedForward, named_activation
from minisora.layers.normalization import LayerNorm


class LayerFactory:
    """Builds the sub-layers of one encoder or decoder layer.

    Parameters
    ----------
    config : SoraConfig
    rng : numpy.random.Generator
    layers : dict, optional
        A class, or any function with the same arguments and the same layer protocol, in the place of the standard one:
        ``"attention"`` (MultiHeadAttention), ``"feed_forward"`` (FeedForward), ``"norm"`` (LayerNorm), ``"activation"``
        (ReLU or GELU, called without arguments).

    Raises
    ------
    ValueError
        For another name.
    """

    NAMES = ("attention", "feed_forward", "norm", "activation")

    def __init__(self, config, rng, layers=None, dtype=np.float32):
        self.config, self.rng, self.dtype = config, rng, dtype
        self.layers = dict(layers or {})
        unknown = sorted(set(self.layers) - set(self.NAMES))
        if unknown:
            raise ValueError(f"replaceable layers are {', '.join(self.NAMES)}, got {', '.join(unknown)}")

    def attention(self):
        config = self.config
        make = self.layers.get("attention", MultiHeadAttention)
        dropout = config.dropout if config.attention_dropout is None else config.attention_dropout
        return make(config.d_model, config.num_heads, self.rng, dropout=dropout, dtype=self.dtype)

    def feed_forward(self):
        config = self.config
        make = self.layers.get("feed_forward", FeedForward)
        activation = self.layers["activation"]() if "activation" in self.layers else named_activation(config.activation)
        dropout = config.dropout if config.feed_forward_dropout is None else config.feed_forward_dropout
        return make(config.d_model, config.d_ff, self.rng, activation=activation, dropout=dropout, dtype=self.dtype)

    def norm(self):
        return self.layers.get("norm", LayerNorm)(self.config.d_model, eps=self.config.norm_eps, dtype=self.dtype)
