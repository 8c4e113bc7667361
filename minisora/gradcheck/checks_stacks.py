"""Checks of the encoder's and the decoder's layers and stacks, and of the loss."""

import numpy as np

from minisora.config import SoraConfig
from minisora.gradcheck.probe import Probe, randomize
from minisora.gradcheck.registry import register
from minisora.gradcheck.sizes import D_FF, V_TARGET, B, D, H, S, T, padded_ids, padding
from minisora.kernels import DropoutKey
from minisora.layers.decoder import Decoder, DecoderLayer
from minisora.layers.encoder import Encoder, EncoderLayer
from minisora.layers.loss import SoftmaxCrossEntropy

_KEY = DropoutKey(53)
_LAYERS = {
    "pre-relu-dropout": {"norm": "pre", "activation": "relu", "key": _KEY},
    "post-gelu-dropout": {"norm": "post", "activation": "gelu", "key": _KEY},
    "post-relu": {"norm": "post", "activation": "relu"},
}
_STACKS = {
    "pre-gelu-tanh-dropout": {"norm": "pre", "activation": "gelu_tanh", "key": _KEY},
    "post-relu-dropout": {"norm": "post", "activation": "relu", "key": _KEY},
}


def _config(norm, activation):
    return SoraConfig(
        source_vocab_size=V_TARGET,
        target_vocab_size=V_TARGET,
        d_model=D,
        num_heads=H,
        d_ff=D_FF,
        num_encoder_layers=2,
        num_decoder_layers=2,
        dropout=0.3,
        norm=norm,
        activation=activation,
    )


@register("EncoderLayer", {**_LAYERS, "pre-no-padding": {"norm": "pre", "activation": "gelu", "pad": False}})
def encoder_layer(rng, *, norm, activation, key=None, pad=True, kind=EncoderLayer):
    layer = randomize(kind(_config(norm, activation), rng, dtype=np.float64), rng)
    masks = {"key_mask": padding(rng, B, S)} if pad else {}
    return Probe(layer, {"x": rng.normal(size=(B, S, D))}, key=key, masks=masks)


@register("Encoder", _STACKS)
def encoder(rng, **variant):
    return encoder_layer(rng, **variant, kind=Encoder)


@register("DecoderLayer", {**_LAYERS, "pre-no-padding": {"norm": "pre", "activation": "gelu", "pad": False}})
def decoder_layer(rng, *, norm, activation, key=None, pad=True, kind=DecoderLayer):
    layer = randomize(kind(_config(norm, activation), rng, dtype=np.float64), rng)
    inputs = {"x": rng.normal(size=(B, T, D)), "memory": rng.normal(size=(B, S, D))}
    masks = {"memory_mask": padding(rng, B, S)} if pad else {}
    return Probe(layer, inputs, key=key, masks=masks)


@register("Decoder", _STACKS)
def decoder(rng, **variant):
    return decoder_layer(rng, **variant, kind=Decoder)


@register(
    "SoftmaxCrossEntropy",
    {
        "padding": {},
        "smoothing": {"label_smoothing": 0.1},
        "equal-logits": {"equal": True},  # a target told by its value instead of its place has a double here
    },
)
def softmax_cross_entropy(rng, *, label_smoothing=0.0, equal=False, make=SoftmaxCrossEntropy):
    logits = rng.normal(0, 2, (B, T, V_TARGET))
    logits = np.round(logits) if equal else logits
    targets = padded_ids(rng, V_TARGET, B, T)
    return Probe(make(label_smoothing=label_smoothing), {"logits": logits, "targets": targets})
