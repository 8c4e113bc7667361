"""The formulas of the token embedding, number by number."""

from minisora.layers.embedding import TokenEmbedding
from minisora.plotting.explain_linear import rows_of
from minisora.plotting.formulas import (
    Factor,
    Line,
    Named,
    at,
    check_layer,
    check_like,
    names_for,
    on_host,
    stated,
    summed,
)


class TokenEmbeddingFormulas:
    """out = scale · table[id], and dtable, of a `TokenEmbeddingCache`.

    Parameters
    ----------
    cache : TokenEmbeddingCache
    layer : TokenEmbedding
        Where the projection to logits is tied to its table, dtable is the embedding's own part of the gradient.
    dout : array (..., D), optional
    renamed : dict of str to str, optional
        What out is called, where this is a part of a layer.
    """

    def __init__(self, cache, layer, dout=None, renamed=None):
        check_layer(layer, TokenEmbedding)
        self.names = names_for("out", renamed)
        self.ids, self.table, self.scale = on_host(cache.ids), on_host(layer.table.data), layer.scale
        self.out, self.dout = self.table[self.ids] * self.scale, on_host(dout)
        check_like("dout", self.dout, self.out)

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        out = self.names["out"]
        named = {
            "ids": Named("(...)", self.ids),
            "table": Named("(V, D)", self.table),
            out: Named("(..., D)", self.out, self._out),
        }
        if self.dout is None:
            return named
        return named | {
            f"d{out}": Named("(..., D)", self.dout),
            "dtable": Named("(V, D)", self.table, self._dtable),
        }

    def _out(self, a, *index):
        *row, d = index
        token = int(self.ids[tuple(row)])
        return Line(
            f"scale · {at('table', token, d)}, {token} = {at('ids', *row)}",
            a.product(a.number(self.scale), a.number(self.table[token, d])),
        )

    def _dtable(self, a, token, d):
        letters, rows = rows_of(self.dout)
        places = [row for row in rows if self.ids[tuple(row.values())] == token]
        if not places:
            return stated(f"{token} is none of the ids", a.number(0))
        dout = Factor(f"d{self.names['out']}", self.dout, (*letters, d))
        line = summed(a, ", ".join(letters), places, dout, scale=self.scale)
        return line._replace(formula=f"{line.formula}, over the places of id {token}")
