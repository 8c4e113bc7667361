"""The formulas of copying from the source, number by number."""

import numpy as np

from minisora.layers.copy_head import copy_forward
from minisora.plotting.formulas import Factor, Line, Named, Part, along, at, check_like, on_host, stated, summed

LOGITS, PLACES, SOURCE = "(B, T, V)", "(B, T, S)", "(B, S)"


class CopyFormulas:
    """exps, totals, out, generated and copied; dlogits and dscores, of a `CopyCache`.

    Parameters
    ----------
    cache : CopyCache
    dout : array (B, T, V), optional
    logits : array (B, T, V), optional
    scores : array (B, T, S), optional
        As `copy_forward` got them, since the cache does not keep them. Without one of both generated and copied are as
        given, and there is nothing before them.
    visible : bool array (B, S), optional
        As `copy_forward` got it.
    """

    def __init__(self, cache, dout=None, logits=None, scores=None, visible=None):
        self.source_ids, self.generated, self.copied = map(on_host, cache)
        self.dout, self.logits, self.scores = on_host(dout), on_host(logits), on_host(scores)
        self.visible = np.ones(self.source_ids.shape, bool) if visible is None else on_host(visible)
        self._check_shapes()
        self.known = logits is not None and scores is not None
        if self.known:
            self.out, again = copy_forward(self.logits, self.scores, self.source_ids, self.visible)
            self._check_made_of_these(again)
            seen, scores = self.visible[:, None], self.scores.astype(np.float64)
            self.largest = np.where(seen, scores, scores.min(axis=-1, keepdims=True)).max(axis=-1)  # (B, T)
            self.exps = np.exp(np.where(seen, scores - self.largest[..., None], -np.inf))
        self.dscores = None
        if dout is not None:
            self.dscores = np.take_along_axis(self.dout, self._tokens(), axis=-1) * self.copied

    def _tokens(self):
        """The token of each place, (B, T, S)."""
        return np.broadcast_to(self.source_ids[:, None], self.copied.shape)

    def _check_shapes(self):
        check_like("scores", self.scores, self.copied)
        check_like("visible", self.visible, self.source_ids)
        least = int(self.source_ids.max()) + 1
        for name, array in (("x", self.logits), ("dout", self.dout)):
            if array is None:
                continue
            if array.ndim != 3 or array.shape[:2] != self.copied.shape[:2] or array.shape[2] < least:
                batch, length, _ = self.copied.shape
                raise ValueError(
                    f"{name} is expected as an array {LOGITS} = ({batch}, {length}, {least} or more), got {array.shape}"
                )
        if self.logits is not None:
            check_like("dout", self.dout, self.logits)

    def _check_made_of_these(self, again):
        """Raise ValueError where other numbers than the cache's come of what was passed."""
        pairs = ((again.generated, self.generated), (again.copied, self.copied))
        if not all(np.allclose(ours, theirs, rtol=1e-3, atol=1e-5, equal_nan=True) for ours, theirs in pairs):
            raise ValueError(
                "x, scores and visible are expected as those that the cache was made of, "
                "got some that make another generated or copied"
            )

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        known = self.known
        named = {
            "source_ids": Named(SOURCE, self.source_ids),
            "generated": Named(PLACES, self.generated, self._generated if known else None),
            "copied": Named(PLACES, self.copied, self._copied if known else None),
        }
        if self.logits is not None:
            named["logits"] = Named(LOGITS, self.logits)
        if self.scores is not None:
            named["scores"] = Named(PLACES, self.scores)
        if known:
            named |= {
                "exps": Named(PLACES, self.exps, self._exps),
                "totals": Named(PLACES, self.exps, self._totals),
                "out": Named(LOGITS, self.logits, self._out),
            }
        if self.dout is None:
            return named
        return named | {
            "dout": Named(LOGITS, self.dout),
            "dlogits": Named(LOGITS, self.dout, self._dlogits),
            "dscores": Named(PLACES, self.dscores, self._dscores),
        }

    def holding(self, b, token):
        """Return the visible places of a token."""
        return np.flatnonzero(self.visible[b] & (self.source_ids[b] == token)).tolist()

    def total(self, b, t, token):
        """Return the sum of exps over the visible places of a token."""
        return float(self.exps[b, t, self.holding(b, token)].sum())

    def uncopied(self, b, t, s):
        """Return why nothing is copied from place s, or None."""
        if not self.visible[b, s]:
            return f"place {s} is hidden, since visible[{b}, {s}] is False"
        if not self.total(b, t, self.source_ids[b, s]):
            return f"the scores of token {self.source_ids[b, s]} are too small beside the largest"
        return None

    def _exps(self, a, b, t, s):
        if not self.visible[b, s]:
            return stated(self.uncopied(b, t, s), a.number(0))
        top = a.number(self.largest[b, t])
        return Line(
            f"exp({at('scores', b, t, s)} - m), m = {top.text} the largest score of the visible places",
            a.call("exp", a.minus(a.number(self.scores[b, t, s]), top)),
            [Part("scores", (b, t, s))],
        )

    def _totals(self, a, b, t, s):
        token = self.source_ids[b, s]
        if not (places := self.holding(b, token)):
            return stated(f"token {token}, of place {s}, stands at no visible place", a.number(0))
        line = summed(a, "r", along("r", places), Factor("exps", self.exps, (b, t, "r")))
        return line._replace(formula=f"{line.formula}, over the visible places of token {token}, that of place {s}")

    def _out(self, a, b, t, token):
        logit, name, places = self.logits[b, t, token], at("logits", b, t, token), self.holding(b, token)
        if not places:
            return Line(f"{name}, since token {token} stands at no visible place", a.number(logit))
        if not (total := self.total(b, t, token)):
            return Line(f"{name}, since {self.uncopied(b, t, places[0])}", a.number(logit))
        m = a.number(self.largest[b, t])
        n = a.number(max(m.value, logit))
        generated = a.call("exp", a.minus(a.number(logit), n))
        copied = a.product(a.call("exp", a.minus(m, n)), a.number(total))
        largest = f"m = {m.text} the largest score of the visible places, n = {n.text} the larger of m and the logit"
        return Line(
            f"n + log(exp({name} - n) + exp(m - n) · {at('totals', b, t, places[0])}), {largest}",
            a.total([n, a.call("log", a.total([generated, copied]))]),
            [Part("totals", (b, t, places[0]))],
        )

    def _generated(self, a, b, t, s):
        return self._share(a, "logits", self.logits, (b, t, self.source_ids[b, s]), s)

    def _copied(self, a, b, t, s):
        if reason := self.uncopied(b, t, s):
            return stated(reason, a.number(0))
        return self._share(a, "scores", self.scores, (b, t, s), s)

    def _share(self, a, name, array, index, s):
        """What a logit or a score has of the probability of the token at place s."""
        b, t, _ = index
        token = self.source_ids[b, s]
        return Line(
            f"exp({at(name, *index)} - {at('out', b, t, token)}), {token} the token of place {s}",
            a.call("exp", a.minus(a.number(array[index]), a.number(self.out[b, t, token]))),
            [Part(name, index), Part("out", (b, t, token))],
        )

    def _dlogits(self, a, b, t, token):
        dout, name = self.dout[b, t, token], at("dout", b, t, token)
        places = np.flatnonzero(self.source_ids[b] == token).tolist()
        if not places:
            return Line(f"{name}, since token {token} is not in the source", a.number(dout))
        own = (b, t, places[0])
        return Line(
            f"{name} · {at('generated', *own)}",
            a.product(*a.numbers((dout, self.generated[own]))),
            [Part("generated", own)],
        )

    def _dscores(self, a, b, t, s):
        token, own = self.source_ids[b, s], (b, t, s)
        return Line(
            f"{at('dout', b, t, token)} · {at('copied', *own)}, {token} the token of place {s}",
            a.product(*a.numbers((self.dout[b, t, token], self.copied[own]))),
            [Part("copied", own)],
        )
