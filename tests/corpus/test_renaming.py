"""Made-up names: what an example says stays the same, and no real name comes in."""

import re
from dataclasses import replace

from minisora.corpus import example, parse_source
from minisora.corpus.dice import Dice
from minisora.corpus.renaming import CHARACTERS, KIND_OF, KINDS, renamed
from minisora.corpus.values import city, person, product

COUNT = 1500


def drawn(seed=3):
    for index in range(COUNT):
        one = example(seed, index)
        yield one, renamed(one, Dice("renaming", seed, index))


def names_in(text):
    return {name for name in KIND_OF if name in text}


def test_an_example_by_hand():
    one = next(one for one, _ in drawn() if one.intent == "question_answering.home")
    other = renamed(one, Dice(1))
    context, _ = parse_source(one.source)
    new, _ = parse_source(other.source)
    assert new["姓名"] != context["姓名"] and len(new["姓名"]) == len(context["姓名"])
    assert new["姓名"] in other.target or not other.answerable
    assert other == renamed(one, Dice(1)) != renamed(one, Dice(2))


def test_what_has_no_name_stays_as_it_is():
    for one, other in drawn():
        if one.scenario in ("faq", "arithmetic") or one.intent == "dialogue.table":
            assert other is one


def test_every_name_is_another_and_none_is_real():
    """Of the new texts nothing that was a name is left, and no name of the corpus, held out or not, has come in."""
    changed = 0
    for one, other in drawn():
        if other is one:
            continue
        changed += 1
        own = {name for name in names_in(str(one.slots)) if f"'{name}'" in str(one.slots)}
        assert own
        left = names_in(other.source + other.target)
        assert not any(f"'{name}'" in str(other.slots) for name in own)
        assert all(name in one.source + one.target or not re.search(f"[=|;]{name}[=|;]", other.source) for name in left)
    assert changed > COUNT / 2


def test_lengths_and_form_stay():
    """The same number of characters everywhere, the same facts and turns, the same words around the names."""
    for one, other in drawn():
        assert len(other.source) == len(one.source) and len(other.target) == len(one.target)
        context, turns = parse_source(one.source)
        new_context, new_turns = parse_source(other.source)
        assert len(new_context) == len(context) and len(new_turns) == len(turns)
        assert (other.intent, other.split, other.template, other.answerable) == (
            one.intent, one.split, one.template, one.answerable,
        )  # fmt: skip
        assert [len(text) for text in other.references] == [len(text) for text in one.references]


def test_a_name_that_begins_another_is_not_taken_for_it():
    one = next(one for one, _ in drawn() if one.intent == "question_answering.who")
    source, target = "李文=医生;李文静=老师|谁是老师？", "李文静是老师。"
    slots = (("李文", "医生"), ("李文静", "老师"), "老师")
    other = renamed(replace(one, source=source, target=target, slots=slots), Dice(4))
    (short, _), (long, job) = (tuple(pair) for pair in parse_source(other.source)[0].items())
    assert other.target == f"{long}是{job}。"
    assert (len(short), len(long)) == (2, 3)


def test_characters_of_made_up_names_are_those_of_their_kind():
    for kind, names in KINDS.items():
        assert set(CHARACTERS[kind]) == set("".join(names))
    assert set(KIND_OF.values()) == set(KINDS)


def test_whatever_can_be_drawn_counts_as_real():
    """Held out or not: a made-up name is none of these."""
    dice = Dice("names")
    for _ in range(500):
        assert KIND_OF[city(dice)] == "city" and KIND_OF[person(dice)] == "person"
        assert KIND_OF["".join(product(dice))] == "product"
