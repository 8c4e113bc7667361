"""Text as it comes: no half characters, and the whole answer in the end."""

import numpy as np
import pytest

from minisora.generation.stream import TextStream
from minisora.text import SoraTokenizer


def pieces(tokenizer, ids):
    stream = TextStream(tokenizer)
    return [*map(stream.add, ids), stream.rest()]


def bytes_of(text):
    return [5 + byte for byte in text.encode()]


@pytest.fixture(scope="module")
def tokenizer():
    return SoraTokenizer.learn(["天气"])


def test_a_character_of_bytes_comes_whole(tokenizer):
    ids = [*tokenizer.encode("天"), *bytes_of("饕😀é"), *tokenizer.encode("气")]
    assert pieces(tokenizer, ids) == ["天", "", "", "饕", "", "", "", "😀", "", "é", "气", ""]


def test_bytes_that_form_no_character_come_when_that_is_certain(tokenizer):
    ids = [*bytes_of("饕")[:2], *tokenizer.encode("天"), 5 + 0xFF, 5 + 0xFF, *bytes_of("a")]
    assert pieces(tokenizer, ids) == ["", "", "\ufffd天", "", "", "\ufffd\ufffda", ""]


def test_an_answer_may_end_within_a_character(tokenizer):
    assert pieces(tokenizer, bytes_of("饕")[:2]) == ["", "", "\ufffd"]


def test_special_tokens_are_no_text(tokenizer):
    assert pieces(tokenizer, [0, *tokenizer.encode("天"), 3, 4]) == ["", "天", "", "", ""]


def test_words_come_with_the_space_before_them():
    tokenizer = SoraTokenizer.learn(["a b c"], "whitespace")
    assert pieces(tokenizer, tokenizer.encode("b a c")) == ["b", " a", " c", ""]


@pytest.mark.parametrize("kind", ["characters", "words", "bpe", "whitespace"])
@pytest.mark.parametrize("seed", range(3))
def test_the_pieces_of_any_tokens_are_the_decoded_text(kind, seed):
    if kind == "bpe":
        pytest.importorskip("tokenizers")
    tokenizer = SoraTokenizer.learn(["今天天气晴朗", "天气 怎么样", "饕餮 饕餮"], kind)
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, tokenizer.vocab_size, 301)
    ids[rng.random(301) < 0.5] = rng.choice(tokenizer.encode("今天 天气 饕餮 怎么样"))
    parts = pieces(tokenizer, ids.tolist())
    assert "".join(parts) == tokenizer.decode(ids)
    assert sum(map(bool, parts)) > 30
