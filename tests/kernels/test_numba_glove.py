"""The compiled loop of GloVe against the formulas, step by step in float64."""

import numpy as np
import pytest

from minisora.kernels.numba_glove import PARTS, diagonal, steps
from minisora.text.glove import cell_weights, least_squares_backward, least_squares_forward

V, D, N = 19, 5, 60


def side(rng, dtype):
    vectors, biases = rng.normal(size=(V, D)).astype(dtype), rng.normal(size=V).astype(dtype)
    return vectors, biases, np.ones_like(vectors), np.ones_like(biases)


def reference(words, contexts, rate, rows, columns, counts):
    """AdaGrad by the formulas, one cell after the other; the two sides' arrays and the loss."""
    (w, b, w2, b2), (c, d, c2, d2) = (tuple(x.astype(np.float64) for x in part) for part in (words, contexts))
    total = 0.0
    for n in range(len(rows)):
        cell = slice(n, n + 1)
        losses, cache = least_squares_forward(w, c, b, d, rows[cell], columns[cell], counts=counts[cell], x_max=10.0)
        gradients = least_squares_backward(np.ones(1), cache)
        for data, squares, gradient in zip((w, c, b, d), (w2, c2, b2, d2), gradients):
            squares += gradient**2
            data -= rate * gradient / np.sqrt(squares)
        total += losses.item()
    return (w, b, w2, b2), (c, d, c2, d2), total


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_steps_are_the_formulas(dtype, tolerance):
    rng = np.random.default_rng(0)
    words, contexts = side(rng, dtype), side(rng, dtype)
    rows, columns = rng.integers(0, V, (2, N)).astype(np.int32)
    counts = rng.uniform(0.1, 30, N)
    *expected, loss = reference(words, contexts, 0.1, rows, columns, counts)
    cells = rows, columns, np.log(counts).astype(dtype), cell_weights(counts, 10.0).astype(dtype)
    found = steps(words, contexts, dtype(0.1), cells, 0, N)
    assert abs(found - loss) <= tolerance * loss
    for ours, theirs in zip((*words, *contexts), (*expected[0], *expected[1])):
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def test_a_diagonal_is_its_blocks_one_after_the_other():
    rng = np.random.default_rng(1)
    words, contexts = side(rng, np.float64), side(rng, np.float64)
    rows, columns = (x.ravel().astype(np.int32) for x in np.meshgrid(np.arange(V), np.arange(V)))
    blocks, shift = rows % PARTS * PARTS + columns % PARTS, 3
    order = np.argsort(blocks, kind="stable")
    rows, columns, counts = rows[order], columns[order], rng.uniform(0.1, 30, V * V)
    mine = np.flatnonzero((columns - rows) % PARTS == shift)
    *expected, loss = reference(words, contexts, 0.1, rows[mine], columns[mine], counts[mine])
    starts = np.concatenate([[0], np.cumsum(np.bincount(blocks, minlength=PARTS**2))])
    losses = np.zeros(PARTS)
    cells = rows, columns, np.log(counts), cell_weights(counts, 10.0)
    diagonal(np.zeros(3, np.int64), words, contexts, 0.1, cells, starts, shift, losses)
    np.testing.assert_allclose(losses.sum(), loss, rtol=1e-12)
    for ours, theirs in zip((*words, *contexts), (*expected[0], *expected[1])):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)
