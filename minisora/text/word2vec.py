"""word2vec: skip-gram and CBOW, with the full softmax or with negative sampling, forward and backward.

Each word has two vectors: v, with which it predicts, and u, with which it is predicted. Skip-gram [1]_ predicts every
neighbour from the word in the middle, h = v_c; CBOW predicts the word in the middle from its neighbours, h the mean of
their v. The two losses for a word o that is to be predicted from h:

    softmax             -log p(o|h),  p(o|h) = exp(u_o . h) / sum_w exp(u_w . h)
    negative sampling   -log sigmoid(u_o . h) - sum_k log sigmoid(-u_k . h),  K words of noise: eq. (4) [2]_

The softmax costs a product with all V vectors for each example; negative sampling only tells the word from K others.

`minisora.text.word2vec_training` trains with these formulas: the softmax as it stands here, negative sampling in a
compiled loop (``kernels/numba_word2vec.py``) that tests hold against this file.

References
----------
.. [1] Mikolov et al., "Efficient Estimation of Word Representations in Vector Space", 2013.
.. [2] Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", 2013.
"""

from typing import NamedTuple

import numpy as np

LOSSES = ("negative-sampling", "softmax")


class HiddenCache(NamedTuple):
    inputs: np.ndarray  # (N, C) ids, -1 where there is none
    counts: np.ndarray  # (N, 1)
    size: int  # V


def hidden_forward(v, inputs):
    """h = the mean of v[i] over the inputs i of each example: v (V, D) and inputs (N, C) to h (N, D).

    -1 stands where an example has fewer inputs than others. Skip-gram has one, the word in the middle: (N,) will do.
    """
    inputs = inputs.reshape(len(inputs), -1)
    present = inputs >= 0
    counts = present.sum(axis=1, keepdims=True)
    rows = np.where(present[..., None], v[inputs], 0)  # (N, C, D)
    return rows.sum(axis=1) / counts, HiddenCache(inputs, counts, len(v))


def hidden_backward(dh, cache):
    """dv[i] = the sum of dh / count over every place where i is an input."""
    dv = np.zeros((cache.size, dh.shape[1]), dh.dtype)
    n, column = np.nonzero(cache.inputs >= 0)
    np.add.at(dv, cache.inputs[n, column], (dh / cache.counts)[n])
    return dv


class SoftmaxCache(NamedTuple):
    h: np.ndarray  # (N, D)
    u: np.ndarray  # (V, D)
    targets: np.ndarray  # (N,)
    p: np.ndarray  # (N, V), p(w|h)


def softmax_forward(h, u, targets):
    """losses = -log p(o|h): h (N, D), u (V, D), and targets o, (N,) or (N, 1), to losses (N,)."""
    scores, targets = h @ u.T, targets.reshape(-1)  # (N, V), (N,)
    scores -= scores.max(axis=1, keepdims=True)
    exps = np.exp(scores)
    totals = exps.sum(axis=1, keepdims=True)
    losses = np.log(totals[:, 0]) - scores[np.arange(len(h)), targets]
    return losses, SoftmaxCache(h, u, targets, exps / totals)


def softmax_backward(dlosses, cache):
    """dscores = dloss (p - onehot(o)); dh = dscores u; du = dscores^T h. Return dh, du."""
    h, u, targets, p = cache
    dscores = p * dlosses[:, None]
    dscores[np.arange(len(h)), targets] -= dlosses
    return dscores @ u, dscores.T @ h


def softplus(x):
    """log(1 + exp(x)), so that no exp is large: max(x, 0) + log(1 + exp(-|x|)). np.logaddexp is real only."""
    positive = x > 0
    return np.where(positive, x, 0) + np.log1p(np.exp(np.where(positive, -x, x)))


class NegativeSamplingCache(NamedTuple):
    h: np.ndarray  # (N, D)
    u: np.ndarray  # (V, D)
    targets: np.ndarray  # (N, 1 + K), -1 where there is none
    slopes: np.ndarray  # (N, 1 + K): sigmoid(score) - label, the derivative of the loss by the score


def negative_sampling_forward(h, u, targets):
    """losses = -log sigmoid(u_o . h) - sum_k log sigmoid(-u_k . h), eq. (4).

    h (N, D), u (V, D) and targets (N, 1 + K) to losses (N,): o first, then the noise, -1 where a draw does not count.
    """
    scores = np.einsum("nd,nkd->nk", h, u[targets])  # (N, 1 + K)
    signs = np.where(np.arange(targets.shape[1]) == 0, -1, 1)  # the first is to be high, the others low
    losses = np.where(targets >= 0, softplus(signs * scores), 0)  # -log sigmoid(x) = softplus(-x)
    slopes = np.where(targets >= 0, 0.5 * (1 + np.tanh(scores / 2)) - (signs < 0), 0)
    return losses.sum(axis=1), NegativeSamplingCache(h, u, targets, slopes)


def negative_sampling_backward(dlosses, cache):
    """dscores = dloss (sigmoid(score) - label); dh = sum_k dscores_k u_k; du[k] = sum of dscores_k h. Return dh, du."""
    h, u, targets, slopes = cache
    dscores = slopes * dlosses[:, None]  # (N, 1 + K), 0 at every -1
    dh = np.einsum("nk,nkd->nd", dscores, u[targets])
    du = np.zeros_like(u)
    np.add.at(du, targets, dscores[..., None] * h[:, None, :])
    return dh, du


class Word2VecCache(NamedTuple):
    hidden: HiddenCache
    loss: NamedTuple


def word2vec_forward(v, u, inputs, targets, *, loss="negative-sampling"):
    """Losses (N,) of examples: v, u (V, D), inputs (N, C), targets (N, 1 + K) or, softmax, (N,)."""
    h, hidden = hidden_forward(v, inputs)
    losses, cache = (softmax_forward if loss == "softmax" else negative_sampling_forward)(h, u, targets)
    return losses, Word2VecCache(hidden, cache)


def word2vec_backward(dlosses, cache):
    """Return dv, du, and None for the inputs and the targets, which are ids."""
    softmax = isinstance(cache.loss, SoftmaxCache)
    dh, du = (softmax_backward if softmax else negative_sampling_backward)(dlosses, cache.loss)
    return hidden_backward(dh, cache.hidden), du, None, None
