"""The score of generated texts, by hand."""

import pytest

from minisora.corpus import generation_score, test_set

TEXTS = [drawn for drawn in test_set("iid") if drawn.scenario == "generation"]


def test_every_right_answer_has_every_slot():
    assert TEXTS
    for drawn in TEXTS:
        assert drawn.target in drawn.references
        for answer in drawn.references:
            assert generation_score(drawn, answer) == 1


def test_coverage_counts_keywords():
    drawn = TEXTS[0]
    assert generation_score(drawn, "") == 0
    assert generation_score(drawn, drawn.keywords[0]) == pytest.approx(1 / len(drawn.keywords))


def test_what_cannot_be_scored_is_refused():
    exact = next(drawn for drawn in test_set("iid") if not drawn.keywords)
    with pytest.raises(ValueError, match="keywords"):
        generation_score(exact, "a")
