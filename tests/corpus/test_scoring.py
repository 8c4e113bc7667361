"""Scores of generated texts, by hand."""

import math

import pytest

from minisora.corpus import character_bleu, generation_score, test_set

TEXTS = [drawn for drawn in test_set("iid") if drawn.scenario == "generation"]


def test_every_right_answer_has_every_slot_and_full_bleu():
    assert TEXTS
    for drawn in TEXTS:
        assert drawn.target in drawn.references
        for answer in drawn.references:
            assert generation_score(drawn, answer) == 1
            assert character_bleu(drawn.references, answer) == pytest.approx(1)


def test_coverage_counts_keywords():
    drawn = TEXTS[0]
    assert generation_score(drawn, "") == 0
    assert generation_score(drawn, drawn.keywords[0]) == pytest.approx(1 / len(drawn.keywords))


def test_bleu_by_hand():
    # abcd against abce: 3/4, (2+1)/(3+1), (1+1)/(2+1), (0+1)/(1+1)
    assert character_bleu(["abce"], "abcd") == pytest.approx((3 / 4 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    assert character_bleu(["abcd"], "abc") == pytest.approx(math.exp(1 - 4 / 3))  # short, all else right


def test_bleu_clips_counts_and_takes_the_best_of_all_references():
    assert character_bleu(["ab"], "aaaa") < character_bleu(["ab"], "ab")
    assert character_bleu(["xy", "ab"], "ab") == pytest.approx(1)
    assert character_bleu(["ab"], "xy") == character_bleu(["ab"], "") == 0


def test_what_cannot_be_scored_is_refused():
    exact = next(drawn for drawn in test_set("iid") if not drawn.keywords)
    with pytest.raises(ValueError, match="keywords"):
        generation_score(exact, "a")
    with pytest.raises(ValueError, match="reference"):
        character_bleu([], "a")
