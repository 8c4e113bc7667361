"""The forward of a layer as named pure functions, so that a checker can begin to differentiate at any of them.

Stages are a dict from the name of an intermediate to the function that computes it. A function's argument names say
what it reads: inputs of forward, or earlier stages; parameters it reads from the layer. The last one is the output::

    def stages(self, *, key=None, **masks):
        return {
            "scores": lambda q, k: q @ k.swapaxes(-1, -2),
            "weights": lambda scores: softmax(scores),
            "out": lambda weights, v: weights @ v,
        }

A layer of one's own may have this method. For the layers of minisora the stages are written here once more, straight
from the formula and independent of the code that they explain.
"""

import inspect

import numpy as np

from minisora.kernels import keep_mask
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.normalization import LayerNorm


def stages_of(probe):
    """Return the stages of a probe's layer: its own, or those of the specification; None where there are neither."""
    layer = probe.layer
    if callable(getattr(layer, "stages", None)):
        return layer.stages(key=probe.key, **probe.masks)
    if isinstance(layer, MultiHeadAttention):
        return _multi_head_attention(layer, probe)
    if isinstance(layer, LayerNorm):
        return _layer_norm(layer)
    if set(probe.inputs) == {"q", "k", "v"}:
        return _attention(probe.masks)
    return None


def arguments(stage):
    """Return the names of what a stage reads."""
    return list(inspect.signature(stage).parameters)


def evaluate(stages, values, first=0):
    """Return ``{name: value}`` of the inputs and all stages; those before the stage of this number are taken over."""
    values = dict(values)
    for name in list(stages)[first:]:
        read = arguments(stages[name])
        if missing := [argument for argument in read if argument not in values]:
            known = ", ".join(values)
            raise ValueError(
                f"stage {name!r} is expected to read inputs or earlier stages ({known}), got {missing[0]!r}"
            )
        values[name] = stages[name](*(values[argument] for argument in read))
    return values


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


def _layer_norm(layer):
    """normalized = (x - mean) * rstd; out = gamma * normalized + beta."""
    return {
        "centered": lambda x: x - x.mean(axis=-1, keepdims=True),
        "rstd": lambda centered: ((centered**2).mean(axis=-1, keepdims=True) + layer.eps) ** -0.5,
        "normalized": lambda centered, rstd: centered * rstd,
        "out": lambda normalized: layer.gamma.data * normalized + layer.beta.data,
    }
