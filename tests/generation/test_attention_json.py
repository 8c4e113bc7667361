"""Attention as JSON: the same numbers as `AttentionMaps`, under the labels of the tokens."""

import json

import numpy as np
import pytest

from minisora import SoraTokenizer
from minisora.generation import generate
from minisora.generation.attention_json import attention_json, count_weights, labels_of

SOURCE = "今天饕"


@pytest.fixture
def tokenizer():
    return SoraTokenizer.learn(["今天天气怎么样？"])


def document(model, tokenizer, **options):
    (generated,) = generate(model, tokenizer, tokenizer, [SOURCE], return_attention=True, **options)
    hypothesis = generated.hypotheses[0]
    return json.loads("".join(attention_json(tokenizer, tokenizer, SOURCE, hypothesis))), hypothesis


def test_the_numbers_and_their_labels(tiny_model, tokenizer):
    """A source of five tokens, one character being spelt in three bytes; an answer that is cut after seven."""
    size = tokenizer.vocab_size
    model = tiny_model(source_vocab_size=size, target_vocab_size=size, num_encoder_layers=3)
    content, hypothesis = document(model, tokenizer, max_len=7)
    assert (content["format"], content["version"]) == ("minisora-attention", 1)
    assert content["source"] == {"text": SOURCE, "tokens": ["今", "天", "饕[1/3]", "饕[2/3]", "饕[3/3]"]}
    target, steps = content["target"], len(content["target"]["written"])
    assert target["text"] == hypothesis.text and target["read"][0] == "<s>" and len(target["read"]) == steps
    assert target["read"][1:] == target["written"][:-1]
    for name, rows, columns in (("encoder", 5, 5), ("decoder", steps, steps), ("cross", steps, 5)):
        layers = 3 if name == "encoder" else 2
        assert np.shape(content[name]) == (layers, 2, rows, columns)
        np.testing.assert_allclose(content[name], getattr(hypothesis.attention, name), rtol=0, atol=5.1e-5)
    assert sum(np.size(content[name]) for name in ("encoder", "decoder", "cross")) == count_weights(
        model.config, 5, steps
    )


def test_an_answer_that_ends_has_its_end_among_the_labels(tiny_model, tokenizer):
    size = tokenizer.vocab_size
    model = tiny_model(source_vocab_size=size, target_vocab_size=size)
    model.decoder.projection.bias.data[tokenizer.eos_id] += 1000
    content, _ = document(model, tokenizer)
    assert content["target"] == {"text": "", "read": ["<s>"], "written": ["</s>"]}


def test_tokens_that_are_not_those_of_the_text(tokenizer):
    """A model can write bytes that are no character, which the text does not say any more."""
    lone = tokenizer.encode("饕")[:1]
    assert labels_of(tokenizer, tokenizer.decode(lone), lone) == [tokenizer.tokens[lone[0]]]
    ids = tokenizer.encode("今饕")
    assert labels_of(tokenizer, "今饕", ids) == tokenizer.labels("今饕")
