"""Each layer's output and gradients against arrays that torch computed in float64 (see make_reference.py)."""

import numpy as np
import pytest

from minisora import SoraConfig
from minisora.kernels import attention_backward, attention_forward
from minisora.layers.activation import GELU, ReLU
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.decoder import DecoderLayer
from minisora.layers.embedding import TokenEmbedding
from minisora.layers.encoder import EncoderLayer
from minisora.layers.feed_forward import FeedForward
from minisora.layers.linear import Linear
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.normalization import LayerNorm
from minisora.layers.positional import SinusoidalPositions
from minisora.layers.recurrent import RecurrentStack

FLOAT64 = {"dtype": np.float64}
LAYER_CASES = ["pre-relu", "pre-gelu", "post-relu", "post-gelu"]


def layer_config(case_name, d_model=8, d_ff=11):
    norm, activation = case_name.split("-")
    sizes = {"source_vocab_size": 13, "target_vocab_size": 17, "d_model": d_model, "num_heads": 2, "d_ff": d_ff}
    return SoraConfig(**sizes, dropout=0.0, norm=norm, activation=activation)


@pytest.mark.parametrize("bias", [True, False])
def test_linear(frozen, rng, bias):
    case = frozen.read_case("linear", "bias" if bias else "no-bias")
    frozen.hold(Linear(7, 11, rng, bias=bias, **FLOAT64), case, case.inputs["x"])


def test_embedding_scales_by_the_square_root_of_d_model_and_sums_repeated_ids(frozen, rng):
    case = frozen.read_case("embedding", "scaled")
    frozen.hold(TokenEmbedding(13, 8, rng, **FLOAT64), case, case.inputs["ids"])


@pytest.mark.parametrize("name, offset", [("sinusoidal", 0), ("sinusoidal-offset", 41)])
def test_sinusoidal_positions(frozen, name, offset):
    case = frozen.read_case("embedding", name)
    frozen.hold(SinusoidalPositions(8), case, case.inputs["x"], offset=offset)


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_layer_norm_away_from_gamma_one(frozen, eps):
    case = frozen.read_case("normalization", f"eps-{eps}")
    frozen.hold(LayerNorm(8, eps=eps, **FLOAT64), case, case.inputs["x"])


@pytest.mark.parametrize("name, layer", [("relu", ReLU()), ("gelu", GELU()), ("gelu_tanh", GELU("tanh"))])
def test_activation(frozen, name, layer):
    case = frozen.read_case("activation", name)
    frozen.hold(layer, case, case.inputs["x"])


ATTENTION_CASES = [
    ("plain", {}),
    ("padding", {}),
    ("scale", {"scale": 0.7}),
    ("causal", {"causal": True}),
    ("causal-square", {"causal": True}),
    ("causal-padding", {"causal": True}),
]


@pytest.mark.parametrize("name, options", ATTENTION_CASES, ids=[name for name, _ in ATTENTION_CASES])
def test_scaled_dot_product_attention(frozen, name, options):
    case = frozen.read_case("attention", name)
    out, cache = attention_forward(**case.inputs, **case.masks, **options)
    frozen.assert_close({"out": out}, {"out": case.out})
    dinputs = dict(zip(("q", "k", "v"), attention_backward(case.dout, cache), strict=True))
    frozen.assert_close(dinputs, case.dinputs)


@pytest.mark.parametrize("name", ["self", "self-padding", "self-causal-padding", "cross", "cross-padding"])
def test_multi_head_attention(frozen, rng, name):
    case = frozen.read_case("multi_head_attention", name)
    frozen.hold(MultiHeadAttention(8, 2, rng, **FLOAT64), case, *case.inputs.values(), causal="causal" in name)


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
def test_feed_forward(frozen, rng, activation):
    case = frozen.read_case("feed_forward", activation)
    frozen.hold(FeedForward(8, 11, rng, activation=activation, **FLOAT64), case, case.inputs["x"])


@pytest.mark.parametrize("name", LAYER_CASES)
def test_encoder_layer(frozen, rng, name):
    case = frozen.read_case("encoder_layer", name)
    visible = case.masks["key_mask"][..., None]  # (B, S, 1): what stands at padding is nobody's business
    layer = EncoderLayer(layer_config(name), rng, **FLOAT64)
    case.out *= visible
    frozen.hold(Masked(layer, visible), case, case.inputs["x"])


@pytest.mark.parametrize("name", LAYER_CASES)
def test_decoder_layer(frozen, rng, name):
    case = frozen.read_case("decoder_layer", name)
    visible = case.masks["key_mask"][..., None]
    layer = DecoderLayer(layer_config(name), rng, **FLOAT64)
    case.out *= visible
    frozen.hold(Masked(layer, visible), case, case.inputs["x"], case.inputs["memory"])


class Masked:
    """A layer whose output at padding is set to 0: there torch and minisora may differ, and nobody looks."""

    def __init__(self, layer, visible):
        self.layer, self.visible, self.parameters, self.backward = layer, visible, layer.parameters, layer.backward

    def forward(self, *inputs, **masks):
        out, cache = self.layer.forward(*inputs, **masks)
        return out * self.visible, cache


@pytest.mark.parametrize("padding", ["", "-padding"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_two_recurrent_layers_in_both_directions(frozen, rng, cell, padding):
    case = frozen.read_case("recurrent", cell + padding)
    frozen.hold(RecurrentStack(8, 2, rng, cell=cell, **FLOAT64), case, case.inputs["x"])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_ignores_padding(frozen, smoothing):
    case = frozen.read_case("loss", f"smoothing-{smoothing}")
    loss = SoftmaxCrossEntropy(pad_id=0, label_smoothing=smoothing)
    (total, count), cache = loss.forward(**case.inputs)
    assert count == (case.inputs["targets"] != 0).sum() < case.inputs["targets"].size
    frozen.assert_close({"total": total}, {"total": case.out})
    frozen.assert_close({"logits": loss.backward(float(case.dout), cache)}, case.dinputs)
