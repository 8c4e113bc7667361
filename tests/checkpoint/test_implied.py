"""What a config implies, told in advance, is what the model built from it has."""

import itertools

import numpy as np
import pytest

from minisora.checkpoint.implied import implied_arrays
from minisora.config import SoraConfig
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.feed_forward import FeedForward
from minisora.layers.normalization import LayerNorm
from minisora.model import SoraModel

SIZES = dict(d_model=6, num_heads=2, num_encoder_layers=2, num_decoder_layers=3, d_ff=7, max_len=11)
ENCODERS = [
    dict(encoder="transformer"),
    *(dict(encoder="rnn", cell=c, bidirectional=b) for c in ("rnn", "gru", "lstm") for b in (True, False)),
]


def shapes(model):
    return {name: parameter.data.shape for name, parameter in model.parameters()}


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: "-".join(map(str, e.values())))
def test_every_kind_of_model_has_the_arrays_that_its_config_implies(encoder):
    for norm, positions, tie, copy in itertools.product(
        ("pre", "post"), ("sinusoidal", "learned"), ("none", "output", "all"), (False, True)
    ):
        target = 13 if tie == "all" or copy else 17
        config = SoraConfig(
            source_vocab_size=13, target_vocab_size=target, norm=norm, positions=positions, tie=tie, copy=copy,
            **SIZES, **encoder,
        )  # fmt: skip
        model = SoraModel(config, np.random.default_rng(0))
        implied = list(implied_arrays(config))
        assert dict(implied) == shapes(model) and len(implied) == len(shapes(model))


@pytest.mark.parametrize(
    ("own", "parts"),
    [
        ({"attention": MultiHeadAttention}, ("attention.",)),
        ({"norm": LayerNorm, "feed_forward": FeedForward}, (".norm", "feed_forward.")),
    ],
)
def test_nothing_is_known_of_layers_of_one_s_own(own, parts):
    config = SoraConfig(source_vocab_size=13, target_vocab_size=17, **SIZES)
    whole = shapes(SoraModel(config, np.random.default_rng(0)))
    rest = {name: shape for name, shape in whole.items() if not any(part in name for part in parts)}
    assert dict(implied_arrays(config, tuple(own))) == rest


def test_a_config_of_millions_of_layers_takes_no_time():
    config = SoraConfig(source_vocab_size=13, target_vocab_size=17, num_encoder_layers=1 << 24)
    names = implied_arrays(config)
    assert [next(names)[0] for _ in range(2)] == [
        "encoder.embedded.embedding.table",
        "encoder.stack.layers.0.self_attention.w_q.weight",
    ]
