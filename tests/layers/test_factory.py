"""Which class is built for which part of a layer, and with which arguments."""

from dataclasses import replace

import numpy as np
import pytest

from minisora.config import SoraConfig
from minisora.layers.activation import GELU, ReLU
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.factory import LayerFactory
from minisora.layers.feed_forward import FeedForward
from minisora.layers.normalization import LayerNorm

CONFIG = SoraConfig(
    source_vocab_size=23, target_vocab_size=23, d_model=6, num_heads=2, d_ff=13, dropout=0.4, norm_eps=0.03,
    activation="gelu",
)  # fmt: skip


class Attention(MultiHeadAttention):
    pass


class Fed(FeedForward):
    pass


class Norm(LayerNorm):
    pass


class Active(ReLU):
    pass


def test_the_standard_layers_follow_the_config(rng):
    build = LayerFactory(CONFIG, rng)
    attention, feed_forward, norm = build.attention(), build.feed_forward(), build.norm()
    assert (type(attention), type(feed_forward), type(norm)) == (MultiHeadAttention, FeedForward, LayerNorm)
    assert (attention.num_heads, attention.dropout, len(attention.w_q.weight.data)) == (2, 0.4, 6)
    assert feed_forward.w_1.weight.data.shape == (6, 13)
    assert (type(feed_forward.activation), feed_forward.dropout.p) == (GELU, 0.4)
    assert (norm.eps, norm.gamma.data.shape) == (0.03, (6,))
    for layer in (attention, feed_forward, norm):
        assert {parameter.data.dtype.name for _, parameter in layer.parameters()} == {"float32"}


def test_two_parts_can_have_a_dropout_of_their_own(rng):
    build = LayerFactory(replace(CONFIG, attention_dropout=0.2, feed_forward_dropout=0.0), rng)
    assert (build.attention().dropout, build.feed_forward().dropout.p) == (0.2, 0.0)
    build = LayerFactory(replace(CONFIG, attention_dropout=0.0), rng)
    assert (build.attention().dropout, build.feed_forward().dropout.p) == (0.0, 0.4)


def test_each_can_be_replaced(rng):
    layers = {"attention": Attention, "feed_forward": Fed, "norm": Norm, "activation": Active}
    build = LayerFactory(CONFIG, rng, layers, np.float64)
    attention, feed_forward, norm = build.attention(), build.feed_forward(), build.norm()
    assert (type(attention), type(feed_forward), type(norm)) == (Attention, Fed, Norm)
    assert type(feed_forward.activation) is Active
    assert (attention.num_heads, attention.dropout) == (2, 0.4)
    assert feed_forward.w_1.weight.data.shape == (6, 13)
    assert feed_forward.dropout.p == 0.4
    assert norm.eps == 0.03
    for layer in (attention, feed_forward, norm):
        assert {parameter.data.dtype.name for _, parameter in layer.parameters()} == {"float64"}


def test_another_name_is_refused(rng):
    with pytest.raises(ValueError, match=r"replaceable layers are attention, .*, got atention, norms"):
        LayerFactory(CONFIG, rng, {"norms": Norm, "atention": Attention, "norm": Norm})


def test_what_was_asked_for_is_not_changed(rng):
    layers = {"norm": Norm}
    assert LayerFactory(CONFIG, rng, layers).layers is not layers
