"""Greedy decoding against decoding without a cache, one text at a time."""

import numpy as np
import pytest

from minisora.generation import answer, greedy
from minisora.text import SoraTokenizer


def greedy_by_hand(model, source, max_len):
    """Read everything again for each token, argmax, until eos."""
    source, ids = source[source != 0][None], [model.config.bos_id]
    memory = model.encoder(source)
    while len(ids) <= max_len:
        token = int(model.decoder(np.array([ids]), memory)[0, -1].argmax())
        if token == model.config.eos_id:
            break
        ids.append(token)
    return ids[1:]


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_is_its_sources_one_by_one(tiny_model, seed):
    model, rng = tiny_model(seed), np.random.default_rng(seed)
    model.decoder.projection.bias.data[model.config.eos_id] += 2  # so that some end before the others
    source = rng.integers(3, 23, (7, 6))
    for row, length in enumerate((6, 1, 3, 6, 2, 5, 4)):
        source[row, length:] = 0
    outputs = greedy(model, source, max_len=11)
    assert outputs == [greedy_by_hand(model, row, 11) for row in source]


def test_sequences_end_at_different_times(tiny_model):
    model = tiny_model(3)
    model.decoder.projection.bias.data[model.config.eos_id] += 2
    lengths = {len(output) for output in greedy(model, np.random.default_rng(3).integers(3, 23, (31, 6)), max_len=11)}
    assert len(lengths) > 2


def test_max_len_is_a_limit(tiny_model):
    model = tiny_model()
    model.decoder.projection.bias.data[model.config.eos_id] = -1e9
    assert [len(output) for output in greedy(model, np.full((2, 3), 5), max_len=4)] == [4, 4]
    assert [len(output) for output in greedy(model, np.full((2, 3), 5))] == [31, 31]


@pytest.fixture
def spelling(tiny_model):
    """A model whose vocabulary is a real tokenizer's."""
    tokenizer = SoraTokenizer.learn(["天气怎么样"], "characters")
    size = tokenizer.vocab_size
    return tiny_model(source_vocab_size=size, target_vocab_size=size), tokenizer


def test_answers_come_in_the_order_of_the_texts(spelling):
    model, tokenizer = spelling
    texts = ["天", "天气怎么样", "怎么", "天气", "样样样样样样"]
    together = answer(model, tokenizer, tokenizer, texts, max_len=7, batch_size=2)
    assert together == [answer(model, tokenizer, tokenizer, [text], max_len=7)[0] for text in texts]
    assert answer(model, tokenizer, tokenizer, []) == []


def test_a_single_text_in_the_place_of_a_list_is_refused(spelling):
    model, tokenizer = spelling
    with pytest.raises(ValueError, match="put it into brackets"):
        answer(model, tokenizer, tokenizer, "天气")


@pytest.mark.parametrize(("text", "got"), [("", "got 0"), ("天" * 32, "got 32")])
def test_an_empty_or_too_long_text_is_refused(spelling, text, got):
    model, tokenizer = spelling
    with pytest.raises(ValueError, match=f"a text of 1 to 31 tokens is expected, {got}"):
        answer(model, tokenizer, tokenizer, ["天气", text])
