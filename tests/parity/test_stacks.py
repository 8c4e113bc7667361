"""Encoder and decoder layers and whole stacks against torch, at random sizes, depths and masks."""

from functools import partial

import numpy as np
import pytest

from minisora import SoraConfig
from minisora.layers.decoder import Decoder, DecoderLayer
from minisora.layers.encoder import Encoder, EncoderLayer
from minisora.layers.layer import Layer

torch = pytest.importorskip("torch", reason="parity tests need torch: pip install 'minisora[parity]'")
nn, F = torch.nn, torch.nn.functional

NORM = pytest.mark.parametrize("norm", ["pre", "post"])
ACTIVATION = pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
PADDING = pytest.mark.parametrize("padding", [False, True], ids=["no-padding", "padding"])


def draw_config(parity, rng, norm, activation):
    """A config, at least three wide: of two numbers LayerNorm leaves the sign alone."""
    heads, d_k, d_ff, encoder_layers, decoder_layers = parity.draw_sizes(rng, 5, smallest=1)
    return SoraConfig(
        source_vocab_size=5, target_vocab_size=5, d_model=heads * (d_k + 2), num_heads=heads, d_ff=d_ff, dropout=0.0,
        num_encoder_layers=(encoder_layers + 1) // 2, num_decoder_layers=(decoder_layers + 1) // 2,
        norm=norm, activation=activation, norm_eps=10 ** rng.uniform(-6, -2),
    )  # fmt: skip


def torch_layer(kind, config):
    """nn.TransformerEncoderLayer or nn.TransformerDecoderLayer of a config."""
    activation = partial(F.gelu, approximate="tanh") if config.activation == "gelu_tanh" else config.activation
    return kind(
        config.d_model, config.num_heads, config.d_ff, config.dropout, activation, layer_norm_eps=config.norm_eps,
        batch_first=True, norm_first=config.norm == "pre", dtype=torch.float64,
    )  # fmt: skip


def draw_pair(parity, rng, config, padding):
    """x (B, T, D), memory (B, S, D) and a mask for each."""
    batch, targets, sources = parity.draw_sizes(rng, 3)
    x, memory = (rng.normal(size=(batch, length, config.d_model)) for length in (targets, sources))
    if not padding:
        return x, memory, None, None
    key_mask = parity.draw_key_mask(rng, batch, targets, causal=True)
    return x, memory, key_mask, parity.draw_key_mask(rng, batch, sources)


def torch_masks(parity, targets, key_mask, memory_mask):
    """The masks of torch's decoder, True = hidden."""
    return {
        "tgt_mask": parity.hidden(parity.past(targets, targets)),
        "tgt_key_padding_mask": parity.hidden(key_mask),
        "memory_key_padding_mask": parity.hidden(memory_mask),
    }


@NORM
@ACTIVATION
@PADDING
def test_encoder_layer(parity, rng, norm, activation, padding):
    config = draw_config(parity, rng, norm, activation)
    _, x, _, key_mask = draw_pair(parity, rng, config, padding)
    module = torch_layer(nn.TransformerEncoderLayer, config)
    call = partial(module, src_key_padding_mask=parity.hidden(key_mask))
    layer = EncoderLayer(config, rng, dtype=np.float64)
    parity.hold(layer, module, {"x": x}, rng, call=call, key_mask=key_mask)


@NORM
@ACTIVATION
@PADDING
def test_decoder_layer(parity, rng, norm, activation, padding):
    config = draw_config(parity, rng, norm, activation)
    x, memory, key_mask, memory_mask = draw_pair(parity, rng, config, padding)
    module = torch_layer(nn.TransformerDecoderLayer, config)
    call = partial(module, **torch_masks(parity, x.shape[1], key_mask, memory_mask))
    layer, inputs = DecoderLayer(config, rng, dtype=np.float64), {"x": x, "memory": memory}
    parity.hold(layer, module, inputs, rng, call=call, key_mask=key_mask, memory_mask=memory_mask)


class EncoderDecoder(Layer):
    """The two stacks as nn.Transformer joins them."""

    def __init__(self, config, rng):
        self.encoder = Encoder(config, rng, dtype=np.float64)
        self.decoder = Decoder(config, rng, dtype=np.float64)

    def forward(self, source, target, *, source_mask, key_mask, memory_mask):
        memory, encoder = self.encoder.forward(source, key_mask=source_mask)
        out, decoder = self.decoder.forward(target, memory, key_mask=key_mask, memory_mask=memory_mask)
        return out, (encoder, decoder)

    def backward(self, dout, cache):
        encoder, decoder = cache
        dtarget, dmemory = self.decoder.backward(dout, decoder)
        return self.encoder.backward(dmemory, encoder), dtarget


def torch_stacks(config):
    """nn.Transformer with a last norm in pre-norm alone, as ours; left to itself it has one in post-norm too."""
    final_norms = [None, None]
    if config.norm == "pre":
        final_norms = [nn.LayerNorm(config.d_model, config.norm_eps, dtype=torch.float64) for _ in range(2)]
    encoder_layer, decoder_layer = (
        torch_layer(kind, config) for kind in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    )
    encoder = nn.TransformerEncoder(
        encoder_layer, config.num_encoder_layers, final_norms[0], enable_nested_tensor=False
    )
    decoder = nn.TransformerDecoder(decoder_layer, config.num_decoder_layers, final_norms[1])
    return nn.Transformer(
        config.d_model, config.num_heads, custom_encoder=encoder, custom_decoder=decoder, batch_first=True
    )


@NORM
@PADDING
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_transformer(parity, rng, norm, activation, padding):
    config = draw_config(parity, rng, norm, activation)
    target, source, key_mask, memory_mask = draw_pair(parity, rng, config, padding)
    source_mask = parity.draw_key_mask(rng, *source.shape[:2]) if padding else None  # unlike memory_mask: none swapped
    masks = {"key_mask": key_mask, "memory_mask": memory_mask}
    module = torch_stacks(config)
    hide = torch_masks(parity, target.shape[1], **masks) | {"src_key_padding_mask": parity.hidden(source_mask)}
    layer, inputs = EncoderDecoder(config, rng), {"source": source, "target": target}
    parity.hold(layer, module, inputs, rng, call=partial(module, **hide), source_mask=source_mask, **masks)
