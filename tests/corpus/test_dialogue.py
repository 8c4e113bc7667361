"""Dialogue: the last turn is answered with what the earlier ones left standing."""

from collections import Counter
from itertools import islice

from minisora.corpus import parse_source, stream, test_set
from minisora.corpus.dialogue import PEOPLE, TICKET_COUNTS, TIMES
from minisora.corpus.values import DATES
from minisora.corpus.weather import SKIES, degrees

EXAMPLES = [drawn for drawn in islice(stream(7), 10_000) if drawn.scenario == "dialogue"] + list(test_set("len"))


def of(intent):
    return [(drawn, *parse_source(drawn.source)) for drawn in EXAMPLES if drawn.intent == f"dialogue.{intent}"]


def last_of(values, text):
    """Return the value said last; at the same place the longest."""
    found = [(text.rfind(value) + len(value), len(value), value) for value in values if value in text]
    return max(found)[2] if found else None


def test_turns_in_training():
    turns = Counter(len(parse_source(drawn.source)[1]) for drawn in EXAMPLES if drawn.split == "train")
    assert set(turns) == {2, 3, 4}
    assert min(turns.values()) > 150


def test_ellipsis_asks_for_the_last_day_or_city():
    for intent in ("days", "cities"):
        for drawn, context, turns in of(intent):
            asked = drawn.slots[-1]
            assert asked in turns[-1]
            assert drawn.answerable is (asked in context)
            if drawn.answerable:
                fact = context[asked]
                assert asked in drawn.target
                assert (SKIES[fact] if fact in SKIES else degrees(int(fact.removesuffix("度")))) in drawn.target


def test_an_order_is_named_once_and_asked_about_again():
    for drawn, context, turns in of("detail"):
        key = drawn.slots[-1]
        assert key in turns[-1]
        assert drawn.answerable is (key in context and context["订单"] in turns[0])
        if drawn.answerable:
            assert drawn.target == f"订单{context['订单']}的{key}是{context[key]}。"


def test_a_ticket_has_what_was_said_last():
    for drawn, _, turns in of("ticket"):
        date = last_of(DATES, "，".join(turns[1:]))
        said = [turn for turn in turns[1:] if "张" in turn]
        if date is None:
            assert drawn.target.startswith("请问您要订哪天的")
        elif not said:
            assert drawn.target.startswith("请问您要几张")
        else:
            assert date in drawn.target
            assert f"的{last_of(TICKET_COUNTS, said[-1].split('张')[0])}张" in drawn.target


def test_a_table_has_what_was_said_last():
    for drawn, _, turns in of("table"):
        time = last_of(TIMES, "，".join(turns[1:]))
        people = [turn for turn in turns[1:] if "位" in turn or "个人" in turn]
        if time is None:
            assert drawn.target == "请问您几点来用餐？"
        elif not people:
            assert drawn.target == "请问您几位用餐？"
        else:
            count = last_of(PEOPLE, people[-1].replace("一共", "").split("位")[0].split("个人")[0])
            assert drawn.target.endswith(f"{time}{count}位的座位。")
