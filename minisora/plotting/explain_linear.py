"""The formulas of the affine map, number by number."""

from itertools import product

from minisora.layers.linear import Linear, TiedLinear
from minisora.plotting.formulas import (
    Factor,
    Line,
    Named,
    along,
    at,
    check_layer,
    check_like,
    names_for,
    on_host,
    summed,
)


class LinearFormulas:
    """out = x W + b, dx, dW and db of a `LinearCache`.

    Parameters
    ----------
    cache : LinearCache
    layer : Linear or TiedLinear
        W of the second is the embedding's table, transposed, and dW its own part of the table's gradient.
    dout : array (..., d_out), optional
    renamed : dict of str to str, optional
        What x, W, b and out are called, where this is a part of a layer.
    """

    def __init__(self, cache, layer, dout=None, renamed=None):
        check_layer(layer, Linear, TiedLinear)
        self.names = names_for("x W b out", renamed)
        tied = isinstance(layer, TiedLinear)
        self.x, self.weight = on_host(cache.x), on_host(layer.table.data.T if tied else layer.weight.data)
        self.bias = None if tied or layer.bias is None else on_host(layer.bias.data)
        self.out = self.x @ self.weight + (0 if self.bias is None else self.bias)
        self.dout = on_host(dout)
        check_like("dout", self.dout, self.out)
        self.dx = None if dout is None else self.dout @ self.weight.T

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        x, weight, bias, out = self.names.values()
        named = {
            x: Named("(..., d_in)", self.x),
            weight: Named("(d_in, d_out)", self.weight),
            out: Named("(..., d_out)", self.out, self._out),
        }
        if self.bias is not None:
            named[bias] = Named("(d_out,)", self.bias)
        if self.dout is None:
            return named
        named |= {
            f"d{out}": Named("(..., d_out)", self.dout),
            f"d{x}": Named("(..., d_in)", self.x, self._dx),
            f"d{weight}": Named("(d_in, d_out)", self.weight, self._dw),
        }
        return named if self.bias is None else named | {f"d{bias}": Named("(d_out,)", self.bias, self._db)}

    def _x(self, *index):
        return Factor(self.names["x"], self.x, index)

    def _weight(self, *index):
        return Factor(self.names["W"], self.weight, index)

    def _dout(self, *index):
        return Factor(f"d{self.names['out']}", self.dout, index)

    def _out(self, a, *index):
        *row, j = index
        line = summed(a, "i", along("i", range(len(self.weight))), self._x(*row, "i"), self._weight("i", j))
        return plus_bias(a, line, self.names["b"], self.bias, j)

    def _dx(self, a, *index):
        *row, i = index
        places = along("j", range(self.weight.shape[1]))
        return summed(a, "j", places, self._dout(*row, "j"), self._weight(i, "j"))

    def _dw(self, a, i, j):
        letters, places = rows_of(self.dout)
        return summed(a, ", ".join(letters), places, self._x(*letters, i), self._dout(*letters, j))

    def _db(self, a, j):
        letters, places = rows_of(self.dout)
        return summed(a, ", ".join(letters), places, self._dout(*letters, j))


def rows_of(array):
    """Return letters for all axes but the last, and the places of a sum over them."""
    letters = "bthr"[: array.ndim - 1] if array.ndim < 6 else [f"r{i}" for i in range(array.ndim - 1)]
    every = product(*map(range, array.shape[:-1]))
    return tuple(letters), [dict(zip(letters, row, strict=True)) for row in every]


def plus_bias(a, line, name, bias, column):
    """Return a line with a bias added, where there is one."""
    if bias is None:
        return line
    return Line(f"{line.formula} + {at(name, column)}", a.total([line.numbers, a.number(bias[column])]), line.parts)
