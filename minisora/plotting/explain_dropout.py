"""The formulas of dropout, number by number."""

import numpy as np

from minisora.kernels import keep_mask
from minisora.layers.dropout import Dropout
from minisora.plotting.formulas import Line, Named, Part, at, check_layer, check_like, names_for, on_host

VALUES = "(...)"


class DropoutFormulas:
    """out = x · keep_mask / (1 - p), and dx, of a `DropoutCache`.

    Parameters
    ----------
    cache : DropoutCache
    layer : Dropout
    dout, x : array (...), optional
        One of them at least: the cache keeps the key of the mask, and no array.
    renamed : dict of str to str, optional
        What x and out are called, where this is a part of a layer.
    """

    def __init__(self, cache, layer, dout=None, x=None, renamed=None):
        check_layer(layer, Dropout)
        self.names = names_for("x out", renamed)
        self.x, self.dout, self.p = on_host(x), on_host(dout), layer.p
        values = self.dout if x is None else self.x
        if values is None:
            raise ValueError("x or dout is expected, since the cache of a Dropout keeps no array, got None")
        check_like("dout", self.dout, values)
        self.kept = None  # nothing is dropped
        if cache.key is not None and self.p:
            self.kept = keep_mask(self.p, cache.key, values.shape, np)
        self.dx = self._dropped(self.dout)

    def _dropped(self, array):
        return array if array is None or self.kept is None else array * self.kept / (1 - self.p)

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        x, out = self.names.values()
        named = {} if self.kept is None else {"keep_mask": Named(VALUES, self.kept)}
        if self.x is not None:
            named |= {x: Named(VALUES, self.x), out: Named(VALUES, self.x, self._rule(x, self.x))}
        if self.dout is not None:
            rule = self._rule(f"d{out}", self.dout)
            named |= {f"d{out}": Named(VALUES, self.dout), f"d{x}": Named(VALUES, self.dout, rule)}
        return named

    def _rule(self, name, array):
        """The rule of an array's way through dropout, which is the same forward and backward."""

        def rule(a, *index):
            if self.kept is None:
                formula = f"{at(name, *index)}, since nothing is dropped"
                return Line(formula, a.number(array[index]), [Part(name, index)])
            return through_dropout(a, name, array, index, self.kept, self.p)

        return rule


def through_dropout(a, name, array, index, kept, p):
    """Return the `Line` of a number times keep_mask / (1 - p); the mask is 1 or 0."""
    numbers = a.product(a.number(array[index]), a.number(kept[index]))
    return Line(
        f"{at(name, *index)} · {at('keep_mask', *index)} / (1 - p)",
        a.quotient(numbers, a.minus(a.number(1), a.number(p))),
        [Part(name, index)],
    )
