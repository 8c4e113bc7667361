"""Linear, TokenEmbedding, LayerNorm and the activations against torch, at random sizes."""

import math

import numpy as np
import pytest

from minisora.layers.activation import GELU, ReLU
from minisora.layers.embedding import TokenEmbedding
from minisora.layers.linear import Linear
from minisora.layers.normalization import LayerNorm

torch = pytest.importorskip("torch", reason="parity tests need torch: pip install 'minisora[parity]'")
nn, F = torch.nn, torch.nn.functional


def draw_rows(rng):
    """The axes before the last: none, or up to three."""
    return tuple(rng.integers(1, 6, rng.integers(0, 4)).tolist())


@pytest.mark.parametrize("bias", [True, False])
def test_linear(parity, rng, bias):
    d_in, d_out = parity.draw_sizes(rng, 2, smallest=1)
    module = nn.Linear(d_in, d_out, bias=bias, dtype=torch.float64)
    layer = Linear(d_in, d_out, rng, bias=bias, dtype=np.float64)
    parity.hold(layer, module, {"x": rng.normal(size=(*draw_rows(rng), d_in))}, rng)


def test_embedding_is_torch_s_times_the_square_root_of_d_model(parity, rng):
    vocab_size, d_model = parity.draw_sizes(rng, 2)
    module = nn.Embedding(vocab_size, d_model, dtype=torch.float64)
    ids = rng.integers(0, vocab_size, (*draw_rows(rng), vocab_size + 1))  # some id comes twice
    layer = TokenEmbedding(vocab_size, d_model, rng, dtype=np.float64)
    parity.hold(layer, module, {"ids": ids}, rng, call=lambda ids: module(ids) * math.sqrt(d_model))


def test_layer_norm(parity, rng):
    d_model, eps = int(rng.integers(3, 30)), 10 ** rng.uniform(-6, -1)
    module = nn.LayerNorm(d_model, eps=eps, dtype=torch.float64)
    x = rng.normal(rng.normal(0, 3), rng.uniform(0.1, 5), (*draw_rows(rng), d_model))
    parity.hold(LayerNorm(d_model, eps=eps, dtype=np.float64), module, {"x": x}, rng)


ACTIVATIONS = {
    "relu": (ReLU(), F.relu),
    "gelu": (GELU(), F.gelu),
    "gelu_tanh": (GELU("tanh"), lambda x: F.gelu(x, approximate="tanh")),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(parity, rng, name):
    layer, function = ACTIVATIONS[name]
    x = rng.normal(0, rng.uniform(0.5, 9), (*draw_rows(rng), 31))  # the tails too
    parity.hold(layer, None, {"x": x}, rng, call=function)
