"""The formulas by hand; their gradients are checked in tests/gradcheck."""

import numpy as np

from minisora.text.word2vec import (
    hidden_backward,
    hidden_forward,
    negative_sampling_backward,
    negative_sampling_forward,
    softmax_backward,
    softmax_forward,
    word2vec_backward,
    word2vec_forward,
)


def test_softmax_is_the_formula():
    """p(o|c) = exp(u_o . v_c) / sum_w exp(u_w . v_c), word by word."""
    rng = np.random.default_rng(0)
    v, u = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    for c in range(5):
        for o in range(5):
            p = np.exp(u[o] @ v[c]) / sum(np.exp(u[w] @ v[c]) for w in range(5))
            losses, _ = word2vec_forward(v, u, np.array([[c]]), np.array([[o]]), loss="softmax")
            np.testing.assert_allclose(losses, [-np.log(p)], rtol=1e-12)


def test_softmax_of_large_scores():
    h, u = np.array([[1000.0]]), np.array([[1.0], [-1.0]])
    losses, cache = softmax_forward(h, u, np.array([[1]]))
    assert losses == [2000.0]
    assert np.isfinite(softmax_backward(np.ones(1), cache)[1]).all()


def test_negative_sampling_by_hand():
    """h = 1, u = (0, ln 3): sigmoids 1/2 and 3/4. -log 1/2 - 2 log 1/4, the noise twice; a third does not count."""
    h, u, targets = np.array([[1.0]]), np.array([[0.0], [np.log(3)]]), np.array([[0, 1, 1, -1]])
    losses, cache = negative_sampling_forward(h, u, targets)
    np.testing.assert_allclose(losses, [np.log(2) + 2 * np.log(4)], rtol=1e-14)
    dh, du = negative_sampling_backward(np.ones(1), cache)
    np.testing.assert_allclose(du, [[-0.5], [1.5]], rtol=1e-14)
    np.testing.assert_allclose(dh, [[1.5 * np.log(3)]], rtol=1e-14)


def test_negative_sampling_of_large_scores():
    losses, cache = negative_sampling_forward(np.array([[800.0]]), np.array([[1.0], [-1.0]]), np.array([[1, 0]]))
    assert losses == [1600.0]
    np.testing.assert_array_equal(negative_sampling_backward(np.ones(1), cache)[1], [[800.0], [-800.0]])


def test_hidden_is_a_mean_and_repeated_inputs_add_up():
    v, inputs = np.array([[1.0], [4.0], [9.0]]), np.array([[1, 1, 2], [0, -1, -1]])
    h, cache = hidden_forward(v, inputs)
    np.testing.assert_allclose(h, [[17 / 3], [1]])
    np.testing.assert_allclose(hidden_backward(np.array([[3.0], [5.0]]), cache), [[5], [2], [1]])


def test_one_input_is_skip_gram():
    rng = np.random.default_rng(1)
    v, u, targets = rng.normal(size=(7, 3)), rng.normal(size=(7, 3)), np.array([[2, 3], [4, -1]])
    losses, cache = word2vec_forward(v, u, np.array([5, 6]), targets)
    np.testing.assert_array_equal(losses, word2vec_forward(v, u, np.array([[5], [6]]), targets)[0])
    expected, of_loss = negative_sampling_forward(v[[5, 6]], u, targets)
    np.testing.assert_array_equal(losses, expected)
    dv, du, *none = word2vec_backward(np.array([1.0, 2.0]), cache)
    dh, expected_du = negative_sampling_backward(np.array([1.0, 2.0]), of_loss)
    np.testing.assert_array_equal(dv[[5, 6]], dh)
    np.testing.assert_array_equal(du, expected_du)
    assert none == [None, None]
