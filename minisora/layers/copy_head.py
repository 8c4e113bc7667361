"""The copy head: what stands in the source can be said without being in the vocabulary's good graces.

Beside the logits, which score every token of the vocabulary, each place of the source has a score of its own, and one
softmax over all of them decides [1]_: the probability of token w is

    p(w) = (exp(logit_w) + sum over the places s with source_s = w of exp(score_s)) / Z

so that w gets the logit log(exp(logit_w) + sum_s exp(score_s)), and softmax, loss and decoding stay what they are. A
name that training never showed is said letter by letter by pointing at where it stands.

References
----------
.. [1] Gu et al., "Incorporating Copying Mechanism in Sequence-to-Sequence Learning" (CopyNet), 2016, eq. (4) to (8); of
   an equal kind is Vinyals et al., "Pointer Networks", 2015.
"""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels import array_module
from minisora.layers.decoder_state import by_source
from minisora.layers.embedding import check_ids
from minisora.layers.layer import Layer
from minisora.layers.linear import Linear, LinearCache


class CopyCache(NamedTuple):
    source_ids: Any  # (B, S)
    generated: Any  # (B, T, S), exp(logit - out) of the token at each place: what generating has of its probability
    copied: Any  # (B, T, S), exp(score - out) of each place: what copying from there has of it


def copy_forward(logits, scores, source_ids, visible=None):
    """out_w = log(exp(logit_w) + sum over the visible places s with source_s = w of exp(score_s)).

    Parameters
    ----------
    logits : array (B, T, V)
    scores : array (B, T, S)
    source_ids : int array (B, S)
    visible : bool array (B, S), optional
        True = may be copied; None: all of them.

    Returns
    -------
    out : array (B, T, V)
    cache : CopyCache
    """
    xp = array_module(logits)
    visible = xp.ones(source_ids.shape, bool) if visible is None else visible
    seen = visible[:, None, :]  # (B, 1, S)
    least = scores.min(axis=-1, keepdims=True)
    largest = xp.where(seen, scores, least).max(axis=-1, keepdims=True)  # (B, T, 1)
    exps = xp.where(seen, xp.exp(xp.where(seen, scores - largest, 0)), 0)  # (B, T, S)
    equal, first = same_tokens(source_ids, visible)
    totals = exps @ equal.astype(exps.dtype)  # (B, T, S), of all places with the token of place s
    totals, at = totals[_along(totals, first)], _along(logits, source_ids)
    here = logits[at]  # (B, T, S)
    found = totals != 0
    out_here = xp.where(found, log_add(here, largest + xp.log(xp.where(found, totals, 1))), here)
    out = logits.copy()
    out[at] = out_here
    seen = seen & found
    copied = xp.where(seen, xp.exp(xp.where(seen, scores - out_here, 0)), 0)
    return out, CopyCache(source_ids, xp.exp(here - out_here), copied)


def copy_backward(dout, cache):
    """dlogit_w = dout_w exp(logit_w - out_w); dscore_s = dout_w exp(score_s - out_w), w the token of place s.

    Return (dlogits, dscores), (B, T, V) and (B, T, S).
    """
    at = _along(dout, cache.source_ids)
    dout_here, dlogits = dout[at], dout.copy()
    dlogits[at] = dout_here * cache.generated  # a token that stands in several places gets the same value from each
    return dlogits, dout_here * cache.copied


def same_tokens(source_ids, visible):
    """Which places have the same token, (B, S, S), and the first visible one of them for each place, (B, S).

    All places of a token read its sum at one of them, so that they agree to the last bit. Where none is visible, that
    is the place itself.
    """
    xp = array_module(source_ids)
    equal = source_ids[:, :, None] == source_ids[:, None, :]
    among = equal & visible[:, None, :]
    return equal, xp.where(among.any(axis=-1), among.argmax(axis=-1), xp.arange(source_ids.shape[1]))


def log_add(a, b):
    """log(exp(a) + exp(b)), so that no exp is large; np.logaddexp is real only."""
    xp = array_module(a)
    less = a < b
    return xp.where(less, b, a) + xp.log1p(xp.exp(xp.where(less, a - b, b - a)))


def _along(array, indices):
    """The index of array[b, t, indices[b, s]], (B, T, S)."""
    xp, (batch, length) = array_module(array), array.shape[:2]
    return xp.arange(batch)[:, None, None], xp.arange(length)[:, None], indices[:, None, :]


class CopyHeadCache(NamedTuple):
    w_q: LinearCache
    w_k: LinearCache
    q: Any  # (B, T, D)
    k: Any  # (B, S, D)
    copy: CopyCache


class CopyHead(Layer):
    """out = `copy_forward` of the logits and of scores = (x W_q)(memory W_k)^T / sqrt(D).

    Parameters
    ----------
    d_model : int
        Width D of the vectors.
    rng : numpy.random.Generator
        Draws W_q and W_k, each (D, D), without bias.
    """

    def __init__(self, d_model, rng, *, dtype=np.float32):
        self.w_q = Linear(d_model, d_model, rng, bias=False, dtype=dtype)
        self.w_k = Linear(d_model, d_model, rng, bias=False, dtype=dtype)
        self.scale = d_model**-0.5

    def forward(self, logits, x, memory, source_ids, *, key=None, memory_mask=None):
        """Map logits (B, T, V) to logits, given the vectors x (B, T, D) that they were made of.

        Parameters
        ----------
        logits, x : arrays
        memory : array (B, S, D)
        source_ids : int array (B, S)
            The tokens of the source, in the target's vocabulary.
        memory_mask : bool array (B, S), optional
            True = may be copied.
        """
        check_copied(source_ids, memory, logits.shape[-1])
        q, w_q = self.w_q.forward(x)
        k, w_k = self.w_k.forward(memory)
        out, copy = copy_forward(logits, self.scale * (q @ k.swapaxes(1, 2)), source_ids, memory_mask)
        return out, CopyHeadCache(w_q, w_k, q, k, copy)

    def backward(self, dout, cache):
        """dq = scale dscores k, dk = scale dscores^T q. Return (dlogits, dx, dmemory, None)."""
        dlogits, dscores = copy_backward(dout, cache.copy)
        dscores *= self.scale
        dx = self.w_q.backward(dscores @ cache.k, cache.w_q)
        dmemory = self.w_k.backward(dscores.swapaxes(1, 2) @ cache.q, cache.w_k)
        return dlogits, dx, dmemory, None

    def remember(self, memory, source_ids):
        """Return the keys (B, S, D) of memory and the source's tokens, for later steps."""
        return self.w_k(memory), source_ids

    def step(self, logits, x, remembered, memory_mask=None):
        """Map the newest logits (B K, V), made of x (B K, D), K for each source, to logits (B K, V)."""
        k, source_ids = remembered
        scores = self.scale * (by_source(self.w_q(x), remembered) @ k.swapaxes(1, 2))  # (B, K, S)
        return copy_forward(by_source(logits, remembered), scores, source_ids, memory_mask)[0].reshape(logits.shape)


def check_copied(source_ids, memory, vocab_size):
    """Raise ValueError unless source_ids (B, S) are tokens of the target's vocabulary, one for each row of memory."""
    if source_ids is None:
        raise ValueError("a decoder that copies expects source_ids, the tokens (B, S) of the source, got None")
    check_ids(source_ids, vocab_size)
    if source_ids.shape != memory.shape[:2]:
        raise ValueError(f"source_ids are expected of shape {memory.shape[:2]}, got {source_ids.shape}")
