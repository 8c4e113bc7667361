"""The formulas of the feed-forward layer: two affine maps, and an activation and dropout between them."""

from functools import partial

from minisora.layers.feed_forward import FeedForward
from minisora.plotting.explain_activation import ActivationFormulas
from minisora.plotting.explain_dropout import DropoutFormulas
from minisora.plotting.explain_linear import LinearFormulas
from minisora.plotting.formulas import check_layer, joined


class FeedForwardFormulas:
    """hidden, active, kept and out of a `FeedForwardCache`, and all of it backward.

    Parameters
    ----------
    cache : FeedForwardCache
    layer : FeedForward
    dout : array (..., D), optional
    """

    def __init__(self, cache, layer, dout=None):
        check_layer(layer, FeedForward)
        activated = partial(
            ActivationFormulas, cache.activation, layer.activation, renamed={"x": "hidden", "out": "active"}
        )
        self.w_2 = LinearFormulas(cache.w_2, layer.w_2, dout, {"x": "kept", "W": "W_2", "b": "b_2"})
        names = {"x": "active", "out": "kept"}
        self.dropout = DropoutFormulas(cache.dropout, layer.dropout, self.w_2.dx, activated().out, names)
        self.activation = activated(dout=self.dropout.dx)
        names = {"W": "W_1", "b": "b_1", "out": "hidden"}
        self.w_1 = LinearFormulas(cache.w_1, layer.w_1, self.activation.dx, names)

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        return joined(*(part.named() for part in (self.w_1, self.activation, self.dropout, self.w_2)))
