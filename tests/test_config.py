"""SoraConfig: what it takes, what it refuses, JSON in and out."""

import json

import pytest

from minisora import SoraConfig


def config(**changes):
    return SoraConfig(**dict(source_vocab_size=11, target_vocab_size=13) | changes)


def test_json_in_and_out():
    original = config(d_model=20, num_heads=5, tie="output", dropout=0.25, norm="post")
    assert SoraConfig.from_json(original.to_json()) == original


def test_dropouts_of_their_own_in_json():
    original = config(dropout=0.3, attention_dropout=0.0)
    assert SoraConfig.from_json(original.to_json()) == original
    assert (original.attention_dropout, original.feed_forward_dropout) == (0.0, None)


def test_a_recurrent_encoder_in_json():
    original = config(encoder="rnn", cell="gru", bidirectional=False, d_model=9, num_heads=3)
    assert SoraConfig.from_json(original.to_json()) == original


def test_json_from_before_there_were_recurrent_encoders_and_copies():
    names = ("encoder", "cell", "bidirectional", "copy", "attention_dropout", "feed_forward_dropout")
    old = {
        name: value for name, value in json.loads(config(d_model=9, num_heads=3).to_json()).items() if name not in names
    }
    read = SoraConfig.from_json(json.dumps(old))
    assert (read.encoder, read.cell, read.bidirectional, read.copy) == ("transformer", "lstm", True, False)


def test_it_is_frozen():
    with pytest.raises(AttributeError):
        config().d_model = 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(d_model=0), "d_model is expected as an integer in 1 .. 16777216, got 0"),
        (dict(d_model="128"), "d_model is expected as an integer in 1 .. 16777216, got '128'"),
        (dict(num_heads=True), "num_heads is expected as an integer"),
        (dict(num_encoder_layers=1.0), "num_encoder_layers is expected as an integer"),
        (dict(d_model=10, num_heads=3), "multiple of num_heads, got 10 and 3"),
        (dict(dropout=1.0), r"dropout is expected in \[0, 1\), got 1.0"),
        (dict(dropout=float("nan")), r"dropout is expected in \[0, 1\), got nan"),
        (dict(dropout="0.1"), "dropout is expected as a number, got '0.1'"),
        (dict(dropout=None), "dropout is expected as a number, got None"),
        (dict(attention_dropout=1.0), r"attention_dropout is expected in \[0, 1\), got 1.0"),
        (dict(feed_forward_dropout=-0.1), r"feed_forward_dropout is expected in \[0, 1\), got -0.1"),
        (dict(attention_dropout=True), "attention_dropout is expected as a number or None, got True"),
        (dict(norm_eps=0.0), r"norm_eps is expected in \(0, 1\), got 0.0"),
        (dict(activation="swish"), "activation is expected to be one of relu, gelu, gelu_tanh, got 'swish'"),
        (dict(norm=["pre"]), "norm is expected to be one of pre, post"),
        (dict(bos_id=2), "expected to differ, got 0, 2 and 2"),
        (dict(tie="all"), "one vocabulary for source and target, got sizes 11 and 13"),
        (dict(encoder="cnn"), "encoder is expected to be one of transformer, rnn, got 'cnn'"),
        (dict(cell="elman"), "cell is expected to be one of rnn, gru, lstm, got 'elman'"),
        (dict(bidirectional=1), "bidirectional is expected as True or False, got 1"),
        (dict(encoder="rnn", d_model=9, num_heads=3), "even where the encoder reads from both ends, got 9"),
        (dict(eos_id=11), r"eos_id is expected in the vocabulary, 0 .. 10, got 11"),
    ],
)
def test_a_value_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        config(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected as JSON"),
        ("[" * 100_000, "expected as JSON"),
        ("[1]", "expected as a JSON object, got list"),
        (json.dumps(dict(source_vocab_size=11)), "needs target_vocab_size"),
        (
            json.dumps(dict(source_vocab_size=11, target_vocab_size=13, layers=3)),
            r"unknown in a configuration: \['layers'\]",
        ),
    ],
)
def test_text_that_is_no_configuration_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        SoraConfig.from_json(text)
