"""Encoder layer and stack against their formulas, put together from the sub-layers: which key and mask goes where."""

import numpy as np
import pytest

from minisora.config import SoraConfig
from minisora.gradcheck import randomize
from minisora.kernels import DropoutKey
from minisora.layers.encoder import Encoder, EncoderLayer
from minisora.layers.normalization import LayerNorm

B, S, D = 3, 7, 6
KEY = DropoutKey(11)


def config(**changes):
    return SoraConfig(
        source_vocab_size=23, target_vocab_size=23, d_model=D, num_heads=2, d_ff=13, dropout=0.4,
        **{"num_encoder_layers": 3, **changes},
    )  # fmt: skip


@pytest.fixture
def inputs(rng):
    key_mask = rng.random((B, S)) < 0.7
    key_mask[:, 0] = True
    return rng.normal(size=(B, S, D)), key_mask


def run(layer, *inputs, **options):
    return layer.forward(*inputs, **options)[0]


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_layer_is_its_formula(rng, inputs, norm, key):
    x, key_mask = inputs
    layer = randomize(EncoderLayer(config(norm=norm), rng, dtype=np.float64), rng)

    def attention(x):
        attended = run(layer.self_attention, x, key=key and key.child("self_attention"), key_mask=key_mask)
        return run(layer.dropout_1, attended, key=key and key.child("dropout_1"))

    def feed_forward(x):
        return run(
            layer.dropout_2,
            run(layer.feed_forward, x, key=key and key.child("feed_forward")),
            key=key and key.child("dropout_2"),
        )

    if norm == "pre":
        h = x + attention(layer.norm_1(x))
        expected = h + feed_forward(layer.norm_2(h))
    else:
        h = layer.norm_1(x + attention(x))
        expected = layer.norm_2(h + feed_forward(h))
    np.testing.assert_array_equal(run(layer, x, key=key, key_mask=key_mask), expected)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_stack_is_its_layers_each_with_a_key_of_its_own(rng, inputs, norm):
    x, key_mask = inputs
    stack = randomize(Encoder(config(norm=norm), rng, dtype=np.float64), rng)
    expected = x
    for i, layer in enumerate(stack.layers):
        expected = run(layer, expected, key=KEY.child(i), key_mask=key_mask)
    expected = expected if stack.norm is None else stack.norm(expected)
    np.testing.assert_array_equal(run(stack, x, key=KEY, key_mask=key_mask), expected)
    assert len(stack.layers) == 3
    assert (stack.norm is None) == (norm == "post")


def test_a_cache_of_another_stack_is_refused(rng, inputs):
    three, two = (Encoder(config(num_encoder_layers=n), rng, dtype=np.float64) for n in (3, 2))
    out, cache = three.forward(inputs[0])
    with pytest.raises(ValueError, match=r"longer|shorter"):
        two.backward(out, cache)


def test_what_is_built_has_the_sizes_and_the_precision_asked_for(rng):
    stack = Encoder(config(), rng)
    assert {parameter.data.dtype for _, parameter in stack.parameters()} == {np.dtype(np.float32)}
    assert stack.layers[0].dropout_1.p == stack.layers[0].dropout_2.p == stack.layers[0].feed_forward.dropout.p == 0.4
    assert stack.layers[0].self_attention.dropout == 0.4
    assert stack.layers[0].self_attention.num_heads == 2
    assert stack.layers[0].feed_forward.w_1.weight.data.shape == (D, 13)


class Shifted(LayerNorm):
    pass


def test_layers_of_ones_own_are_built_everywhere(rng):
    stack = Encoder(config(), rng, layers={"norm": Shifted}, dtype=np.float64)
    norms = [stack.norm, *(norm for layer in stack.layers for norm in (layer.norm_1, layer.norm_2))]
    assert all(type(norm) is Shifted and norm.gamma.data.dtype == np.float64 for norm in norms)
