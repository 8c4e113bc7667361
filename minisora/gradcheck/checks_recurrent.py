"""Checks of the recurrent layers, from one direction to the whole encoder; sequences have length T = 7, to be quick."""

import numpy as np

from minisora.config import SoraConfig
from minisora.gradcheck.probe import Probe, randomize
from minisora.gradcheck.registry import register
from minisora.gradcheck.sizes import D_FF, V_TARGET, B, D, H, T, padding, suffix_padding
from minisora.kernels import DropoutKey
from minisora.layers.recurrent import Bidirectional, Recurrent, RecurrentStack
from minisora.layers.recurrent_encoder import AttentionOnTop, RecurrentEncoder

_KEY = DropoutKey(61)
_CELLS = ("rnn", "gru", "lstm")
_MASKS = {"whole": None, "padding": suffix_padding, "holes": padding}


def _probe(layer, rng, mask, key=None, width=D):
    masks = {} if mask is None else {"key_mask": mask(rng, B, T)}
    return Probe(randomize(layer, rng), {"x": rng.normal(size=(B, T, width))}, key=key, masks=masks)


_WAYS = [("right", "whole"), ("right", "holes"), ("left", "padding"), ("left", "holes")]


@register(
    "Recurrent",
    {
        f"{cell}-{way}-{name}": {"cell": cell, "right_to_left": way == "left", "mask": _MASKS[name]}
        for cell in _CELLS
        for way, name in _WAYS
    },
)
def recurrent(rng, *, cell, right_to_left, mask):
    """Reading towards the right or the left; d_in, d_h = 6, 3."""
    layer = Recurrent(D, 3, rng, cell=cell, right_to_left=right_to_left, dtype=np.float64)
    return _probe(layer, rng, mask)


@register(
    "Bidirectional",
    {
        "rnn-whole": {"cell": "rnn", "mask": None},
        "gru-padding": {"cell": "gru", "mask": suffix_padding},
        "lstm-holes": {"cell": "lstm", "mask": padding},
    },
)
def bidirectional(rng, *, cell, mask):
    return _probe(Bidirectional(4, D, rng, cell=cell, dtype=np.float64), rng, mask, width=4)


@register(
    "RecurrentStack",
    {
        "rnn-both": {"cell": "rnn", "bidirectional": True},
        "gru-right-dropout": {"cell": "gru", "bidirectional": False, "key": _KEY},
        "lstm-both-dropout": {"cell": "lstm", "bidirectional": True, "key": _KEY},
    },
)
def recurrent_stack(rng, *, cell, bidirectional, key=None):
    """Three layers, padded."""
    layer = RecurrentStack(D, 3, rng, cell=cell, bidirectional=bidirectional, dropout=0.3, dtype=np.float64)
    return _probe(layer, rng, suffix_padding, key)


def _config(norm, cell):
    return SoraConfig(
        source_vocab_size=V_TARGET, target_vocab_size=V_TARGET, d_model=D, num_heads=H, d_ff=D_FF, dropout=0.3,
        num_encoder_layers=2, norm=norm, encoder="rnn", cell=cell,
    )  # fmt: skip


@register("AttentionOnTop", {"pre-dropout": {"norm": "pre", "key": _KEY}, "post": {"norm": "post"}})
def attention_on_top(rng, *, norm, key=None):
    return _probe(AttentionOnTop(_config(norm, "lstm"), rng, dtype=np.float64), rng, padding, key)


@register(
    "RecurrentEncoder",
    {
        "pre-lstm-dropout": {"norm": "pre", "cell": "lstm", "key": _KEY},
        "pre-gru": {"norm": "pre", "cell": "gru"},
        "post-rnn-dropout": {"norm": "post", "cell": "rnn", "key": _KEY},
    },
)
def recurrent_encoder(rng, *, norm, cell, key=None):
    return _probe(RecurrentEncoder(_config(norm, cell), rng, dtype=np.float64), rng, suffix_padding, key)
