"""The penalties by hand and against plain Python."""

from types import SimpleNamespace

import numpy as np
import pytest

from minisora.generation import GenerationConfig
from minisora.generation.penalties import Penalties, block_ngrams, penalize_repetition


def test_the_repetition_penalty_by_hand():
    """Positive logits are divided, negative ones multiplied; what is said twice is penalised once."""
    logits = np.array([[3.0, -1.0, 0.0, 2.0], [3.0, -1.0, 0.0, 2.0]])
    said = np.array([[0, 1, 0], [3, 2, 2]])
    out = penalize_repetition(logits, said, 1.5)
    np.testing.assert_array_equal(out, [[2.0, -1.5, 0.0, 2.0], [3.0, -1.0, 0.0, 2.0 / 1.5]])
    np.testing.assert_array_equal(logits[0], [3.0, -1.0, 0.0, 2.0])  # the given array is left alone


def test_the_repetition_penalty_keeps_the_type():
    assert penalize_repetition(np.ones((2, 5), np.float32), np.zeros((2, 3), int), 1.3).dtype == np.float32


@pytest.mark.parametrize(
    ("n", "said", "blocked"),
    [
        (1, [4, 2, 4], [2, 4]),
        (2, [4, 2, 4], [2]),
        (2, [4, 2, 3], []),
        (2, [4, 4], [4]),
        (2, [4], []),
        (3, [1, 2, 3, 1, 2], [3]),
        (3, [1, 2, 3, 1, 2, 5, 1, 2], [3, 5]),
        (3, [1, 1, 1], [1]),
        (3, [1, 2], []),
        (4, [1, 2, 3, 1, 2], []),
    ],
)
def test_ngrams_by_hand(n, said, blocked):
    out = block_ngrams(np.zeros((1, 7)), np.array([said]), n)
    assert np.flatnonzero(out[0] == -np.inf).tolist() == blocked
    assert set(out[0]) <= {0, -np.inf}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 2, 3])
def test_ngrams_are_those_of_plain_python(seed, n):
    rng = np.random.default_rng(seed)
    said, logits = rng.integers(0, 3, (11, 13)), rng.normal(size=(11, 5)).astype(np.float32)
    out = block_ngrams(logits, said, n)
    for row, tokens, before in zip(out, said.tolist(), logits, strict=True):
        have = {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}
        for token in range(5):
            repeats = (*tokens[len(tokens) - n + 1 :], token) in have
            assert row[token] == (-np.inf if repeats else before[token])


STATE = SimpleNamespace(xp=np, batch=2, max_len=5)


def test_what_has_been_said_follows_its_sequence():
    penalties = Penalties(GenerationConfig(no_repeat_ngram=1), STATE)
    logits = np.zeros((2, 3))
    assert penalties.apply(logits) is logits  # nothing has been said
    penalties.note(np.array([0, 2]))
    penalties.reorder(np.array([1, 0, 1]))
    blocked = [np.flatnonzero(row).tolist() for row in penalties.apply(np.zeros((3, 3))) == -np.inf]
    assert blocked == [[2], [0], [2]]


def test_without_penalties_logits_pass_as_they_are():
    penalties = Penalties(GenerationConfig(), STATE)
    penalties.note(np.array([0, 2]))
    penalties.reorder(np.array([1]))
    logits = np.zeros((1, 3))
    assert penalties.apply(logits) is logits


def test_both_penalties_together():
    penalties = Penalties(GenerationConfig(no_repeat_ngram=2, repetition_penalty=2.0), STATE)
    for ids in ([1, 1], [1, 0]):
        penalties.note(np.array(ids))
    np.testing.assert_array_equal(penalties.apply(np.full((2, 3), 4.0)), [[4, -np.inf, 4], [2, 2, 4]])
