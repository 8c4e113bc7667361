"""The feed-forward layer against its formula."""

import numpy as np
import pytest

from minisora.gradcheck import randomize
from minisora.kernels import DropoutKey
from minisora.layers import layer
from minisora.layers.activation import GELU, ReLU
from minisora.layers.feed_forward import FeedForward, activation_name, named_activation


@pytest.mark.parametrize("key", [DropoutKey(3), None])
@pytest.mark.parametrize(
    ("activation", "formula"),
    [("relu", ReLU()), ("gelu", GELU("none")), ("gelu_tanh", GELU("tanh")), (GELU("tanh"), GELU("tanh"))],
)
def test_it_is_its_formula(rng, activation, formula, key):
    layer = randomize(FeedForward(6, 13, rng, activation=activation, dropout=0.4, dtype=np.float64), rng)
    x = rng.normal(size=(3, 5, 6))
    active = formula(x @ layer.w_1.weight.data + layer.w_1.bias.data)
    kept, _ = layer.dropout.forward(active, key=key and key.child("dropout"))
    expected = kept @ layer.w_2.weight.data + layer.w_2.bias.data
    np.testing.assert_allclose(layer.forward(x, key=key)[0], expected, rtol=1e-13)


def test_what_is_built_has_the_sizes_and_the_precision_asked_for(rng):
    layer = FeedForward(6, 13, rng, dropout=0.4)
    assert {name: (p.data.shape, p.data.dtype.name) for name, p in layer.parameters()} == {
        "w_1.weight": ((6, 13), "float32"),
        "w_1.bias": ((13,), "float32"),
        "w_2.weight": ((13, 6), "float32"),
        "w_2.bias": ((6,), "float32"),
    }
    assert isinstance(layer.activation, ReLU)
    assert layer.dropout.p == 0.4


class Halved:
    def forward(self, x, *, key=None):
        return x / 2, None

    def backward(self, dout, cache):
        return dout / 2


def test_an_activation_of_another_base_class_is_taken(rng):
    activation = Halved()
    assert FeedForward(6, 13, rng, activation=activation).activation is activation


def test_an_unknown_activation_is_refused(rng):
    with pytest.raises(ValueError, match="swish"):
        FeedForward(6, 13, rng, activation="swish")


@pytest.mark.parametrize("name", ["relu", "gelu", "gelu_tanh"])
def test_our_own_activations_have_their_names_and_others_none(name):
    """By its name an activation is fused; what is derived from one may compute something else."""
    activation = named_activation(name)
    assert activation_name(activation) == name
    assert activation_name(type("Derived", (type(activation),), {})()) is None


def test_both_directions_ask_the_backend_for_what_is_fused(rng, monkeypatch):
    """With the very array that it would be computed on: results with and without it differ by rounding alone."""
    feed_forward, asked = FeedForward(5, 13, rng, dtype=np.float64), []
    monkeypatch.setattr(layer, "get_elementwise", lambda name, x: asked.append((name, x.shape)))
    out, cache = feed_forward.use_backend("numba").forward(rng.normal(size=(2, 3, 5)))
    assert asked == [("numba", (2, 3, 13))]
    feed_forward.backward(out, cache)
    assert asked == [("numba", (2, 3, 13))] * 2
