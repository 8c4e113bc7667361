"""The formulas of scaled dot-product attention, number by number."""

import numpy as np

from minisora.kernels import attention_backward, attention_steps, keep_mask
from minisora.kernels.attention_cache import AttentionCache, check_gradient
from minisora.plotting.explain_dropout import through_dropout
from minisora.plotting.formulas import Factor, Line, Named, Part, along, at, on_host, stated, summed

TARGETS = "(B, H, T, S)"


class AttentionFormulas:
    """scores, weights and out; dweights, dscores, dq, dk and dv, of an `AttentionCache`.

    Parameters
    ----------
    cache : AttentionCache
    dout : array (B, H, T, d_v), optional
        Without it there are no gradients.
    out_name : str
        What out is called, where it is only the inside of a layer.
    """

    def __init__(self, cache, dout=None, out_name="out"):
        *arrays, key_mask, causal, scale, dropout = cache
        self.q, self.k, self.v, self.out, lse = map(on_host, arrays)
        self.key_mask, self.causal, self.scale = on_host(key_mask), causal, scale
        host = AttentionCache(self.q, self.k, self.v, self.out, lse, self.key_mask, causal, scale, dropout)
        self.dout = on_host(dout)
        if dout is not None:
            check_gradient(self.dout, host)
            self.dq, self.dk, self.dv = attention_backward(self.dout, host)
            self.ddropped = self.dout @ self.v.swapaxes(-1, -2)
        self.scores, self.weights, self.dweights, self.dscores = attention_steps(host, self.dout)
        self.kept, self.p = None, 0.0
        self.summed, self.summed_name = self.weights, "weights"  # what the values are summed with
        if dropout is not None:
            self.p, key = dropout
            self.kept = keep_mask(self.p, key, self.weights.shape, np)
            self.summed, self.summed_name = self.weights * self.kept / (1 - self.p), "dropped"
        self.out_name, self.dout_name = out_name, f"d{out_name}"

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        queries, keys, values, outs = "(B, H, T, d_k)", "(B, H, S, d_k)", "(B, H, S, d_v)", "(B, H, T, d_v)"
        named = {
            "q": Named(queries, self.q),
            "k": Named(keys, self.k),
            "v": Named(values, self.v),
            "scores": Named(TARGETS, self.scores, self._scores),
            "weights": Named(TARGETS, self.weights, self._weights),
            self.out_name: Named(outs, self.out, self._out),
        }
        if self.kept is not None:
            named["dropped"] = Named(TARGETS, self.summed, self._dropped)
        if self.dout is None:
            return named
        named |= {
            self.dout_name: Named(outs, self.dout),
            "dweights": Named(TARGETS, self.dweights, self._dweights),
            "dscores": Named(TARGETS, self.dscores, self._dscores),
            "dq": Named(queries, self.dq, self._dq),
            "dk": Named(keys, self.dk, self._dk),
            "dv": Named(values, self.dv, self._dv),
        }
        if self.kept is not None:
            named["ddropped"] = Named(TARGETS, self.ddropped, self._ddropped)
        return named

    def hidden(self, b, t, s):
        """Return why query t does not see key s, or None."""
        targets, sources = self.scores.shape[-2:]
        if self.key_mask is not None and not self.key_mask[b, s]:
            return f"key {s} is hidden, since key_mask[{b}, {s}] is False"
        if self.causal and s > t + sources - targets:
            return f"key {s} is later than all that query {t} sees: s <= t + (S - T) = {t + sources - targets}"
        return None

    def seen(self, b, t):
        """Return the keys that query t sees."""
        return [s for s in range(self.scores.shape[-1]) if self.hidden(b, t, s) is None]

    def seeing(self, b, s):
        """Return the queries that see key s."""
        return [t for t in range(self.scores.shape[-2]) if self.hidden(b, t, s) is None]

    def _scores(self, a, b, h, t, s):
        if reason := self.hidden(b, t, s):
            return stated(reason, a.number(-np.inf))
        q, k = Factor("q", self.q, (b, h, t, "i")), Factor("k", self.k, (b, h, s, "i"))
        return summed(a, "i", along("i", range(self.q.shape[-1])), q, k, scale=self.scale)

    def _weights(self, a, b, h, t, s):
        if reason := self.hidden(b, t, s):
            return stated(reason, a.number(0))
        scores = self.scores[b, h, t].astype(np.float64)
        top = scores.max()
        own, row = (at("scores", b, h, t, place) for place in (s, "s"))
        return Line(
            f"exp({own} - m) / Σ_s exp({row} - m), m = {a.number(top).text} the largest score that the query sees",
            a.quotient(
                a.call("exp", a.number(scores[s] - top)),
                a.total(a.call("exp", a.number(scores[seen] - top)) for seen in self.seen(b, t)),
            ),
            [Part("scores", (b, h, t, s))],
        )

    def _dropped(self, a, *index):
        return through_dropout(a, "weights", self.weights, index, self.kept, self.p)

    def _out(self, a, b, h, t, j):
        if not (seen := self.seen(b, t)):
            return stated(f"query {t} sees no key", a.number(0))
        weights = Factor(self.summed_name, self.summed, (b, h, t, "s"))
        return summed(a, "s", along("s", seen), weights, Factor("v", self.v, (b, h, "s", j)))

    def _dv(self, a, b, h, s, j):
        if not (seeing := self.seeing(b, s)):
            return stated(f"no query sees key {s}", a.number(0))
        weights = Factor(self.summed_name, self.summed, (b, h, "t", s))
        return summed(a, "t", along("t", seeing), weights, Factor(self.dout_name, self.dout, (b, h, "t", j)))

    def _ddropped(self, a, b, h, t, s):
        dout, v = Factor(self.dout_name, self.dout, (b, h, t, "j")), Factor("v", self.v, (b, h, s, "j"))
        return summed(a, "j", along("j", range(self.v.shape[-1])), dout, v)

    def _dweights(self, a, *index):
        if self.kept is None:
            return self._ddropped(a, *index)
        return through_dropout(a, "ddropped", self.ddropped, index, self.kept, self.p)

    def _dscores(self, a, b, h, t, s):
        if reason := self.hidden(b, t, s):
            return stated(reason, a.number(0))
        own, row = (b, h, t, s), (b, h, t, "s")
        weights, dweights = Factor("weights", self.weights, row), Factor("dweights", self.dweights, row)
        mean = summed(a, "s", along("s", self.seen(b, t)), weights, dweights)
        return Line(
            f"{at('weights', *own)} · ({at('dweights', *own)} - {mean.formula})",
            a.product(a.number(self.weights[own]), a.minus(a.number(self.dweights[own]), mean.numbers)),
            [Part("weights", own), Part("dweights", own)],
        )

    def _dq(self, a, b, h, t, i):
        if not (seen := self.seen(b, t)):
            return stated(f"query {t} sees no key", a.number(0))
        dscores = Factor("dscores", self.dscores, (b, h, t, "s"))
        return summed(a, "s", along("s", seen), dscores, Factor("k", self.k, (b, h, "s", i)), scale=self.scale)

    def _dk(self, a, b, h, s, i):
        if not (seeing := self.seeing(b, s)):
            return stated(f"no query sees key {s}", a.number(0))
        dscores = Factor("dscores", self.dscores, (b, h, "t", s))
        return summed(a, "t", along("t", seeing), dscores, Factor("q", self.q, (b, h, "t", i)), scale=self.scale)
