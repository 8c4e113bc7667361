"""The formulas of layer normalization, number by number."""

import numpy as np

from minisora.layers.normalization import LayerNorm
from minisora.plotting.explain_linear import rows_of
from minisora.plotting.formulas import Factor, Line, Named, Part, at, check_layer, check_like, on_host, summed

ROWS, ONE = "(..., D)", "(..., 1)"


class LayerNormFormulas:
    """out = gamma · normalized + beta, dx, dgamma and dbeta; with x also mean, rstd and normalized.

    Parameters
    ----------
    cache : LayerNormCache
    layer : LayerNorm
    dout, x : array (..., D), optional
        The cache does not keep x.
    """

    def __init__(self, cache, layer, dout=None, x=None):
        check_layer(layer, LayerNorm)
        self.normalized, self.rstd = map(on_host, cache)
        self.gamma, self.beta, self.eps = on_host(layer.gamma.data), on_host(layer.beta.data), layer.eps
        self.x, self.dout = on_host(x), on_host(dout)
        check_like("x", self.x, self.normalized)
        check_like("dout", self.dout, self.normalized)
        self.mean = None if x is None else self.x.mean(axis=-1, keepdims=True)
        self.dnormalized = None if dout is None else self.dout * self.gamma

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        known = self.x is not None
        named = {
            "normalized": Named(ROWS, self.normalized, self._normalized if known else None),
            "rstd": Named(ONE, self.rstd, self._rstd if known else None),
            "gamma": Named("(D,)", self.gamma),
            "beta": Named("(D,)", self.beta),
            "out": Named(ROWS, self.normalized, self._out),
        }
        if known:
            named |= {"x": Named(ROWS, self.x), "mean": Named(ONE, self.mean, self._mean)}
        if self.dout is None:
            return named
        return named | {
            "dout": Named(ROWS, self.dout),
            "dnormalized": Named(ROWS, self.dnormalized, self._dnormalized),
            "dx": Named(ROWS, self.normalized, self._dx),
            "dgamma": Named("(D,)", self.gamma, self._dgamma),
            "dbeta": Named("(D,)", self.beta, self._dbeta),
        }

    def _mean(self, a, *index):
        row = index[:-1]
        return Line(f"mean of {at('x', *row, 'd')} over d", a.mean(a.numbers(self.x[row])))

    def _rstd(self, a, *index):
        row = index[:-1]
        centered = a.numbers(self.x[row].astype(np.float64) - float(self.mean[index]))
        variance = a.mean(a.product(number, number) for number in centered)
        return Line(
            f"1 / sqrt(variance + eps), variance = mean of ({at('x', *row, 'd')} - {at('mean', *index)})² over d",
            a.quotient(a.number(1), a.call("sqrt", a.total([variance, a.number(self.eps)]))),
            [Part("mean", index)],
        )

    def _normalized(self, a, *index):
        row = (*index[:-1], 0)
        centered = a.minus(a.number(self.x[index]), a.number(self.mean[row]))
        return Line(
            f"({at('x', *index)} - {at('mean', *row)}) · {at('rstd', *row)}",
            a.product(centered, a.number(self.rstd[row])),
            [Part("mean", row), Part("rstd", row)],
        )

    def _out(self, a, *index):
        scaled = a.product(*a.numbers((self.gamma[index[-1]], self.normalized[index])))
        return Line(
            f"{at('gamma', index[-1])} · {at('normalized', *index)} + {at('beta', index[-1])}",
            a.total([scaled, a.number(self.beta[index[-1]])]),
            [Part("normalized", index)],
        )

    def _dnormalized(self, a, *index):
        return Line(
            f"{at('gamma', index[-1])} · {at('dout', *index)}",
            a.product(*a.numbers((self.gamma[index[-1]], self.dout[index]))),
        )

    def _dx(self, a, *index):
        *row, _ = index
        g, n = self.dnormalized[tuple(row)], self.normalized[tuple(row)]
        own, every, rstd = at("dnormalized", *index), at("dnormalized", *row, "d"), at("rstd", *row, 0)
        mean = a.mean(a.numbers(g))
        stretch = a.mean(a.product(*a.numbers(pair)) for pair in zip(g, n, strict=True))
        through = a.product(a.number(self.normalized[index]), stretch)
        inner = a.minus(a.minus(a.number(self.dnormalized[index]), mean), through)
        return Line(
            f"{rstd} · ({own} - mean of {every} - {at('normalized', *index)} · "
            f"mean of {every} · {at('normalized', *row, 'd')})",
            a.product(a.number(self.rstd[(*row, 0)]), inner),
            [Part("rstd", (*row, 0)), Part("dnormalized", index), Part("normalized", index)],
        )

    def _dgamma(self, a, d):
        letters, places = rows_of(self.dout)
        normalized = Factor("normalized", self.normalized, (*letters, d))
        return summed(a, ", ".join(letters), places, Factor("dout", self.dout, (*letters, d)), normalized)

    def _dbeta(self, a, d):
        letters, places = rows_of(self.dout)
        return summed(a, ", ".join(letters), places, Factor("dout", self.dout, (*letters, d)))
