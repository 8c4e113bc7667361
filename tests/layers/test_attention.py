"""Multi-head attention: what the heads are, and what decoding uses of it."""

import numpy as np
import pytest

from minisora.kernels import DropoutKey, attention_forward
from minisora.layers.attention import MultiHeadAttention

B, T, S, D, H = 2, 5, 7, 12, 3


@pytest.fixture
def layer(rng):
    layer = MultiHeadAttention(D, H, rng, dtype=np.float64)
    for _, parameter in layer.parameters():
        parameter.data[:] = rng.normal(0, 0.5, parameter.data.shape)
    return layer


def head_by_head(layer, x, memory, key_mask):
    """Each head alone, from its own columns of the projections; then side by side through W_o."""
    heads = []
    for i in range(H):
        columns = slice(i * D // H, (i + 1) * D // H)
        q, k, v = (
            (a @ w.weight.data[:, columns] + w.bias.data[columns])[:, None]
            for a, w in ((x, layer.w_q), (memory, layer.w_k), (memory, layer.w_v))
        )
        heads.append(attention_forward(q, k, v, key_mask=key_mask)[0][:, 0])
    return np.concatenate(heads, axis=-1) @ layer.w_o.weight.data + layer.w_o.bias.data


def test_the_heads_are_the_columns(layer, rng):
    x, memory = rng.normal(size=(B, T, D)), rng.normal(size=(B, S, D))
    key_mask = rng.random((B, S)) < 0.7
    expected = head_by_head(layer, x, memory, key_mask)
    np.testing.assert_allclose(layer(x, memory, key_mask=key_mask), expected, rtol=1e-12)
    np.testing.assert_allclose(layer(x), head_by_head(layer, x, x, None), rtol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_weights_are_dropped_under_the_key(rng, causal):
    layer, key = MultiHeadAttention(D, H, rng, dropout=0.4, dtype=np.float64), DropoutKey(3)
    x, memory = rng.normal(size=(B, T, D)), rng.normal(size=(B, S, D))
    q, k, v = (layer.split(w(a)) for a, w in ((x, layer.w_q), (memory, layer.w_k), (memory, layer.w_v)))
    heads, _ = attention_forward(q, k, v, causal=causal, dropout=(0.4, key))
    expected = layer.w_o(layer.merge(heads))
    out, cache = layer.forward(x, memory, key=key, causal=causal)
    np.testing.assert_array_equal(out, expected)
    assert cache.is_cross is True
    assert np.abs(out - layer(x, memory, causal=causal)).max() > 0.1
    assert layer.forward(x, key=key)[1].is_cross is False


def test_bias_and_precision_are_those_asked_for(rng):
    without = MultiHeadAttention(D, H, rng, bias=False)
    assert [name for name, _ in without.parameters()] == ["w_q.weight", "w_k.weight", "w_v.weight", "w_o.weight"]
    assert {parameter.data.dtype.name for _, parameter in MultiHeadAttention(D, H, rng).parameters()} == {"float32"}
    assert len(list(MultiHeadAttention(D, H, rng).parameters())) == 8


def test_split_and_merge_are_inverse(layer, rng):
    x = rng.normal(size=(B, T, D))
    assert layer.split(x).shape == (B, H, T, D // H)
    np.testing.assert_array_equal(layer.split(x)[1, 2, 3], x[1, 3, 2 * D // H :])
    np.testing.assert_array_equal(layer.merge(layer.split(x)), x)


def test_self_attention_is_cross_attention_to_itself_with_the_gradients_added(layer, rng):
    x, dout = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, D))
    out, cache = layer.forward(x, causal=True)
    dx = layer.backward(dout, cache)
    grads = {name: p.grad.copy() for name, p in layer.parameters()}
    layer.zero_grad()
    same, cross_cache = layer.forward(x, x, causal=True)
    np.testing.assert_array_equal(same, out)
    np.testing.assert_allclose(sum(layer.backward(dout, cross_cache)), dx, rtol=1e-12, atol=1e-14)
    for name, parameter in layer.parameters():
        np.testing.assert_allclose(parameter.grad, grads[name], rtol=1e-12, atol=1e-14)


def test_remember_and_attend_are_forward_in_two_parts(layer, rng):
    x, memory = rng.normal(size=(B, T, D)), rng.normal(size=(B, S, D))
    key_mask = rng.random((B, S)) < 0.7
    attended = layer.attend(x[:, 2], layer.remember(memory), key_mask)
    np.testing.assert_allclose(attended, layer(x, memory, key_mask=key_mask)[:, 2], rtol=1e-13)
    for several, one in zip(layer.remember(memory), layer.remember(memory[:, 3]), strict=True):
        np.testing.assert_allclose(one, several[:, :, 3:4], rtol=1e-13)


def test_the_cache_shows_the_weights(layer, rng):
    _, cache = layer.forward(rng.normal(size=(B, T, D)), rng.normal(size=(B, S, D)))
    assert cache.weights.shape == (B, H, T, S)
    np.testing.assert_allclose(cache.weights.sum(axis=-1), 1, rtol=1e-14)


def test_heads_must_divide_the_width(rng):
    with pytest.raises(ValueError, match="multiple of num_heads, got 10 and 3"):
        MultiHeadAttention(10, 3, rng)


def test_a_dropout_probability_out_of_range_is_refused(rng):
    with pytest.raises(ValueError, match="dropout probability"):
        MultiHeadAttention(12, 3, rng, dropout=1.5)


def test_an_unknown_backend_is_refused(rng):
    with pytest.raises(ValueError, match="unknown attention backend"):
        MultiHeadAttention(12, 3, rng, backend="cuda-magic")
