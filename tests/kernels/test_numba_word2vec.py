"""The compiled loop of word2vec against the formulas, step by step in float64, and what it draws."""

import numpy as np
import pytest

from minisora.kernels.numba_word2vec import draw, steps
from minisora.text.noise import alias_table
from minisora.text.word2vec import word2vec_backward, word2vec_forward

V, D, N = 11, 7, 13


def examples(rng, columns):
    """Frozen inputs and targets: with repeated words, empty places, and noise that did not count."""
    inputs, targets = rng.integers(0, V, (N, columns)), rng.integers(0, V, (N, 6))
    inputs[:, 1:][rng.random((N, columns - 1)) < 0.4] = -1
    targets[:, 1:][rng.random((N, 5)) < 0.2] = -1
    targets[0] = [1, 2, 2, 2, 3, -1]
    return inputs.astype(np.int32), targets.astype(np.int32)


def reference(v, u, rate, inputs, targets):
    """Gradient descent by the formulas, one example after the other."""
    v, u = v.astype(np.float64), u.astype(np.float64)
    for n in range(len(inputs)):
        losses, cache = word2vec_forward(v, u, inputs[n : n + 1], targets[n : n + 1])
        dv, du, _, _ = word2vec_backward(np.ones_like(losses), cache)
        v, u = v - rate * dv, u - rate * du
    return v, u


@pytest.mark.parametrize("columns", [1, 4], ids=["skip-gram", "cbow"])
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-10), (np.float32, 2e-6)])
def test_steps_are_the_formulas(columns, dtype, tolerance):
    rng = np.random.default_rng(columns)
    v, u = (rng.normal(size=(V, D)).astype(dtype) for _ in range(2))
    inputs, targets = examples(rng, columns)
    expected = reference(v, u, 0.3, inputs, targets)
    steps(v, u, dtype(0.3), inputs, targets, 0, N)
    for ours, theirs in zip((v, u), expected):
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def test_only_the_examples_asked_for():
    rng = np.random.default_rng(5)
    v, u = (rng.normal(size=(V, D)) for _ in range(2))
    inputs, targets = examples(rng, 1)
    expected = reference(v, u, 0.1, inputs[3:5], targets[3:5])
    steps(v, u, 0.1, inputs, targets, 3, 5)
    np.testing.assert_allclose(u, expected[1], rtol=1e-10)


def drawn(ids, window, cbow, negatives=5, probabilities=(0.1, 0.2, 0.3, 0.4), keep=None):
    ids, starts = np.array(ids, np.int32), np.array([0, len(ids)])
    keep = np.full(4, 2**32, np.uint64) if keep is None else keep
    rows = len(ids) * (1 if cbow else 2 * window)
    inputs = np.full((rows, 2 * window if cbow else 1), -7, np.int32)
    targets = np.full((rows, 1 + negatives), -7, np.int32)
    noise = alias_table(np.array(probabilities))
    count, _ = draw((ids, starts, keep), 0, 1, noise, window, cbow, np.uint64(9), inputs, targets, 0)
    return inputs[:count], targets[:count]


def test_pairs_of_a_sentence():
    inputs, targets = drawn([0, 1, 2], 1, cbow=False)
    pairs = np.concatenate([inputs, targets[:, :1]], axis=1)
    np.testing.assert_array_equal(pairs, [[0, 1], [1, 0], [1, 2], [2, 1]])


def test_contexts_of_a_sentence():
    inputs, targets = drawn([0, 1, 2], 1, cbow=True)
    np.testing.assert_array_equal(inputs, [[1, -1], [0, 2], [1, -1]])
    np.testing.assert_array_equal(targets[:, 0], [0, 1, 2])


def test_a_word_that_never_stays_brings_its_neighbours_together():
    keep = np.array([2**32, 0, 2**32, 2**32], np.uint64)
    inputs, targets = drawn([0, 1, 2], 1, cbow=False, keep=keep)
    np.testing.assert_array_equal(np.concatenate([inputs, targets[:, :1]], axis=1), [[0, 2], [2, 0]])


def test_noise_follows_its_distribution_and_never_is_the_word():
    """The target alternates between 0 and 3: where it was drawn, there is -1."""
    _, targets = drawn([0, 3] * 20_000, 1, cbow=False)
    noise = targets[:, 1:]
    assert not (noise == targets[:, :1]).any()
    for word, others in ((0, [-1, 1, 2, 3]), (3, [0, 1, 2, -1])):
        found = noise[targets[:, 0] == word]
        shares = [(found == other).mean() for other in others]
        np.testing.assert_allclose(shares, [0.1, 0.2, 0.3, 0.4], atol=0.005)
