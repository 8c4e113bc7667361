"""The formulas of what encoder and decoder begin with: embedding, positions, dropout."""

from functools import partial

from minisora.model import Embedded
from minisora.plotting.explain_dropout import DropoutFormulas
from minisora.plotting.explain_embedding import TokenEmbeddingFormulas
from minisora.plotting.explain_positions import PositionFormulas
from minisora.plotting.formulas import check_layer, joined


class EmbeddedFormulas:
    """vectors, placed and out of an `EmbeddedCache`, and all of it backward; the positions' table is ``positions``.

    Parameters
    ----------
    cache : EmbeddedCache
    layer : Embedded
    dout : array (B, T, D), optional
    """

    def __init__(self, cache, layer, dout=None):
        check_layer(layer, Embedded)
        embedded = partial(TokenEmbeddingFormulas, cache.embedding, layer.embedding, renamed={"out": "vectors"})
        placed = partial(
            PositionFormulas,
            cache.positions,
            layer.positions,
            x=embedded().out,
            renamed={"x": "vectors", "table": "positions", "out": "placed"},
        )
        self.dropout = DropoutFormulas(cache.dropout, layer.dropout, dout, placed().out, {"x": "placed"})
        dplaced = self.dropout.dx
        self.embedding, self.positions = embedded(dout=dplaced), placed(dout=dplaced)

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        return joined(*(part.named() for part in (self.embedding, self.positions, self.dropout)))
