"""Checks of attention: the kernels' pair of functions itself, and the multi-head layer around it."""

import numpy as np

from minisora.gradcheck.probe import FunctionPair, Probe, randomize
from minisora.gradcheck.registry import register
from minisora.gradcheck.sizes import B, D, H, S, T, padding
from minisora.kernels import DropoutKey, get_backend
from minisora.layers.attention import MultiHeadAttention

_DROPOUT = (0.3, DropoutKey(41))


@register(
    "attention",
    {
        "plain": {},
        "scale": {"scale": 0.7},
        "padding": {"pad": True},
        "causal": {"causal": True},
        "causal-more-queries": {"causal": True, "targets": 11},  # the first four queries see nothing
        "blind-sequence": {"pad": True, "blind": True},  # one sequence all of whose keys are hidden
        "dropout": {"dropout": _DROPOUT},
        "causal-padding-dropout": {"causal": True, "pad": True, "dropout": _DROPOUT, "scale": 0.4},
    },
)
def attention(rng, *, targets=5, causal=False, scale=None, pad=False, blind=False, dropout=None):
    """B, H = 2, 3; T, S = 5, 7; d_k, d_v = 13, 17."""
    backend = get_backend("numpy")
    key_mask = padding(rng, 2, 7) if pad else None
    if blind:
        key_mask[1] = False
    inputs = {
        "q": rng.normal(size=(2, 3, targets, 13)),
        "k": rng.normal(size=(2, 3, 7, 13)),
        "v": rng.normal(size=(2, 3, 7, 17)),
    }
    masks = {"key_mask": key_mask, "causal": causal, "scale": scale, "dropout": dropout}
    return Probe(FunctionPair(backend.forward, backend.backward), inputs, masks=masks)


@register(
    "MultiHeadAttention",
    {
        "self": {"bias": False},
        "self-causal-padding": {"causal": True, "pad": True},
        "self-dropout": {"dropout": 0.3, "key": DropoutKey(43)},
        "cross": {"cross": True, "bias": False},
        "cross-padding": {"cross": True, "pad": True},
        "cross-causal-padding-dropout": {
            "cross": True,
            "causal": True,
            "pad": True,
            "dropout": 0.3,
            "key": DropoutKey(47),
        },
    },
)
def multi_head_attention(
    rng, *, make=MultiHeadAttention, cross=False, causal=False, pad=False, bias=True, dropout=0.0, key=None
):
    ours = {} if bias else {"bias": False}
    layer = randomize(make(D, H, rng, dropout=dropout, dtype=np.float64, **ours), rng)
    inputs = {"x": rng.normal(size=(B, T, D))}
    if cross:
        inputs["memory"] = rng.normal(size=(B, S, D))
    key_mask = padding(rng, B, S if cross else T) if pad else None
    return Probe(layer, inputs, key=key, masks={"key_mask": key_mask, "causal": causal})
