"""The best segmentation, by hand and against all of them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora.text.viterbi import Segmenter


def score_of(words, scores, unknown):
    return sum(scores.get(word, unknown if len(word) == 1 else -math.inf) for word in words)


def test_by_hand():
    """南京市长江大桥: the mayor (市长) would cost 2 + 2 + 9, the bridge costs 3 + 4."""
    scores = {"南京": -2.0, "南京市": -3.0, "市长": -2.0, "江大桥": -9.0, "长江大桥": -4.0, "大桥": -3.0}
    words, score = Segmenter(scores, -20.0).best("南京市长江大桥")
    assert words == ["南京市", "长江大桥"] and score == -7.0


def test_the_greedy_choice_is_not_taken():
    segmenter = Segmenter({"abc": -1.0, "ab": -2.0, "cde": -2.0, "d": -9.0, "e": -9.0}, -9.0)
    assert segmenter.segment("abcde") == ["ab", "cde"]


def test_an_unknown_character_stands_alone():
    assert Segmenter({"今天": -1.0}, -5.0).best("今天饕今") == (["今天", "饕", "今"], -11.0)
    assert Segmenter({}, -5.0).segment("ab") == ["a", "b"]
    assert Segmenter({}, -5.0).best("") == ([], 0.0)


def test_among_equals_the_last_word_is_the_longest():
    assert Segmenter({"a": -1.0, "aa": -2.0}, -9.0).segment("aaa") == ["a", "aa"]


@settings(deadline=None)
@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=4), st.floats(-9, 0), max_size=12),
    st.text("abcd", max_size=9),
    st.floats(-19, -9),
)
def test_none_of_all_segmentations_is_better(all_segmentations, scores, text, unknown):
    words, score = Segmenter(scores, unknown).best(text)
    assert "".join(words) == text
    assert score == pytest.approx(score_of(words, scores, unknown), rel=1e-12)
    best = max(score_of(other, scores, unknown) for other in all_segmentations(text))
    assert score == pytest.approx(best, rel=1e-12)
