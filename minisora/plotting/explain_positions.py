"""The formulas of positions that are added to vectors, number by number."""

from minisora.layers.positional import LearnedPositions, SinusoidalPositions, sinusoidal_table
from minisora.plotting.explain_linear import rows_of
from minisora.plotting.formulas import (
    Factor,
    Line,
    Named,
    Part,
    at,
    check_layer,
    check_like,
    names_for,
    on_host,
    stated,
    summed,
)

VECTORS, TABLE = "(..., T, D)", "(max_len, D)"


class PositionFormulas:
    """out = x + table[offset + t], dx and dtable, of a `PositionsCache`.

    Parameters
    ----------
    cache : PositionsCache
    layer : SinusoidalPositions or LearnedPositions
        The table of the first is worked out too, and has no gradient.
    dout, x : array (..., T, D), optional
        One of them at least: the cache keeps the offset, and no array.
    renamed : dict of str to str, optional
        What x, table and out are called, where this is a part of a layer.
    """

    def __init__(self, cache, layer, dout=None, x=None, renamed=None):
        check_layer(layer, SinusoidalPositions, LearnedPositions)
        self.names = names_for("x table out", renamed)
        self.x, self.dout, self.offset = on_host(x), on_host(dout), cache.offset
        vectors = self.dout if x is None else self.x
        if vectors is None:
            raise ValueError("x or dout is expected, since the cache of positions keeps no array, got None")
        check_like("dout", self.dout, vectors)
        self.learned = isinstance(layer, LearnedPositions)
        width = layer.table.data.shape[1] if self.learned else layer.d_model
        if vectors.ndim < 2 or vectors.shape[-1] != width:
            raise ValueError(f"vectors are expected as an array {VECTORS} with D = {width}, got {vectors.shape}")
        self.stop = self.offset + vectors.shape[-2]
        self.table = on_host(layer.table.data) if self.learned else sinusoidal_table(self.stop, width)
        if self.stop > len(self.table):
            raise ValueError(f"at most {len(self.table)} positions are expected, got vectors to position {self.stop}")
        self.out = None if x is None else self.x + self.table[self.offset : self.stop]

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        x, table, out = self.names.values()
        named = {table: Named(TABLE, self.table, None if self.learned else self._sinusoid)}
        if self.x is not None:
            named |= {x: Named(VECTORS, self.x), out: Named(VECTORS, self.x, self._out)}
        if self.dout is None:
            return named
        named |= {f"d{out}": Named(VECTORS, self.dout), f"d{x}": Named(VECTORS, self.dout, self._dx)}
        return named | {f"d{table}": Named(TABLE, self.table, self._dtable)} if self.learned else named

    def _sinusoid(self, a, position, d):
        wave, width = ("sin", "cos")[d % 2], self.table.shape[1]
        slowness = a.power(a.integer(10000), a.quotient(a.integer(d - d % 2), a.integer(width)))
        formula = f"{wave}(position / 10000^(2i / D)), position = {position}, i = {d // 2}"
        return Line(formula, a.call(wave, a.quotient(a.integer(position), slowness)))

    def _out(self, a, *index):
        *_, t, d = index
        position, (x, table, _) = self.offset + t, self.names.values()
        return Line(
            f"{at(x, *index)} + {at(table, position, d)}",
            a.total(a.numbers((self.x[index], self.table[position, d]))),
            [Part(x, index), Part(table, (position, d))],
        )

    def _dx(self, a, *index):
        dout = f"d{self.names['out']}"
        formula = f"{at(dout, *index)}, since a position is only added"
        return Line(formula, a.number(self.dout[index]), [Part(dout, index)])

    def _dtable(self, a, position, d):
        if not self.offset <= position < self.stop:
            return stated(f"no vector stands at position {position}", a.number(0))
        letters, places = rows_of(self.dout[..., 0])
        dout = Factor(f"d{self.names['out']}", self.dout, (*letters, position - self.offset, d))
        return summed(a, ", ".join(letters), places, dout)
