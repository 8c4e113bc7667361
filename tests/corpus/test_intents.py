"""Templates and intents, and the polite frames around them."""

from collections import Counter
from itertools import islice

from minisora.corpus import frames, stream
from minisora.corpus.dice import Dice
from minisora.corpus.intents import Intent, Template
from minisora.corpus.stream import INTENTS


def test_a_template_knows_its_words_and_fields():
    template = Template.of("weather.rain#0", "{date} {city} 会 下雨 吗？")
    assert template.text == "{date}{city}会下雨吗？"
    assert template.words == {"会", "下雨", "吗"}
    assert template.fields == {"date", "city"}


def test_a_template_with_a_word_of_its_own_is_not_held_out():
    texts = ["{x} 甲 乙？", "{x} 乙 甲？", "甲 {x} 乙？", "乙 {x} 甲？", "{x} 丙 甲 乙？", "{x} 丁 甲 乙？"]
    intent = Intent("a.b", texts, None)
    assert len(intent.held_out) == 2
    assert not any({"丙", "丁"} & template.words for template in intent.held_out)
    assert not any(template.held_out for template in intent.training)


def test_two_templates_that_share_a_word_with_none_else_are_not_both_held_out():
    intent = Intent("a.b", ["甲 {x} 乙？", "乙 {x} 甲？", "{x} 丙？"], None)
    assert len(intent.held_out) == 1


def test_templates_end_like_sentences_and_hold_no_mark_of_the_format():
    for intent in INTENTS:
        for template in (*intent.training, *intent.held_out):
            assert template.text.endswith(("？", "。")), template
            assert not set(template.text) & set("\\;=|"), template


def test_frames_go_around_the_first_and_the_last_turn():
    dice = Dice("frames")
    for _ in range(500):
        first, middle, last = frames.frame(dice, ["甲？", "乙？", "丙？"])
        assert first.endswith("甲？")
        assert middle == "乙？"
        assert last.startswith("丙")


def test_a_statement_is_not_opened_like_a_request():
    dice = Dice("moods")
    statements = Counter(frames.frame(dice, ["我想知道。", "。"])[0] for _ in range(2_000))
    assert not any("请" in text or "麻烦你" in text for text in statements)
    requests = Counter(frames.frame(dice, ["告诉我。", "。"])[0] for _ in range(2_000))
    assert any(text.startswith("请") for text in requests)


def test_every_intent_is_seen_with_every_kind_of_frame():
    seen = {intent.name: Counter() for intent in INTENTS}
    for drawn in islice(stream(9), 15_000):
        if drawn.scenario != "faq":
            turns = drawn.source.split("|")
            opening = turns[1] if "=" in turns[0] and len(turns) > 1 else turns[0]
            seen[drawn.intent]["before"] += opening.startswith(frames.ANY + frames.QUESTION + frames.REQUEST)
            seen[drawn.intent]["after"] += turns[-1].endswith(frames.AFTER)
            seen[drawn.intent]["bare"] += turns[-1][-1] not in "？。！"
    for intent, counts in seen.items():
        assert min(counts[kind] for kind in ("before", "after", "bare")) > 2, intent
