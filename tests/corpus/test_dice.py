"""Dice: the same choices for the same key, everywhere, and even ones."""

from collections import Counter

import pytest

from minisora.corpus.dice import Dice


def test_the_choices_never_change():
    dice = Dice(7, "train", 11)
    assert [dice.below(1000) for _ in range(5)] == [778, 666, 516, 95, 201]


def test_equal_keys_give_equal_choices_and_other_keys_others():
    def choices(*key):
        dice = Dice(*key)
        return [dice.below(10**6) for _ in range(100)]

    assert choices(1, "a") == choices(1, "a")
    assert len({tuple(choices(*key)) for key in [(1, "a"), (1, "b"), (2, "a"), ("1", "a"), (1, "a", 0)]}) == 5


def test_below_is_even_far_beyond_one_digest():
    dice = Dice("even")
    counts = Counter(dice.below(7) for _ in range(70_000))
    assert set(counts) == set(range(7))
    assert all(abs(count - 10_000) < 500 for count in counts.values())  # five standard deviations


def test_between_includes_both_ends():
    dice = Dice("ends")
    assert {dice.between(-2, 1) for _ in range(200)} == {-2, -1, 0, 1}


@pytest.mark.parametrize("percent", [0, 30, 100])
def test_chance_is_in_percent(percent):
    dice = Dice("chance", percent)
    assert abs(sum(dice.chance(percent) for _ in range(10_000)) - 100 * percent) <= 230


def test_a_sample_has_each_value_at_most_once_and_leaves_the_sequence_alone():
    dice, values = Dice("sample"), list("abcdefg")
    drawn = [tuple(dice.sample(values, 3)) for _ in range(2_000)]
    assert all(len(set(sample)) == 3 for sample in drawn)
    assert len(set(drawn)) == 7 * 6 * 5
    assert values == list("abcdefg")
    assert sorted(dice.shuffled(values)) == values


def test_other_is_another():
    dice = Dice("other")
    assert {dice.other("abc", "b") for _ in range(50)} == {"a", "c"}
