"""GloVe's formulas by hand; their gradients are checked in tests/gradcheck."""

import numpy as np

from minisora.text.glove import (
    cell_weights,
    cross_entropy_backward,
    cross_entropy_forward,
    least_squares_backward,
    least_squares_forward,
)


def test_weights():
    np.testing.assert_allclose(cell_weights(np.array([0.0, 1, 16, 100, 1e6]), 16, 0.75), [0, 1 / 8, 1, 1, 1])


def test_least_squares_by_hand():
    """X = e^2 at weight 1: (1 * 3 + 0.5 + 0.25 - 2)^2, the same cell twice."""
    w, c, b, d = np.array([[1.0]]), np.array([[3.0]]), np.array([0.5]), np.array([0.25])
    cells, counts = np.array([0, 0]), np.full(2, np.exp(2))
    losses, cache = least_squares_forward(w, c, b, d, cells, cells, counts=counts, x_max=1)
    np.testing.assert_allclose(losses, [1.75**2] * 2)
    dw, dc, db, dd, *_ = least_squares_backward(np.ones(2), cache)
    np.testing.assert_allclose([dw.item(), dc.item(), db.item(), dd.item()], [21, 7, 7, 7])


def test_softmax_is_the_formula():
    rng = np.random.default_rng(0)
    a, b, counts = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.random((2, 4))
    scores = a @ b.T
    q = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    losses, _ = cross_entropy_forward(a, b, np.array([2, 0]), counts=counts)
    np.testing.assert_allclose(losses, -(counts * np.log(q[[2, 0]])).sum(axis=1), rtol=1e-12)


def test_softmax_is_at_rest_where_it_says_what_was_counted():
    """Q = P: log X as scores, any length of the row."""
    counts = np.random.default_rng(1).uniform(1, 9, (3, 3))
    _, cache = cross_entropy_forward(np.log(counts), np.eye(3), np.arange(3), counts=counts)
    da, db, _ = cross_entropy_backward(np.ones(3), cache)
    np.testing.assert_allclose([da, db], np.zeros((2, 3, 3)), atol=1e-12)


def test_large_scores():
    a, b, counts = np.array([[1000.0]] * 2), np.array([[1.0], [-1.0]]), np.array([[0.0, 2.0]])
    losses, cache = cross_entropy_forward(a, b, np.array([1]), counts=counts)
    assert losses == [4000.0]
    np.testing.assert_array_equal(cross_entropy_backward(np.ones(1), cache)[1], [[2000.0], [-2000.0]])
