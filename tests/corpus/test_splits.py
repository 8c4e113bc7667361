"""Splits: cut by hash of slots, and kept by the stream."""

from collections import Counter
from itertools import islice, product

import pytest

from minisora.corpus import SPLITS, stream, test_set
from minisora.corpus.dice import Dice
from minisora.corpus.splits import fraction, is_held_out_pair, is_held_out_value, slot_split, split_of
from minisora.corpus.stream import INTENTS
from minisora.corpus.values import CITIES, DATES, GIVEN, GOODS, LETTERS, MODIFIERS, SURNAMES, UNSEEN_CITIES

HELD_OUT = SPLITS[1:]
CITY_DATES = [("city", city, "date", date) for city, date in product(CITIES, DATES)]


@pytest.fixture(scope="module")
def train():
    return list(islice(stream(0), 25_000))


def cities_and_dates(text):
    """Find the values in a text without the generator's help."""
    text = text.replace("一下", "，")  # 查一下周一 does not ask about 下周一
    cities, dates = {city for city in CITIES if city in text}, set()
    for city in cities:
        text = text.replace(city, "，")  # 昆明天气 does not ask about 明天
    for date in sorted(DATES, key=len, reverse=True):  # 周一 is in 下周一
        if date in text:
            dates.add(date)
            text = text.replace(date, "，")
    return cities, dates


def test_a_fraction_never_changes_and_is_even():
    assert fraction("a", "b") == 0.6887105833045879
    counts = Counter(int(10 * fraction("even", str(i))) for i in range(10_000))
    assert all(abs(count - 1000) < 150 for count in counts.values())


def test_a_tenth_of_the_pairs_is_held_out_and_each_value_is_often_seen(train):
    held_out = [pair for pair in CITY_DATES if is_held_out_pair(pair)]
    assert 0.07 < len(held_out) / len(CITY_DATES) < 0.13
    assert max(Counter(pair[1] for pair in held_out).values()) <= len(DATES) / 2
    assert max(Counter(pair[3] for pair in held_out).values()) <= len(CITIES) / 2
    seen = Counter(value for drawn in train for values in cities_and_dates(drawn.source) for value in values)
    assert min(seen[value] for value in (*CITIES, *DATES)) > 100


def test_no_held_out_pair_in_training(train):
    """By the text alone: no source in training holds both values of a held-out city and date."""
    for drawn in train:
        for city, date in product(*cities_and_dates(drawn.source)):
            assert not is_held_out_pair(("city", city, "date", date)), drawn


def test_comb_asks_for_a_held_out_pair():
    weather = [drawn for drawn in test_set("comb") if drawn.scenario in ("weather", "generation")]
    for drawn in weather:
        if drawn.intent.startswith("weather") or drawn.intent == "generation.news":
            pairs = product(*cities_and_dates(drawn.source + drawn.target))
            assert any(is_held_out_pair(("city", city, "date", date)) for city, date in pairs), drawn
    assert all(drawn.answerable for drawn in test_set("comb"))


def test_held_out_pairs_of_every_kind_are_kept_out_of_training():
    """By the drafts, with all pairs that the intents declare."""
    kinds = Counter()
    for intent in INTENTS:
        for i in range(200):
            draft = intent.draw(Dice("kinds", intent.name, i), intent.training[0])
            pairs = {*draft.pairs, *draft.pairs_beside}
            kinds.update((intent.scenario, pair[0], pair[2]) for pair in pairs)
            values = {*draft.values, *draft.values_beside}
            if any(map(is_held_out_pair, pairs)) or any(map(is_held_out_value, values)) or draft.long:
                assert split_of(intent.name, intent.training[0], draft) not in ("train", "dev", "iid")
    scenarios = {scenario for scenario, *_ in kinds}
    assert scenarios == {"weather", "customer_service", "question_answering", "dialogue", "education", "generation"}


def test_comb_has_the_mix_of_iid():
    def mix(split):
        scenarios = Counter(drawn.scenario for drawn in test_set(split) if drawn.scenario != "arithmetic")
        return {scenario: count / scenarios.total() for scenario, count in scenarios.items()}

    iid, comb = mix("iid"), mix("comb")
    assert set(iid) == set(comb)
    assert all(abs(iid[scenario] - comb[scenario]) < 0.06 for scenario in iid)


@pytest.mark.parametrize("intent", INTENTS, ids=lambda intent: intent.name)
def test_held_out_templates_are_two_of_twelve_or_more_and_say_nothing_new(intent):
    assert len(intent.held_out) == 2
    assert len(intent.training) >= 12
    words = set().union(*(template.words for template in intent.training))
    characters = set("".join(template.text for template in intent.training))
    for template in intent.held_out:
        assert template.words <= words
        assert set(template.text) <= characters
    texts = [template.text for template in (*intent.training, *intent.held_out)]
    assert len(set(texts)) == len(texts)


def test_no_held_out_template_in_training_even_as_part_of_a_dialogue(train):
    held_out = {template.id for intent in INTENTS for template in intent.held_out}
    assert not held_out & {drawn.template for drawn in train}
    assert all(drawn.template in held_out for drawn in test_set("tmpl"))


def test_intents_share_no_template():
    texts = Counter(template.text for intent in INTENTS for template in (*intent.training, *intent.held_out))
    assert [text for text, count in texts.items() if count > 1] == []


def test_unseen_values_are_made_of_characters_that_training_values_of_their_class_have():
    classes = {
        "city": [("city", city) for city in (*CITIES, *UNSEEN_CITIES)],
        "person": [("person", surname + given) for surname, given in product(SURNAMES, GIVEN)],
        "product": [("product", modifier, noun) for modifier, noun in product(MODIFIERS, GOODS)],
        "order": [("order", f"{letter}{number}") for letter, number in product(LETTERS, range(1000, 10_000, 7))],
    }
    for values in classes.values():
        unseen = [value for value in values if is_held_out_value(value)]
        seen = [value for value in values if not is_held_out_value(value)]
        assert 0.05 < len(unseen) / len(values) < 0.25
        assert {c for value in unseen for c in "".join(value[1:])} <= {c for value in seen for c in "".join(value[1:])}


def test_no_unseen_value_in_training(train):
    """By the slots, which have all that a source tells and asks."""
    people = {s + g for s, g in product(SURNAMES, GIVEN) if is_held_out_value(("person", s + g))}
    goods = {m + n for m, n in product(MODIFIERS, GOODS) if is_held_out_value(("product", m, n))}
    unseen = {*people, *goods, *UNSEEN_CITIES}
    for drawn in train:
        values = {value for slot in drawn.slots for value in (slot if isinstance(slot, tuple) else [slot])}
        assert not values & unseen, drawn


def test_long_dialogues_are_longer_than_any_in_training(train):
    def turns(drawn):
        return drawn.source.count("|") + ("=" not in drawn.source)

    longest = max(turns(drawn) for drawn in train)
    assert longest == 4
    assert all(turns(drawn) > longest for drawn in test_set("len"))


def test_slots_belong_to_one_split_under_every_seed():
    for split in ("dev", "iid"):
        for drawn in islice(stream("another", split), 300):
            assert slot_split(drawn.intent, drawn.slots) == split


def test_what_does_not_tell_its_slots_is_in_training_alone():
    """大后天是什么天气？ without a context: the city that the slots have is not in the source."""
    hidden = [drawn for split in ("dev", "iid") for drawn in islice(stream(1, split), 2_000)]
    for drawn in hidden:
        if drawn.intent.startswith("weather") and "=" not in drawn.source:
            assert cities_and_dates(drawn.source)[0] or any(city in drawn.source for city in UNSEEN_CITIES), drawn


@pytest.mark.parametrize("split", HELD_OUT)
def test_no_string_of_a_held_out_set_is_in_training(train, split):
    sources = {drawn.source for drawn in test_set(split)}
    assert len(sources) == 1000
    assert not sources & {drawn.source for drawn in train}


def test_held_out_sets_share_no_string():
    sources = Counter(drawn.source for split in HELD_OUT for drawn in test_set(split))
    assert max(sources.values()) == 1
