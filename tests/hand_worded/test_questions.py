"""A hundred questions worded by hand, to be asked with ``minisora evaluate --data tests/hand_worded/questions.tsv``.

They ask for what the corpus asks for, over contexts like its own, in words that no template has; what a model answers
to them is in its card.
"""

import re
from pathlib import Path

import pytest

from minisora.corpus import faq_set, parse_source, read_pairs
from minisora.corpus.intents import DECLINE
from minisora.corpus.stream import INTENTS
from minisora.corpus.values import CITIES, COLOURS, DATES, JOBS

LISTS = (*CITIES, *COLOURS, *DATES, *JOBS)
PAIRS = read_pairs(Path(__file__).parent / "questions.tsv")


def test_there_are_a_hundred_different_ones():
    assert len(PAIRS) == len({source for source, _ in PAIRS}) == 100
    assert 10 <= sum(target == DECLINE for _, target in PAIRS) <= 25


def test_contexts_can_be_read():
    for source, _ in PAIRS:
        _, turns = parse_source(source)
        assert turns


def test_no_last_turn_is_a_template_s():
    """With the values of its own context, of the corpus's lists, and numbers, in the place of the fields."""
    templates = [template.text for intent in INTENTS for template in (*intent.training, *intent.held_out)]
    faq = {one.source for one in faq_set()}
    for source, _ in PAIRS:
        context, turns = parse_source(source)
        assert turns[-1] not in faq
        values = "|".join(map(re.escape, [*context, *context.values(), *LISTS]))
        question = turns[-1].rstrip("。？")
        for text in templates:
            literals = [re.escape(part) for part in re.split(r"{\w+}", text.rstrip("。？"))]
            if all(part in re.escape(question) for part in literals):
                assert not re.fullmatch(rf"(?:{values}|\w?\d+)".join(literals), question), (question, text)


def test_a_question_by_a_template_would_be_found(monkeypatch):
    monkeypatch.setitem(globals(), "PAIRS", [("城市=北京;天气=晴|明天北京天气咋样", DECLINE)])
    with pytest.raises(AssertionError, match="天气咋样"):
        test_no_last_turn_is_a_template_s()
