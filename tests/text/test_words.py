"""The words kind: its ids by hand, its file, and what it refuses."""

import random

import pytest

from minisora.text import SoraTokenizer

SCORES = {"今": -4.0, "今天": -1.5, "天": -4.0, "天天": -6.0, "气": -4.0, "天气": -2.0}
WORDS = SoraTokenizer("words", SCORES.items())


def test_by_hand():
    """今天天气: 今天 + 天气 scores -3.5, 今 + 天天 + 气 scores -14."""
    assert WORDS.tokens[261:] == ["今", "今天", "天", "天天", "气", "天气"]
    assert WORDS.encode("今天天气") == [262, 266]
    assert WORDS.encode("天é。") == [263, 5 + 0xC3, 5 + 0xA9, 5 + 0xE3, 5 + 0x80, 5 + 0x82]
    assert WORDS.decode([262, 266]) == "今天天气"


def test_learnt_words_are_tokens_whatever_the_order_of_the_texts():
    dice = random.Random(0)
    texts = ["".join(dice.choices(("今天", "北京", "天气", "怎么样", "下雨", "？"), k=6)) for _ in range(200)]
    words = SoraTokenizer.learn(texts, "words", vocab_size=277)
    assert words.labels("北京今天下雨？天气怎么样？") == ["北京", "今天", "下雨", "？", "天气", "怎么样", "？"]
    assert words == SoraTokenizer.learn(texts[::-1], "words", vocab_size=277)
    assert words.vocab_size <= 277 and words.kind == "words"


def test_equal_means_the_same_words_and_scores():
    pairs = [("今", -1.0), ("天", -2.0)]
    assert SoraTokenizer("words", pairs) == SoraTokenizer("words", pairs)
    assert hash(SoraTokenizer("words", pairs)) == hash(SoraTokenizer("words", pairs))
    assert SoraTokenizer("words", pairs) != SoraTokenizer("words", [("今", -1.0), ("天", -2.5)])


@pytest.mark.parametrize(
    "learnt, message",
    [
        ([("今", -1.0), ("今", -2.0)], "'今' occurs more often"),
        ([("", -1.0)], "1 to 64 characters"),
        ([("a" * 65, -1.0)], "1 to 64 characters"),
        ([("\ud800", -1.0)], "1 to 64 characters"),
        ([("今", 0.5)], "from -1000 to 0, got 0.5"),
        ([("今", float("nan"))], "from -1000 to 0, got nan"),
        ([("今", float("-inf"))], "from -1000 to 0, got -inf"),
        ([("今", "-1")], "from -1000 to 0, got '-1'"),
        ([(3, -1.0)], "sequence of strings"),
    ],
)
def test_no_vocabulary_of_words(learnt, message):
    with pytest.raises(ValueError, match=message):
        SoraTokenizer("words", learnt)


def test_too_small_a_vocabulary():
    with pytest.raises(ValueError, match="at least 261, for the special tokens and the bytes, got 99"):
        SoraTokenizer.learn(["今天"], "words", vocab_size=99)
    with pytest.raises(ValueError, match="the 2 characters of the texts, got 1: raise vocab_size"):
        SoraTokenizer.learn(["今天"], "words", vocab_size=262)
