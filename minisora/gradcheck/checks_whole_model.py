"""Checks of the whole model: sampled entries of every tensor, and one direction over all of them at once."""

import numpy as np

from minisora.config import SoraConfig
from minisora.gradcheck.checker import MODEL_TOLERANCE
from minisora.gradcheck.probe import Probe, randomize
from minisora.gradcheck.registry import register
from minisora.gradcheck.sizes import D_FF, V_SOURCE, V_TARGET, B, D, H, S, T, padded_ids
from minisora.kernels import DropoutKey
from minisora.model import SoraModel

_VARIANTS = {
    f"{norm}-tie-{tie}": {"norm": norm, "tie": tie, "activation": activation, "positions": positions}
    for norm, tie, activation, positions in [
        ("pre", "none", "relu", "sinusoidal"),
        ("pre", "output", "gelu", "learned"),
        ("pre", "all", "gelu_tanh", "sinusoidal"),
        ("post", "none", "gelu", "learned"),
        ("post", "output", "relu", "sinusoidal"),
        ("post", "all", "relu", "learned"),
    ]
}
_VARIANTS |= {
    f"rnn-{cell}": {"encoder": "rnn", "cell": cell, "norm": norm, "tie": "none", "bidirectional": bidirectional}
    for cell, norm, bidirectional in [("rnn", "post", True), ("gru", "pre", False), ("lstm", "pre", True)]
}
_VARIANTS |= {
    f"copy-tie-{tie}": {"copy": True, "tie": tie, "norm": norm} for tie, norm in [("none", "post"), ("all", "pre")]
}


@register(
    "SoraModel",
    {f"{name}-entries": variant for name, variant in _VARIANTS.items()},
    entries=3,
    tolerance=MODEL_TOLERANCE,
)
@register(
    "SoraModel",
    {f"{name}-direction": variant for name, variant in _VARIANTS.items()},
    mode="directional",
    tolerance=MODEL_TOLERANCE,
)
def sora_model(rng, *, tie, **variant):
    """Padding in source and target, repeated ids, T != S, dropout on with a fixed key."""
    config = SoraConfig(
        source_vocab_size=V_TARGET if tie == "all" or variant.get("copy") else V_SOURCE,
        target_vocab_size=V_TARGET,
        d_model=D,
        num_heads=H,
        d_ff=D_FF,
        num_encoder_layers=2,
        num_decoder_layers=2,
        dropout=0.2,
        max_len=13,
        tie=tie,
        **variant,
    )
    model = randomize(SoraModel(config, rng, dtype=np.float64), rng)
    inputs = {
        "source_ids": padded_ids(rng, config.source_vocab_size, B, S),
        "decoder_ids": padded_ids(rng, V_TARGET, B, T),
    }
    return Probe(model, inputs, key=DropoutKey(59))
