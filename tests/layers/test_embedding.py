"""Token embedding and its scatter-add."""

import numpy as np
import pytest

from minisora.layers.embedding import TokenEmbedding, scatter_add


def test_by_hand(rng):
    layer = TokenEmbedding(3, 4, rng, dtype=np.float64)
    layer.table.data[:] = np.arange(12).reshape(3, 4)
    out, cache = layer.forward(np.array([[2, 0, 2]]))
    np.testing.assert_array_equal(out, [[[16, 18, 20, 22], [0, 2, 4, 6], [16, 18, 20, 22]]])  # sqrt(4) times the rows
    dout = np.arange(12.0).reshape(1, 3, 4)
    assert layer.backward(dout, cache) is None
    np.testing.assert_array_equal(layer.table.grad, [[8, 10, 12, 14], [0, 0, 0, 0], [16, 20, 24, 28]])


@pytest.mark.parametrize("count", [0, 1, 2, 1009])
def test_scatter_add_keeps_repeated_ids(rng, count):
    ids, rows = rng.integers(0, 13, count), rng.normal(size=(count, 5))
    table = rng.normal(size=(13, 5))
    expected = table.copy()
    for i, row in zip(ids, rows, strict=True):
        expected[i] += row
    scatter_add(table, ids, rows)
    np.testing.assert_allclose(table, expected, rtol=1e-12)


def test_scatter_add_adds_in_the_order_of_the_batch(rng):
    """To the last bit: another order of the rows of one id would round otherwise."""
    ids, rows, table = rng.integers(0, 3, 4001), rng.normal(size=(4001, 5)), rng.normal(size=(3, 5))
    expected = np.stack([table[i] + np.add.reduceat(rows[ids == i], [0], axis=0)[0] for i in range(3)])
    scatter_add(table, ids, rows)
    np.testing.assert_array_equal(table, expected)


def test_scatter_add_with_the_smallest_id(rng):
    """Id 0 in an unsigned type: the run before the first must not wrap around."""
    table = np.zeros((3, 2))
    scatter_add(table, np.array([0, 0, 1], np.uint8), np.ones((3, 2)))
    np.testing.assert_array_equal(table, [[2, 2], [1, 1], [0, 0]])


def test_the_embedding_has_variance_one(rng):
    vectors = TokenEmbedding(997, 64, rng)(np.arange(997))
    assert vectors.var() == pytest.approx(1, rel=0.02)
    assert vectors.mean() == pytest.approx(0, abs=0.02)
    assert vectors.dtype == np.float32


def test_the_table_does_not_decay(rng):
    assert TokenEmbedding(3, 4, rng).table.decay is False


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.array([[0, 3]]), "in 0 .. 2, got 0 .. 3"),
        (np.array([[-1, 2]]), "in 0 .. 2, got -1 .. 2"),
        ([[0, 1]], "as an array of integers, got a list"),
        (np.array([[0.0, 1.0]]), "as an array of integers, got an array of float64"),
    ],
)
def test_ids_out_of_range_are_refused(rng, ids, message):
    with pytest.raises(ValueError, match=message):
        TokenEmbedding(3, 4, rng)(ids)
