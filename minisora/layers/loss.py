"""Softmax cross-entropy over the vocabulary."""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels import array_module
from minisora.kernels.array_module import check_same_device
from minisora.layers.embedding import check_ids
from minisora.layers.layer import Layer


class SoftmaxCrossEntropyCache(NamedTuple):
    exps: Any  # (N, V), exp(logits - largest logit of the row)
    totals: Any  # (N, 1), their sums
    targets: Any  # (N,)
    counted: Any  # (N,) bool, False at padding
    shape: tuple  # of the logits


class SoftmaxCrossEntropy(Layer):
    """total = the sum over all tokens but padding of -sum_v q_v log softmax(logits)_v, in nats.

    q is 1 - e on the target and e / V more on every entry, the target included (label smoothing [1]_). The sum is not
    divided: a batch of padding alone gives 0 and gradient 0, and whoever trains divides once.

    Parameters
    ----------
    pad_id : int
        Targets of this id do not count.
    label_smoothing : float
        e, in [0, 1).

    References
    ----------
    .. [1] Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7.
    """

    def __init__(self, pad_id=0, label_smoothing=0.0):
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is expected in [0, 1), got {label_smoothing!r}")
        self.pad_id = pad_id
        self.label_smoothing = label_smoothing

    def forward(self, logits, targets, *, key=None):
        """Return ``(total, count), cache``: nats and number of the tokens that count, from (..., V) and (...)."""
        check_ids(targets, logits.shape[-1])
        check_same_device("targets", targets, "logits", logits)
        if logits.shape[:-1] != targets.shape:
            raise ValueError(
                f"logits (..., V) and targets (...) are expected to agree, got {logits.shape} and {targets.shape}"
            )
        xp = array_module(logits)
        rows, flat = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)  # (N, V), (N,)
        counted = flat != self.pad_id
        if fused := self.fused(logits):
            losses, exps, totals = fused.cross_entropy(rows, flat, self.label_smoothing)
            cache = SoftmaxCrossEntropyCache(exps, totals, flat, counted, logits.shape)
            return (np.where(counted, losses, 0).sum(), counted.sum()), cache
        largest = rows.max(axis=-1, keepdims=True)
        exps = rows - largest
        xp.exp(exps, out=exps)
        totals = exps.sum(axis=-1, keepdims=True)
        lse = (largest + xp.log(totals))[:, 0]
        losses = lse - rows[xp.arange(len(flat)), flat]  # -log softmax(logits)[target]
        if self.label_smoothing:
            losses += self.label_smoothing * (lse - rows.mean(axis=-1) - losses)
        cache = SoftmaxCrossEntropyCache(exps, totals, flat, counted, logits.shape)
        return (xp.where(counted, losses, 0).sum(), counted.sum()), cache

    def backward(self, dtotal, cache):
        """dlogits = dtotal * (softmax(logits) - q), and 0 at padding; dtotal is a number, 1 / count for the mean."""
        exps, totals, targets, counted, shape = cache
        xp = array_module(exps)
        dlosses = xp.where(counted, dtotal, 0).astype(exps.dtype)  # (N,)
        if fused := self.fused(exps):
            return fused.cross_entropy_backward(dlosses, exps, totals, targets, self.label_smoothing).reshape(shape)
        dlogits = exps * (dlosses[:, None] / totals)
        dlogits[xp.arange(len(targets)), targets] -= (1 - self.label_smoothing) * dlosses
        if self.label_smoothing:
            dlogits -= (self.label_smoothing / exps.shape[-1]) * dlosses[:, None]
        return dlogits.reshape(shape)
