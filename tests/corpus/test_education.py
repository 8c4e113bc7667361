"""Education and arithmetic: every computed number is right."""

import re
from itertools import islice

from minisora.corpus import stream
from minisora.corpus.education import ANTONYMS, KINDS, MEASURE_OF, OPPOSITES, UNITS

EXAMPLES = [drawn for drawn in islice(stream(8), 10_000) if drawn.scenario in ("education", "arithmetic")]
OPERATIONS = {"加": lambda a, b: a + b, "减": lambda a, b: a - b, "乘": lambda a, b: a * b}


def test_sums_are_right_and_up_to_a_hundred():
    seen = set()
    for drawn in EXAMPLES:
        if match := re.fullmatch(r"(\d+)([加减乘])(\d+)等于(\d+)。", drawn.target):
            a, sign, b, result = match.groups()
            assert OPERATIONS[sign](int(a), int(b)) == int(result)
            assert 0 < int(result) <= 100
            assert a in drawn.source
            assert b in drawn.source
            seen.add(sign)
    assert seen == set(OPERATIONS)


def test_conversions_are_right():
    factors = {(unit, smaller): factor for unit, smaller, factor in UNITS}
    conversions = [drawn for drawn in EXAMPLES if drawn.intent == "arithmetic.convert"]
    assert conversions
    for drawn in conversions:
        a, unit, result, smaller = re.fullmatch(r"(\d+)(.+)等于(\d+)(.+)。", drawn.target).groups()
        assert int(a) * factors[unit, smaller] == int(result)


def test_every_answer_with_a_computed_number_counts_as_arithmetic():
    for drawn in EXAMPLES:
        assert (drawn.scenario == "arithmetic") is any(character.isdigit() for character in drawn.target)


def test_an_antonym_goes_both_ways_and_each_word_has_one():
    words = [word for pair in ANTONYMS for word in pair]
    assert len(set(words)) == len(words) == len(OPPOSITES)
    assert all(OPPOSITES[OPPOSITES[word]] == word for word in words)


def test_each_noun_has_one_measure_word_and_each_thing_one_kind():
    members = [member for kind in KINDS.values() for member in kind]
    assert len(set(members)) == len(members)
    assert len(MEASURE_OF) == 12 * 4
    for drawn in EXAMPLES:
        if drawn.intent == "education.kind":
            member, kind = re.fullmatch("(.+)是(.+)。", drawn.target).groups()
            assert member in KINDS[kind]
            assert sum(other in drawn.source.replace(kind, "") for other in KINDS[kind]) == 1
