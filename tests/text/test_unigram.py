"""Learning words: the E and the M step by hand, the likelihood that never falls, pruning, and what is found."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora.text.unigram import count_runs, expected_counts, learn_words, maximise, prune, seed_words


def test_the_e_step_by_hand():
    """ab is a + b with 1/4 * 1/4, or the word ab with 1/2: one in nine and eight in nine."""
    counts, likelihood = expected_counts({"ab": 2}, {"a": 0.25, "b": 0.25, "ab": 0.5})
    assert counts == pytest.approx({"a": 2 / 9, "b": 2 / 9, "ab": 16 / 9})
    assert likelihood == pytest.approx(2 * math.log(9 / 16))


def test_the_m_step_by_hand():
    """A word hardly expected goes; a character stays, with half an occurrence."""
    assert maximise({"a": 0.1, "b": 1.5, "ab": 2.0, "ba": 0.4}) == {"a": 0.125, "b": 0.375, "ab": 0.5}


def test_seeds_by_hand():
    """aab twice: a covers 4, b 2, aa and ab 4 each, aab 6 characters."""
    seeds, rare = seed_words({"aab": 2}, 2, 1)
    assert seeds == {"a": 4 / 16, "b": 2 / 16, "aab": 6 / 16, "aa": 4 / 16} and rare == set()
    assert seed_words({"aab": 1, "c": 3}, 5, 2)[1] == {"b"}


def test_pruning_by_hand():
    """Without ab, each occurrence costs log(0.4) - 2 log(0.2) = log 10; without ba, log 5: more of them, it stays."""
    probabilities = {"a": 0.2, "b": 0.2, "ab": 0.4, "ba": 0.2}
    assert prune(probabilities, {"ab": 2.0, "ba": 3.0}, 3) == pytest.approx({"a": 1 / 3, "b": 1 / 3, "ba": 1 / 3})
    assert prune(probabilities, {"ab": 3.0, "ba": 3.0}, 3).keys() == {"a", "b", "ab"}


@settings(deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=8))
def test_no_step_of_em_makes_the_texts_less_likely(texts):
    runs = Counter(texts)
    probabilities, _ = seed_words(runs, 20, 1)
    before = -math.inf
    for _ in range(4):
        counts, likelihood = expected_counts(runs, probabilities)
        assert likelihood >= before - 1e-9
        before, total = likelihood, sum(counts.values())
        probabilities = {word: count / total for word, count in counts.items()}


@settings(deadline=None)
@given(st.text("abc", min_size=1, max_size=7), st.lists(st.floats(0.01, 1), min_size=7, max_size=7))
def test_expected_counts_are_those_of_all_segmentations(all_segmentations, run, weights):
    probabilities = dict(zip(["a", "b", "c", "ab", "bc", "abc", "aa"], weights, strict=True))
    expected, total = Counter(), 0.0
    for words in all_segmentations(run):
        p = math.prod(probabilities.get(word, 0.0) for word in words)
        total += p
        for word in words:
            expected[word] += p
    counts, likelihood = expected_counts({run: 1}, probabilities)
    assert likelihood == pytest.approx(math.log(total), abs=1e-12)
    assert counts == pytest.approx({word: expected[word] / total for word in probabilities})


def test_runs_are_cut_where_scripts_change_and_where_they_are_long():
    assert count_runs(["今天ab，今天"]) == {"今天": 2, "ab": 1, "，": 1}
    assert count_runs(["a" * 70]) == {"a" * 32: 2, "a" * 6: 1}


def test_words_are_found():
    """Sentences of random words, written together: with room for as many words, it is those."""
    known = "今天 北京 天气 怎么样 下雨 晴朗 高铁票 请问 词典 银行 医院 老师".split()
    dice = random.Random(0)
    texts = ["".join(dice.choices(known, k=6)) for _ in range(300)]
    characters = set("".join(known))
    words = learn_words(texts, len(characters) + len(known))
    assert set(words) == characters | set(known)
    assert math.fsum(math.exp(score) for score in words.values()) == pytest.approx(1)
    assert words == learn_words(texts[::-1], len(words)) and list(words) == sorted(words)


def test_the_vocabulary_is_never_too_large():
    texts = ["abcabcabd", "abdabc"] * 3
    for room in (4, 5, 6):
        assert len(learn_words(texts, room)) <= room
    with pytest.raises(ValueError, match="room for the 4 characters of the texts, got 3"):
        learn_words(texts, 3)
    assert learn_words([], 3) == {}


def test_rare_characters_get_no_word():
    words = learn_words(["今天", "今天", "今饕"], 9, min_count=2)
    assert "饕" not in words and {"今", "天", "今天"} == set(words)
