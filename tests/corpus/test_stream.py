"""The stream: a pure function of seed and index, with one right answer to each question."""

from collections import Counter
from hashlib import blake2b
from itertools import islice

import numpy as np
import pytest

from minisora.corpus import SPLITS, example, faq_set, stream, test_set
from minisora.corpus.faq import PAIRS
from minisora.corpus.intents import DECLINE
from minisora.corpus.stream import FAQ_PERCENT, INTENTS, SCENARIOS

CHECKSUMS = {
    "train": "df53e568f08005e5",
    "dev": "a73d704d9b648cdf",
    "iid": "4e3b02b18d2ca129",
    "comb": "c76e27176f007be4",
    "tmpl": "bb09d94a2d90d02c",
    "val": "c810f90427c4b240",
    "len": "248a428558b65fa5",
}


@pytest.fixture(scope="module")
def train():
    return list(islice(stream(3), 25_000))


@pytest.mark.parametrize("split", SPLITS)
def test_the_stream_never_changes(split):
    """A trained model, its card and its table stand on this very corpus."""
    text = "".join(f"{drawn.source}\t{drawn.target}\n" for drawn in islice(stream(0, split), 500))
    assert blake2b(text.encode(), digest_size=8).hexdigest() == CHECKSUMS[split]


def test_an_example_depends_on_seed_index_and_split_alone():
    forward = [example(5, i) for i in range(50)]
    assert [example(5, i) for i in reversed(range(50))] == forward[::-1]
    assert list(islice(stream(5, start=20), 30)) == forward[20:]
    assert example(np.int64(5), np.int32(7)) == forward[7]
    assert {drawn.source for drawn in forward}.isdisjoint(example(6, i).source for i in range(50) if i % 2)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, -1), "0 or more, got -1"),
        ((0, 0, "test"), "a split out of train, dev, iid.*got 'test'"),
        ((0, 0, "iid", (("art", 2),)), "a scenario out of weather, .*generation, got 'art'"),
        ((0, 0, "iid", (("weather", 0),)), "weather to be drawn at least 1 times as often, got 0"),
    ],
)
def test_what_is_no_place_in_the_stream_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        example(*arguments)


def test_one_input_has_one_answer(train):
    answers = {}
    for drawn in [*train, *(drawn for split in SPLITS[1:] for drawn in test_set(split))]:
        if drawn.scenario != "generation":
            assert answers.setdefault(drawn.source, drawn.target) == drawn.target, drawn


def test_nearly_all_examples_are_fresh(train):
    others = [drawn for drawn in train if drawn.scenario not in ("faq", "education", "generation")]
    assert len({drawn.source for drawn in others}) > 0.98 * len(others)


def test_the_mix_is_the_stated_one(train):
    counts = Counter(drawn.scenario for drawn in train)
    assert abs(counts["faq"] / len(train) - FAQ_PERCENT / 100) < 0.005
    for weight, intents in SCENARIOS:
        assert abs(counts[intents[0].scenario] / len(train) - weight / 100) < 0.015
    assert {drawn.intent for drawn in train} == {*(intent.name for intent in INTENTS), "faq.pairs"}


def test_what_is_emphasized_is_drawn_more_often_and_the_rest_keeps_its_proportions():
    drawn = [example(3, i, "dev", (("arithmetic", 5), ("dialogue", 2))) for i in range(4000)]
    counts = Counter(one.scenario for one in drawn)
    weights = {intents[0].scenario: weight for weight, intents in SCENARIOS}
    weights["arithmetic"] *= 5
    weights["dialogue"] *= 2
    for scenario, weight in weights.items():
        assert abs(counts[scenario] / len(drawn) - weight / sum(weights.values())) < 0.03, scenario
    assert all(one.split == "dev" for one in drawn)


def test_one_question_in_six_is_declined(train):
    declined = [drawn for drawn in train if not drawn.answerable]
    assert abs(len(declined) / len(train) - 1 / 6) < 0.015
    assert all((drawn.target == DECLINE) is not drawn.answerable for drawn in train)
    with_context = sum("=" in drawn.source for drawn in declined)
    assert with_context > 0.7 * len(declined)  # near misses, not only bare questions


def test_sources_and_answers_are_short(train):
    sources, targets = [len(drawn.source) for drawn in train], [len(drawn.target) for drawn in train]
    assert np.mean(sources) < 40
    assert max(sources) <= 110
    assert np.mean(targets) < 15
    assert max(targets) <= 45


def test_the_faq_is_small_holds_its_first_question_and_is_in_training_alone(train):
    assert 30 <= len(PAIRS) <= 50
    assert PAIRS["今天天气怎么样？"] == "今天天气晴朗，气温适中。"
    assert {(drawn.source, drawn.target) for drawn in faq_set()} == set(PAIRS.items())
    sources = Counter(drawn.source for drawn in train)
    assert all(sources[question] for question in PAIRS)
    assert sources["今天天气怎么样？"] > 20
    assert all(drawn.source not in PAIRS for split in SPLITS[1:] for drawn in test_set(split))
