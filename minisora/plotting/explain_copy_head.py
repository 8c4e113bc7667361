"""The formulas of the copy head: its two projections before copying."""

from minisora.layers.copy_head import CopyHead
from minisora.plotting.explain_copy import PLACES, CopyFormulas
from minisora.plotting.explain_linear import LinearFormulas
from minisora.plotting.formulas import Factor, Named, along, check_layer, joined, on_host, summed


class CopyHeadFormulas:
    """x and memory to q, k and scores, copying, and all of it backward, of a `CopyHeadCache`.

    Parameters
    ----------
    cache : CopyHeadCache
    layer : CopyHead
    dout : array (B, T, V), optional
    logits : array (B, T, V), optional
        As the layer got them; without them there is nothing of copying forward.
    visible : bool array (B, S), optional
        The layer's memory_mask.
    """

    def __init__(self, cache, layer, dout=None, logits=None, visible=None):
        check_layer(layer, CopyHead)
        self.q, self.k, self.scale = on_host(cache.q), on_host(cache.k), layer.scale
        scores = self.scale * (self.q @ self.k.swapaxes(1, 2))
        self.copy = CopyFormulas(cache.copy, dout, logits, scores, visible)
        dq = dk = None
        if dout is not None:
            dscores = self.scale * self.copy.dscores
            dq, dk = dscores @ self.k, dscores.swapaxes(1, 2) @ self.q
        self.w_q = LinearFormulas(cache.w_q, layer.w_q, dq, {"W": "W_q", "out": "q"})
        self.w_k = LinearFormulas(cache.w_k, layer.w_k, dk, {"x": "memory", "W": "W_k", "out": "k"})

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        own = {"scores": Named(PLACES, self.copy.scores, self._scores)}
        if self.copy.dout is not None:
            own |= {"dq": Named("(B, T, D)", self.q, self._dq), "dk": Named("(B, S, D)", self.k, self._dk)}
        return joined(self.w_q.named(), self.w_k.named(), self.copy.named(), own)

    def _scores(self, a, b, t, s):
        q, k = Factor("q", self.q, (b, t, "d")), Factor("k", self.k, (b, s, "d"))
        return summed(a, "d", along("d", range(self.q.shape[-1])), q, k, scale=self.scale)

    def _dq(self, a, b, t, d):
        dscores, k = Factor("dscores", self.copy.dscores, (b, t, "s")), Factor("k", self.k, (b, "s", d))
        return summed(a, "s", along("s", range(self.k.shape[1])), dscores, k, scale=self.scale)

    def _dk(self, a, b, s, d):
        dscores, q = Factor("dscores", self.copy.dscores, (b, "t", s)), Factor("q", self.q, (b, "t", d))
        return summed(a, "t", along("t", range(self.q.shape[1])), dscores, q, scale=self.scale)
