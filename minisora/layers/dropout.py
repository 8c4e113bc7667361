"""Dropout."""

from typing import NamedTuple

from minisora.kernels import DropoutKey, array_module, keep_mask
from minisora.kernels.random import check_dropout_probability
from minisora.layers.layer import Layer


class DropoutCache(NamedTuple):
    key: DropoutKey | None  # not the mask: the key makes it again


class Dropout(Layer):
    """out = x * kept / (1 - p): each value dropped with probability p, the survivors scaled to keep the mean [1]_.

    Parameters
    ----------
    p : float
        In [0, 1).

    References
    ----------
    .. [1] Srivastava et al., "Dropout", 2014, section 10 for the scaling in training.
    """

    def __init__(self, p):
        check_dropout_probability(p)
        self.p = p

    def forward(self, x, *, key=None):
        """Map x (...) to the same shape; without a key, or with p = 0, x itself."""
        return self._drop(x, key), DropoutCache(key)

    def add(self, residual, x, *, key=None):
        """Return residual + dropout(x) and forward's cache; backward gives dx, the residual's gradient is dout."""
        if fused := self.fused(x):
            return fused.dropout_add(x, residual, self.p, key), DropoutCache(key)
        dropped, cache = self.forward(x, key=key)
        return residual + dropped, cache

    def backward(self, dout, cache):
        """dx = dout * kept / (1 - p), with the mask of this call's own key."""
        return self._drop(dout, cache.key)

    def _drop(self, x, key):
        if key is None or self.p == 0:
            return x
        if fused := self.fused(x):
            return fused.dropout_add(x, None, self.p, key)
        out = x * keep_mask(self.p, key, x.shape, array_module(x))
        out *= 1 / (1 - self.p)
        return out
