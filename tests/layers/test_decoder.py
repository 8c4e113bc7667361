"""Decoder layer and stack against their formulas, put together from the sub-layers: which key and mask goes where."""

import numpy as np
import pytest

from minisora.config import SoraConfig
from minisora.gradcheck import randomize
from minisora.kernels import DropoutKey
from minisora.layers.decoder import Decoder, DecoderLayer
from minisora.layers.decoder_state import LayerState
from minisora.layers.normalization import LayerNorm

B, T, S, D = 3, 5, 7, 6
KEY = DropoutKey(13)


def config(**changes):
    return SoraConfig(
        source_vocab_size=23, target_vocab_size=23, d_model=D, num_heads=2, d_ff=13, dropout=0.4,
        **{"num_decoder_layers": 3, **changes},
    )  # fmt: skip


def mask(rng, length):
    visible = rng.random((B, length)) < 0.7
    visible[:, 0] = True
    return visible


@pytest.fixture
def inputs(rng):
    """x, memory, key_mask, memory_mask."""
    return rng.normal(size=(B, T, D)), rng.normal(size=(B, S, D)), mask(rng, T), mask(rng, S)


def run(layer, *inputs, **options):
    return layer.forward(*inputs, **options)[0]


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_layer_is_its_formula(rng, inputs, norm, key):
    x, memory, key_mask, memory_mask = inputs
    layer = randomize(DecoderLayer(config(norm=norm), rng, dtype=np.float64), rng)

    def named(name):
        return key and key.child(name)

    def self_attention(x):
        attended = run(layer.self_attention, x, key=named("self_attention"), key_mask=key_mask, causal=True)
        return run(layer.dropout_1, attended, key=named("dropout_1"))

    def cross_attention(x):
        attended = run(layer.cross_attention, x, memory, key=named("cross_attention"), key_mask=memory_mask)
        return run(layer.dropout_2, attended, key=named("dropout_2"))

    def feed_forward(x):
        return run(layer.dropout_3, run(layer.feed_forward, x, key=named("feed_forward")), key=named("dropout_3"))

    if norm == "pre":
        x1 = x + self_attention(layer.norm_1(x))
        x2 = x1 + cross_attention(layer.norm_2(x1))
        expected = x2 + feed_forward(layer.norm_3(x2))
    else:
        x1 = layer.norm_1(x + self_attention(x))
        x2 = layer.norm_2(x1 + cross_attention(x1))
        expected = layer.norm_3(x2 + feed_forward(x2))
    out = run(layer, x, memory, key=key, key_mask=key_mask, memory_mask=memory_mask)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_stack_is_its_layers_each_with_a_key_of_its_own(rng, inputs, norm):
    x, memory, key_mask, memory_mask = inputs
    stack = randomize(Decoder(config(norm=norm), rng, dtype=np.float64), rng)
    expected = x
    for i, layer in enumerate(stack.layers):
        expected = run(layer, expected, memory, key=KEY.child(i), key_mask=key_mask, memory_mask=memory_mask)
    expected = expected if stack.norm is None else stack.norm(expected)
    out = run(stack, x, memory, key=KEY, key_mask=key_mask, memory_mask=memory_mask)
    np.testing.assert_array_equal(out, expected)
    assert len(stack.layers) == 3
    assert (stack.norm is None) == (norm == "post")


def test_a_layer_without_a_memory_is_refused(rng, inputs):
    with pytest.raises(ValueError, match="expects memory"):
        DecoderLayer(config(), rng, dtype=np.float64).forward(inputs[0], None)


def test_a_cache_or_a_state_of_another_stack_is_refused(rng, inputs):
    x, memory, *_ = inputs
    three, two = (Decoder(config(num_decoder_layers=n), rng, dtype=np.float64) for n in (3, 2))
    out, cache = three.forward(x, memory)
    with pytest.raises(ValueError, match=r"longer|shorter"):
        two.backward(out, cache)
    with pytest.raises(ValueError, match=r"longer|shorter"):
        two.step(x[:, 0], [LayerState(layer.cross_attention.remember(memory), 4) for layer in three.layers])


def test_what_is_built_has_the_sizes_and_the_precision_asked_for(rng):
    stack = Decoder(config(), rng)
    assert {parameter.data.dtype for _, parameter in stack.parameters()} == {np.dtype(np.float32)}
    layer = stack.layers[0]
    assert layer.dropout_1.p == layer.dropout_2.p == layer.dropout_3.p == layer.feed_forward.dropout.p == 0.4
    assert layer.self_attention.dropout == layer.cross_attention.dropout == 0.4


class Shifted(LayerNorm):
    pass


def test_layers_of_ones_own_are_built_everywhere(rng):
    stack = Decoder(config(), rng, layers={"norm": Shifted}, dtype=np.float64)
    norms = [stack.norm, *(norm for layer in stack.layers for norm in (layer.norm_1, layer.norm_2, layer.norm_3))]
    assert all(type(norm) is Shifted and norm.gamma.data.dtype == np.float64 for norm in norms)
