"""top-k and top-p by hand, and on random logits against plain Python."""

import numpy as np
import pytest

from minisora.generation.filters import top_k, top_p


def kept(logits):
    """Which tokens have not been dropped, by row."""
    return [np.flatnonzero(row > -np.inf).tolist() for row in logits]


HALVES = np.log([[0.125, 0.5, 0.25, 0.125], [0.25, 0.25, 0.25, 0.25]])


@pytest.mark.parametrize(
    ("k", "expected"),
    [(1, [[1], [0]]), (2, [[1, 2], [0, 1]]), (3, [[0, 1, 2], [0, 1, 2]]), (4, [[0, 1, 2, 3]] * 2)],
)
def test_top_k_by_hand(k, expected):
    """Of equally probable tokens the first are kept, and no more than k."""
    assert kept(top_k(HALVES, k)) == expected


def test_top_k_of_more_than_there_are_keeps_all():
    np.testing.assert_array_equal(top_k(HALVES, 99), HALVES)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.01, [[1], [0]]),
        (0.25, [[1], [0]]),
        (0.5, [[1], [0, 1]]),
        (0.51, [[1, 2], [0, 1, 2]]),
        (0.75, [[1, 2], [0, 1, 2]]),
        (0.8, [[0, 1, 2], [0, 1, 2, 3]]),
        (1.0, [[0, 1, 2, 3]] * 2),
    ],
)
def test_top_p_by_hand(p, expected):
    """A set that reaches p exactly is large enough; among ties it is still the smallest."""
    assert kept(top_p(HALVES, p)) == expected


@pytest.mark.parametrize("seed", range(5))
def test_top_p_is_the_smallest_set_that_reaches_p(seed):
    rng = np.random.default_rng(seed)
    logits, p = rng.normal(0, 3, (7, 31)).round(1), rng.uniform(0.1, 0.99)  # rounded, so that some are equal
    for row, tokens in zip(logits, kept(top_p(logits, p)), strict=True):
        weights = np.exp(row) / np.exp(row).sum()
        falling = np.sort(weights)[::-1]
        assert weights[tokens].sum() >= p > falling[: len(tokens) - 1].sum()
        dropped = np.delete(np.arange(31), tokens)
        assert not len(dropped) or weights[tokens].min() >= weights[dropped].max()


@pytest.mark.parametrize("seed", range(5))
def test_top_k_is_a_stable_sort(seed):
    logits = np.random.default_rng(seed).integers(0, 5, (7, 31)).astype(np.float32)
    for k in (1, 2, 11, 30):
        expected = [sorted(np.argsort(-row, kind="stable")[:k].tolist()) for row in logits]
        assert kept(top_k(logits, k)) == expected


def test_what_is_kept_keeps_its_value_and_type():
    logits = np.random.default_rng(0).normal(size=(3, 11)).astype(np.float32)
    for out in (top_k(logits, 4), top_p(logits, 0.6)):
        assert out.dtype == np.float32
        np.testing.assert_array_equal(out[out > -np.inf], logits[out > -np.inf])


def test_a_token_that_has_been_dropped_stays_dropped():
    """One filter after the other: nothing comes back, even where the second would keep more than there are."""
    logits = np.log([[0.4, 0.3, 0.2, 0.1]])
    assert kept(top_p(top_k(logits, 2), 0.99)) == [[0, 1]]
    assert kept(top_k(top_k(logits, 2), 3)) == [[0, 1]]
    assert kept(top_p(top_k(logits, 2), 0.5)) == [[0]]  # 0.4 of 0.7 is more than a half
