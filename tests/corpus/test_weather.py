"""Weather: the answers follow from the context, recomputed here from the text of the source."""

from itertools import islice

import pytest

from minisora.corpus import parse_source, stream
from minisora.corpus.intents import DECLINE
from minisora.corpus.weather import UMBRELLA, degrees, describe

EXAMPLES = [drawn for drawn in islice(stream(4), 10_000) if drawn.scenario == "weather"]
ANSWERED = [drawn for drawn in EXAMPLES if drawn.answerable]


def test_the_example_by_hand():
    answer = UMBRELLA.format(date="明天", city="北京", **describe("小雨", 12))
    assert answer == "明天北京有小雨，建议带伞。"


@pytest.mark.parametrize(
    "temperature, words",
    [(-15, "寒冷 羽绒服"), (-1, "寒冷 羽绒服"), (0, "较冷 厚外套"), (9, "较冷 厚外套"), (10, "凉爽 薄外套"),
     (18, "凉爽 薄外套"), (19, "舒适 长袖衬衫"), (27, "舒适 长袖衬衫"), (28, "炎热 短袖"), (40, "炎热 短袖")],
)  # fmt: skip
def test_the_five_bands_at_their_edges(temperature, words):
    told = describe("晴", temperature)
    assert f"{told['feeling'].removeprefix('天气')} {told['clothes']}" == words


def test_degrees_below_zero_are_said_as_people_say_them():
    assert [degrees(-5), degrees(0), degrees(12)] == ["零下5度", "0度", "12度"]


def test_answers_repeat_what_the_context_tells():
    for drawn in ANSWERED:
        context, _ = parse_source(drawn.source)
        assert context["城市"] in drawn.target
        if drawn.intent != "weather.warmer":
            assert context["日期"] in drawn.target
        if drawn.intent in ("weather.temperature", "weather.clothing", "weather.overall"):
            assert degrees(int(context["气温"])) in drawn.target


def test_rain_and_umbrella_follow_the_sky():
    for drawn in ANSWERED:
        sky = parse_source(drawn.source)[0].get("天气", "")
        if drawn.intent == "weather.rain":
            assert drawn.target.startswith("会的") is ("雨" in sky)
        if drawn.intent == "weather.umbrella":
            assert ("建议带伞" in drawn.target) is ("雨" in sky or "雪" in sky)


def test_the_warmer_day_is_the_warmer_one():
    warmer = [drawn for drawn in ANSWERED if drawn.intent == "weather.warmer"]
    assert len(warmer) > 200
    later = 0
    for drawn in warmer:
        context, _ = parse_source(drawn.source)
        days = {key: int(value.removesuffix("度")) for key, value in context.items() if key != "城市"}
        best = max(days, key=days.get)
        assert drawn.target.endswith(f"，{best}更暖和。")
        later += drawn.target.split("，")[1].startswith(best + degrees(days[best]))
    assert 0.35 < later / len(warmer) < 0.65  # the place of a day tells nothing


def test_a_declined_question_lacks_the_city_the_date_or_the_fact():
    needs = {"overall": ("天气", "气温"), "temperature": ("气温",), "rain": ("天气",), "umbrella": ("天气",)}
    for drawn in EXAMPLES:
        context, (question,) = parse_source(drawn.source)
        kind = drawn.intent.split(".")[1]
        if drawn.answerable or kind not in needs:
            continue
        *_, town, date = drawn.slots
        there = context.get("城市") == town and context.get("日期") == date
        assert not (there and all(key in context for key in needs[kind])), drawn
        assert drawn.target == DECLINE
        assert date in question


def test_snow_falls_in_the_cold():
    for drawn in EXAMPLES:
        context, _ = parse_source(drawn.source)
        if "雪" in context.get("天气", "") and "气温" in context:
            assert int(context["气温"]) < 3
