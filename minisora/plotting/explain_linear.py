"""The formulas of the affine map, number by number."""

from itertools import product

from minisora.layers.linear import Linear, TiedLinear
from minisora.plotting.formulas import Factor, Line, Named, along, at, on_host, summed


class LinearFormulas:
    """out = x W + b, dx, dW and db of a `LinearCache`.

    Parameters
    ----------
    cache : LinearCache
    layer : Linear or TiedLinear
        W of the second is the embedding's table, transposed, and dW its own part of the table's gradient.
    dout : array (..., d_out), optional
    """

    def __init__(self, cache, layer, dout=None):
        if not isinstance(layer, Linear | TiedLinear):
            raise ValueError(f"layer is expected as the Linear that made the cache, got {type(layer).__name__}")
        tied = isinstance(layer, TiedLinear)
        self.x, self.weight = on_host(cache.x), on_host(layer.table.data.T if tied else layer.weight.data)
        self.bias = None if tied or layer.bias is None else on_host(layer.bias.data)
        self.out = self.x @ self.weight + (0 if self.bias is None else self.bias)
        self.dout = on_host(dout)
        check_like("dout", self.dout, self.out)

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        named = {
            "x": Named("(..., d_in)", self.x),
            "W": Named("(d_in, d_out)", self.weight),
            "out": Named("(..., d_out)", self.out, self._out),
        }
        if self.bias is not None:
            named["b"] = Named("(d_out,)", self.bias)
        if self.dout is None:
            return named
        named |= {
            "dout": Named("(..., d_out)", self.dout),
            "dx": Named("(..., d_in)", self.x, self._dx),
            "dW": Named("(d_in, d_out)", self.weight, self._dw),
        }
        return named if self.bias is None else named | {"db": Named("(d_out,)", self.bias, self._db)}

    def _out(self, a, *index):
        *row, j = index
        x, weight = Factor("x", self.x, (*row, "i")), Factor("W", self.weight, ("i", j))
        return plus_bias(a, summed(a, "i", along("i", range(len(self.weight))), x, weight), "b", self.bias, j)

    def _dx(self, a, *index):
        *row, i = index
        dout, weight = Factor("dout", self.dout, (*row, "j")), Factor("W", self.weight, (i, "j"))
        return summed(a, "j", along("j", range(self.weight.shape[1])), dout, weight)

    def _dw(self, a, i, j):
        letters, places = rows_of(self.dout)
        return summed(
            a, ", ".join(letters), places, Factor("x", self.x, (*letters, i)), Factor("dout", self.dout, (*letters, j))
        )

    def _db(self, a, j):
        letters, places = rows_of(self.dout)
        return summed(a, ", ".join(letters), places, Factor("dout", self.dout, (*letters, j)))


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


def check_like(name, array, other):
    """Raise ValueError unless an array is None or of the shape of another."""
    if array is not None and array.shape != other.shape:
        raise ValueError(f"{name} is expected as an array {other.shape}, got {array.shape}")
