"""The fixed sets and the alphabet."""

from itertools import islice

import pytest

from minisora.corpus import SPLITS, alphabet, stream, test_set, train_sample


@pytest.mark.parametrize("split", SPLITS[1:])
def test_a_fixed_set_has_a_thousand_different_sources_of_its_split(split):
    drawn = test_set(split)
    assert len({one.source for one in drawn}) == len(drawn) == 1000
    assert {one.split for one in drawn} == {split}
    assert test_set(split, 10) == drawn[:10]


def test_the_train_sample_is_what_a_training_sees_first():
    sample = train_sample(50)
    first = [drawn for drawn in islice(stream(0), 60) if drawn.scenario != "faq"]
    assert list(sample[:40]) == first[:40]
    assert {drawn.split for drawn in sample} == {"train"}


@pytest.mark.parametrize("split", SPLITS)
def test_the_alphabet_has_every_character_of_every_split(split):
    characters = set(alphabet())
    for drawn in islice(stream(1, split), 2_000):
        assert set(drawn.source + drawn.target) <= characters, drawn
        assert all(set(text) <= characters for text in drawn.references)


def test_the_alphabet_has_hardly_more_than_training_shows():
    shown = set("".join(drawn.source + drawn.target for drawn in islice(stream(2), 20_000)))
    assert set(alphabet()) - shown <= {"\\"}  # that escapes the marks in a user's own values
    assert list(alphabet()) == sorted(set(alphabet()))
