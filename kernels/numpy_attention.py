"""Scaled dot-product attention in NumPy: the specification that every other backend is held against.

Forward is three named steps, each with its backward directly under it:

    scores  = scale * q k^T          (B, H, T, S)
    weights = softmax(scores)        (B, H, T, S)   over the visible keys
    out     = weights v              (B, H, T, d_v)

The cache keeps no (T, S) matrix: backward computes the weights again from the logsumexp of each row. Generic over NumPy
and CuPy, float32, float64 and, for complex-step checks, complex128.

References
----------
Vaswani et al., "Attention Is All You Need", 2017, eq. (1).
Dao et al., "FlashAttention", 2022, algorithm 4, for the recomputation from the logsumexp.
"""

from minisora.kernels.array_module import array_module
from minisora.kernels.attention_cache import AttentionCache, AttentionSteps, check_attention_inputs
from minisora.kernels.random import keep_mask


def attention_forward(q, k, v, *, key_mask=None, causal=False, scale=None, dropout=None):
    """Attend: out = dropout(softmax(scale * q k^T)) v, over the keys that each query may see.

    Parameters
    ----------
    q : array (B, H, T, d_k)
    k : array (B, H, S, d_k)
    v : array (B, H, S, d_v)
    key_mask : bool array (B, S), optional
        True = may be attended.
    causal : bool
        Query t sees the keys s <= t + (S - T): the last query sees every key.
    scale : float, optional
        1 / sqrt(d_k) when None.
    dropout : tuple (p, DropoutKey), optional
        Drops weights, after the softmax.

    Returns
    -------
    out : array (B, H, T, d_v)
        Zero in a row that sees no key.
    cache : AttentionCache

    Raises
    ------
    ValueError
        Where shapes or types do not fit together.
    """
    check_attention_inputs(q, k, v, key_mask)
    scale = q.shape[-1] ** -0.5 if scale is None else float(scale)  # a NumPy float64 would widen float32
    visible = visibility(q.shape[2], k.shape[2], key_mask, causal, array_module(q))
    weights, lse = softmax_forward(hide(scores_forward(q, k, scale), visible), visible)
    out = weighted_sum_forward(drop(weights, dropout), v)
    return out, AttentionCache(q, k, v, out, lse, key_mask, causal, scale, dropout)


def attention_backward(dout, cache):
    """Return (dq, dk, dv) for the gradient dout (B, H, T, d_v): the three steps of forward, last to first."""
    q, k, v, *_, scale, dropout = cache
    weights = attention_weights(cache)
    ddropped, dv = weighted_sum_backward(dout, drop(weights, dropout), v)
    dweights = drop(ddropped, dropout)
    dscores = softmax_backward(dweights, weights)
    dq, dk = scores_backward(dscores, q, k, scale)
    return dq, dk, dv


def attention_steps(cache, dout=None):
    """Compute every intermediate again, as `AttentionSteps`: scores, weights and, given dout, dweights and dscores.

    Works with the cache of any backend. Hidden scores are -inf, their weights and gradients 0; weights are the
    probabilities before dropout, and dweights is their gradient.
    """
    q, k, v, _, _, key_mask, causal, scale, dropout = cache
    visible = visibility(q.shape[2], k.shape[2], key_mask, causal, array_module(q))
    scores = hide(scores_forward(q, k, scale), visible)
    weights, _ = softmax_forward(scores, visible)
    if dout is None:
        return AttentionSteps(scores, weights, None, None)
    ddropped, _ = weighted_sum_backward(dout, drop(weights, dropout), v)
    dweights = drop(ddropped, dropout)
    return AttentionSteps(scores, weights, dweights, softmax_backward(dweights, weights))


def scores_forward(q, k, scale):
    """scores = scale * q k^T, (B, H, T, S)."""
    return (q * scale) @ k.swapaxes(-1, -2)


def scores_backward(dscores, q, k, scale):
    """dq = scale * dscores k and dk = scale * dscores^T q."""
    return (dscores @ k) * scale, dscores.swapaxes(-1, -2) @ (q * scale)


def softmax_forward(scores, visible=None):
    """weights = exp(scores - lse) over the last axis, and lse = log(sum(exp(scores))), (B, H, T).

    A row without a visible key has weights 0 and lse -inf.
    """
    xp = array_module(scores)
    zero, one, minus_infinity = (scores.dtype.type(value) for value in (0, 1, -xp.inf))
    if scores.shape[-1] == 0:  # no key at all, so no maximum
        return scores, xp.full(scores.shape[:-1], minus_infinity)
    blind = xp.zeros(1, bool) if visible is None else ~visible.any(axis=-1, keepdims=True)
    largest = xp.where(blind, zero, scores.max(axis=-1, keepdims=True))  # (B, H, T, 1)
    weights = xp.exp(scores - largest)
    total = xp.where(blind, one, weights.sum(axis=-1, keepdims=True))  # (B, H, T, 1)
    weights /= total
    lse = xp.where(blind, minus_infinity, largest + xp.log(total))
    return weights, lse[..., 0]


def softmax_backward(dweights, weights):
    """dscores = weights * (dweights - sum_s(dweights * weights)): the Jacobian, diag(w) - w w^T, times dweights."""
    dscores = dweights * weights
    dscores -= weights * dscores.sum(axis=-1, keepdims=True)
    return dscores


def weighted_sum_forward(weights, v):
    """out = weights v, (B, H, T, d_v)."""
    return weights @ v


def weighted_sum_backward(dout, weights, v):
    """dweights = dout v^T and dv = weights^T dout."""
    return dout @ v.swapaxes(-1, -2), weights.swapaxes(-1, -2) @ dout


def attention_weights(cache):
    """weights = exp(scores - lse), (B, H, T, S): what the softmax gave, without its two passes over the row."""
    q, k, _, _, lse, key_mask, causal, scale, _ = cache
    xp = array_module(q)
    visible = visibility(q.shape[2], k.shape[2], key_mask, causal, xp)
    weights = hide(scores_forward(q, k, scale), visible)
    weights -= xp.where(lse == -xp.inf, lse.dtype.type(xp.inf), lse)[
        ..., None
    ]  # a row that sees nothing: exp(-inf - inf) = 0
    return xp.exp(weights, out=weights)


def visibility(targets, sources, key_mask, causal, xp):
    """Return which keys each query may see: bool, (B, 1, 1, S), (T, S) or (B, 1, T, S); None where it may see all."""
    visible = None if key_mask is None else key_mask[:, None, None, :]
    if causal:
        past = xp.tri(targets, sources, sources - targets, dtype=bool)  # s <= t + (S - T)
        visible = past if visible is None else visible & past
    return visible


def hide(scores, visible):
    """Add -inf to the scores (B, H, T, S) of keys that a query may not see, in place: their weight is exactly 0."""
    if visible is not None:
        xp = array_module(scores)
        real = scores.real.dtype.type
        scores += xp.where(visible, real(0), real(-xp.inf))
    return scores


def drop(weights, dropout):
    """weights * kept / (1 - p); linear, so the same function is its own backward."""
    if dropout is None:
        return weights
    p, key = dropout
    xp = array_module(weights)
    return weights * keep_mask(p, key, weights.shape, xp) * weights.real.dtype.type(1 / (1 - p))
