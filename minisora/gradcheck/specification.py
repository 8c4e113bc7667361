"""The formulas of minisora's layers as stages (see `minisora.gradcheck.stages`).

Written once more, straight from the papers and independent of the code that they explain.
"""

from math import erf

import numpy as np

from minisora.kernels import keep_mask
from minisora.layers.activation import GELU, ReLU
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.dropout import Dropout
from minisora.layers.embedding import TokenEmbedding
from minisora.layers.linear import Linear, TiedLinear
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.normalization import LayerNorm


def specified_stages(probe):
    """Return the stages of one of minisora's layers, of attention's pair of functions; None for anything else."""
    if set(probe.inputs) == {"q", "k", "v"}:
        return _attention(probe.masks)
    return next((make(probe.layer, probe) for kind, make in _MAKERS.items() if isinstance(probe.layer, kind)), None)


def _attention(masks):
    """scores = scale * q k^T; weights = softmax(scores) over the visible keys; out = dropped v."""
    key_mask, causal, dropout = masks.get("key_mask"), masks.get("causal", False), masks.get("dropout")

    def scores(q, k):
        scale = masks.get("scale")
        return (q.shape[-1] ** -0.5 if scale is None else scale) * np.einsum("bhtd,bhsd->bhts", q, k)

    def weights(scores):
        visible = np.ones(scores.shape, bool)
        if key_mask is not None:
            visible &= key_mask[:, None, None, :]
        if causal:
            visible &= np.tri(*scores.shape[-2:], scores.shape[-1] - scores.shape[-2], dtype=bool)
        exps = np.exp(scores - scores.max(axis=-1, keepdims=True)) * visible
        total = exps.sum(axis=-1, keepdims=True)
        return exps / np.where(total == 0, 1, total)

    def dropped(weights):
        return weights if dropout is None else weights * keep_mask(*dropout, weights.shape, np) / (1 - dropout[0])

    def out(dropped, v):
        return np.einsum("bhts,bhsd->bhtd", dropped, v)

    return {"scores": scores, "weights": weights, "dropped": dropped, "out": out}


def _multi_head_attention(layer, probe):
    """q, k, v = the columns of each head of x W + b; attention; out = the heads side by side, times W_o."""
    drops = probe.key is not None and layer.dropout
    options = probe.masks | {"dropout": (layer.dropout, probe.key) if drops else None}
    inner = _attention(options)

    def affine(x, linear):
        return x @ linear.weight.data + (0 if linear.bias is None else linear.bias.data)

    def split(x):
        return np.stack(np.split(x, layer.num_heads, axis=-1), axis=1)  # (B, H, T, d_k)

    def heads(dropped, v):
        return np.concatenate(list(inner["out"](dropped, v).swapaxes(0, 1)), axis=-1)  # (B, T, D)

    if probe.inputs.get("memory") is None:
        k, v = (lambda x: split(affine(x, layer.w_k))), (lambda x: split(affine(x, layer.w_v)))
    else:
        k, v = (lambda memory: split(affine(memory, layer.w_k))), (lambda memory: split(affine(memory, layer.w_v)))
    return {
        "q": lambda x: split(affine(x, layer.w_q)),
        "k": k,
        "v": v,
        **{name: inner[name] for name in ("scores", "weights", "dropped")},
        "heads": heads,
        "out": lambda heads: affine(heads, layer.w_o),
    }


def _layer_norm(layer, probe):
    """normalized = (x - mean) * rstd; out = gamma * normalized + beta."""
    return {
        "centered": lambda x: x - x.mean(axis=-1, keepdims=True),
        "rstd": lambda centered: ((centered**2).mean(axis=-1, keepdims=True) + layer.eps) ** -0.5,
        "normalized": lambda centered, rstd: centered * rstd,
        "out": lambda normalized: layer.gamma.data * normalized + layer.beta.data,
    }


def _linear(layer, probe):
    """product = x W; out = product + b."""
    return {
        "product": lambda x: np.einsum("...i,io->...o", x, layer.weight.data),
        "out": lambda product: product + (0 if layer.bias is None else layer.bias.data),
    }


def _tied_linear(layer, probe):
    return {"out": lambda x: np.einsum("...d,vd->...v", x, layer.table.data)}


def _token_embedding(layer, probe):
    """rows = E[ids]; out = sqrt(D) rows."""
    width = layer.table.data.shape[-1]
    return {"rows": lambda ids: layer.table.data[ids], "out": lambda rows: np.sqrt(width) * rows}


def _relu(layer, probe):
    return {"out": lambda x: np.where(x > 0, x, 0)}


def _gelu(layer, probe):
    """cdf = Phi(x), or its approximation; out = x cdf."""

    def exact(x):
        return 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))

    def by_tanh(x):
        return 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    return {"cdf": by_tanh if layer.approximate == "tanh" else exact, "out": lambda x, cdf: x * cdf}


def _dropout(layer, probe):
    """out = x kept / (1 - p)."""
    if probe.key is None:
        return {"out": lambda x: x}
    return {"out": lambda x: x * keep_mask(layer.p, probe.key, x.shape, np) / (1 - layer.p)}


def _softmax_cross_entropy(layer, probe):
    """log_probabilities = log softmax(logits); losses = -sum_v q_v log_probabilities_v; out = their sum."""

    def log_probabilities(logits):
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))

    def losses(log_probabilities, targets):
        smoothing = layer.label_smoothing
        q = (1 - smoothing) * np.eye(log_probabilities.shape[-1])[targets] + smoothing / log_probabilities.shape[-1]
        return -(q * log_probabilities).sum(axis=-1)

    return {
        "log_probabilities": log_probabilities,
        "losses": losses,
        "out": lambda losses, targets: np.asarray(losses[targets != layer.pad_id].sum()),
    }


_MAKERS = {
    MultiHeadAttention: _multi_head_attention,
    LayerNorm: _layer_norm,
    Linear: _linear,
    TiedLinear: _tied_linear,
    TokenEmbedding: _token_embedding,
    ReLU: _relu,
    GELU: _gelu,
    Dropout: _dropout,
    SoftmaxCrossEntropy: _softmax_cross_entropy,
}
