"""Attention's kernels and multi-head attention against torch, at random sizes, scales and masks."""

import numpy as np
import pytest

from minisora.gradcheck import FunctionPair
from minisora.kernels import attention_backward, attention_forward
from minisora.layers.attention import MultiHeadAttention

torch = pytest.importorskip("torch", reason="parity tests need torch: pip install 'minisora[parity]'")
nn, F = torch.nn, torch.nn.functional

ATTENTION = FunctionPair(attention_forward, attention_backward)
PADDING = pytest.mark.parametrize("padding", [False, True], ids=["all-keys", "padding"])
CAUSAL = pytest.mark.parametrize("causal", [False, True], ids=["all-times", "causal"])


def draw_heads(parity, rng, causal):
    """q, k, v with d_k unlike d_v; causal needs T <= S, or the first queries see nothing."""
    batch, heads, d_k, d_v = parity.draw_sizes(rng, 4, smallest=1)
    targets, sources = parity.draw_sizes(rng, 2)
    if causal:
        targets, sources = sorted((targets, sources))
    shapes = {"q": (targets, d_k), "k": (sources, d_k), "v": (sources, d_v)}
    return {name: rng.normal(size=(batch, heads, *shape)) for name, shape in shapes.items()}


@PADDING
@CAUSAL
def test_scaled_dot_product_attention(parity, rng, padding, causal):
    inputs = draw_heads(parity, rng, causal)
    (batch, _, targets, _), sources = inputs["q"].shape, inputs["k"].shape[2]
    key_mask = parity.draw_key_mask(rng, batch, sources, causal) if padding else None
    scale = rng.choice([None, rng.uniform(0.1, 2)])
    visible = parity.past(targets, sources) if causal else np.ones((targets, sources), bool)
    visible = visible if key_mask is None else visible & key_mask[:, None, None, :]  # torch.nn.functional: True = may

    def call(q, k, v):
        mask = torch.from_numpy(visible) if padding or causal else None
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)

    parity.hold(ATTENTION, None, inputs, rng, call=call, key_mask=key_mask, causal=causal, scale=scale)


def test_causal_is_torch_s_is_causal_where_both_lengths_agree(parity, rng):
    batch, heads, length, d_k = parity.draw_sizes(rng, 4)
    inputs = {name: rng.normal(size=(batch, heads, length, d_k)) for name in "qkv"}
    call = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)  # noqa: E731
    parity.hold(ATTENTION, None, inputs, rng, call=call, causal=True)


def draw_multi_head(parity, rng, bias):
    """(d_model, minisora's layer, torch's module)."""
    heads, d_k = parity.draw_sizes(rng, 2, smallest=1)
    layer = MultiHeadAttention(heads * d_k, heads, rng, bias=bias, dtype=np.float64)
    module = nn.MultiheadAttention(heads * d_k, heads, bias=bias, batch_first=True, dtype=torch.float64)
    return heads * d_k, layer, module


def torch_call(parity, module, targets, sources, key_mask, causal):
    """Function of (query, memory); both masks are inverted, True = hidden."""
    masks = {"key_padding_mask": parity.hidden(key_mask), "need_weights": False}
    masks["attn_mask"] = parity.hidden(parity.past(targets, sources)) if causal else None
    return lambda x, memory: module(x, memory, memory, **masks)[0]


@PADDING
@CAUSAL
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_self_attention(parity, rng, padding, causal, bias):
    d_model, layer, module = draw_multi_head(parity, rng, bias)
    batch, length = parity.draw_sizes(rng, 2)
    key_mask = parity.draw_key_mask(rng, batch, length, causal) if padding else None
    attend = torch_call(parity, module, length, length, key_mask, causal)
    inputs = {"x": rng.normal(size=(batch, length, d_model))}
    parity.hold(layer, module, inputs, rng, call=lambda x: attend(x, x), key_mask=key_mask, causal=causal)


@PADDING
@CAUSAL
def test_cross_attention(parity, rng, padding, causal):
    d_model, layer, module = draw_multi_head(parity, rng, bias=True)
    batch, targets, sources = parity.draw_sizes(rng, 3)
    if causal:
        targets, sources = sorted((targets, sources))
    key_mask = parity.draw_key_mask(rng, batch, sources, causal) if padding else None
    attend = torch_call(parity, module, targets, sources, key_mask, causal)
    inputs = {"x": rng.normal(size=(batch, targets, d_model)), "memory": rng.normal(size=(batch, sources, d_model))}
    parity.hold(layer, module, inputs, rng, call=attend, key_mask=key_mask, causal=causal)
