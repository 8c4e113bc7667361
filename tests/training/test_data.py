"""Where pairs come from."""

import pytest

from minisora.corpus import example
from minisora.training import PairList, PairStream
from minisora.training.data import as_data


def test_each_epoch_has_every_pair_once_in_an_order_of_its_own(pairs):
    data = PairList(pairs, seed=3)
    first, second = data.draw(0, len(pairs)), data.draw(len(pairs), len(pairs))
    assert sorted(first) == sorted(second) == sorted(pairs)
    assert first != second


def test_a_list_is_a_function_of_the_position(pairs):
    whole = PairList(pairs, seed=3).draw(0, 300)
    other = PairList(pairs, seed=3)
    assert [other.draw(position, 1)[0] for position in (299, 0, 150)] == [whole[299], whole[0], whole[150]]
    assert PairList(pairs, seed=4).draw(0, 300) != whole


def test_the_stream_is_the_corpus():
    ones = [example(5, index) for index in (7, 8)]
    assert PairStream(5).draw(7, 2) == [(one.source, one.target) for one in ones]


def test_made_up_names_stand_in_as_many_examples_as_asked_for():
    plain, some, all_ = (PairStream(5, made_up_names=percent).draw(0, 400) for percent in (0, 30, 100))
    changed = [one != other for one, other in zip(plain, some, strict=True)]
    possible = [one != other for one, other in zip(plain, all_, strict=True)]
    assert 0.2 < sum(changed) / sum(possible) < 0.4
    assert PairStream(5, made_up_names=30).draw(7, 2) == some[7:9]


def test_the_stream_draws_more_of_what_is_emphasized():
    sums = [
        sum("等于" in target for _, target in PairStream(5, emphasis=emphasis).draw(0, 400))
        for emphasis in (None, {"arithmetic": 10})
    ]
    assert sums[1] > 3 * sums[0] > 0


def test_data_are_told_apart(pairs):
    streams = [PairStream(1), PairStream(1, made_up_names=30), PairStream(1, emphasis={"weather": 2})]
    assert len({repr(one.describe()) for one in streams}) == 3
    assert PairList(pairs).describe() == PairList(list(pairs)).describe()
    assert PairList(pairs).describe() != PairList(pairs[:-1]).describe()
    assert PairList([("ab", "c")]).describe() != PairList([("a", "bc")]).describe()
    assert PairStream(1).describe() != PairStream(2).describe()


def test_what_data_can_be(pairs):
    stream = PairStream()
    assert as_data(stream, 0) is stream
    assert as_data([example(0, 0)], 0).pairs == [(example(0, 0).source, example(0, 0).target)]
    with pytest.raises(ValueError, match="at least one pair"):
        as_data([], 0)
