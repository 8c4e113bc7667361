"""Softmax cross-entropy by hand and at its edges."""

import math

import numpy as np
import pytest

from minisora.layers.loss import SoftmaxCrossEntropy


def test_by_hand():
    """Probabilities 1/4 and 3/4; the target is the second."""
    layer, logits = SoftmaxCrossEntropy(pad_id=9), np.array([[0.0, math.log(3)]])
    (total, count), cache = layer.forward(logits, np.array([1]))
    assert total == pytest.approx(math.log(4 / 3), rel=1e-15)
    assert count == 1
    np.testing.assert_allclose(layer.backward(1.0, cache), [[0.25, -0.25]], rtol=1e-15)


def test_label_smoothing_by_hand():
    """q = (e/2, 1 - e/2) with e = 0.2: loss = 0.1 ln 4 + 0.9 ln 4/3."""
    layer, logits = SoftmaxCrossEntropy(pad_id=9, label_smoothing=0.2), np.array([[0.0, math.log(3)]])
    (total, _), cache = layer.forward(logits, np.array([1]))
    assert total == pytest.approx(0.1 * math.log(4) + 0.9 * math.log(4 / 3), rel=1e-15)
    np.testing.assert_allclose(layer.backward(1.0, cache), [[0.25 - 0.1, 0.75 - 0.9]], rtol=1e-14)


def test_the_total_is_a_sum_over_tokens(rng):
    """Twice the batch, twice the total: nothing is divided inside."""
    layer = SoftmaxCrossEntropy(pad_id=0, label_smoothing=0.1)
    logits, targets = rng.normal(size=(3, 5, 7)), rng.integers(0, 7, (3, 5))
    (total, count), cache = layer.forward(logits, targets)
    (double, twice), double_cache = layer.forward(np.tile(logits, (2, 1, 1)), np.tile(targets, (2, 1)))
    assert double == pytest.approx(2 * total, rel=1e-13)
    assert twice == 2 * count
    np.testing.assert_allclose(layer.backward(1.0, double_cache)[:3], layer.backward(1.0, cache), rtol=1e-14)


def test_padding_counts_for_nothing(rng):
    layer = SoftmaxCrossEntropy(pad_id=0, label_smoothing=0.1)
    logits, targets = rng.normal(size=(2, 5, 7)), np.array([[3, 1, 0, 0, 0], [2, 2, 6, 4, 0]])
    (total, count), cache = layer.forward(logits, targets)
    assert count == 6
    assert (layer.backward(1.0, cache)[targets == 0] == 0).all()
    logits[targets == 0] = 99
    assert layer.forward(logits, targets)[0][0] == total


def test_padding_alone_gives_zero(rng):
    layer = SoftmaxCrossEntropy(pad_id=0)
    (total, count), cache = layer.forward(rng.normal(size=(2, 3, 5)), np.zeros((2, 3), int))
    assert total == 0 and count == 0
    assert (layer.backward(1.0, cache) == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_do_not_overflow_and_types_stay(dtype):
    layer, logits = SoftmaxCrossEntropy(pad_id=9), np.array([[1e30, -1e30, 0]], dtype)
    (total, _), cache = layer.forward(logits, np.array([0]))
    assert total == 0
    assert layer.backward(1.0, cache).dtype == dtype


@pytest.mark.parametrize(
    ("shape", "targets", "message"),
    [
        ((2, 3, 5), np.ones((2, 4), int), "expected to agree, got \\(2, 3, 5\\) and \\(2, 4\\)"),
        ((2, 3, 5), np.full((2, 3), 5), "0 .. 4, got 5 .. 5"),
        ((2, 3, 5), np.ones((2, 3)), "as an array of integers"),
    ],
)
def test_what_does_not_fit_is_refused(shape, targets, message):
    with pytest.raises(ValueError, match=message):
        SoftmaxCrossEntropy().forward(np.zeros(shape), targets)


def test_label_smoothing_out_of_range_is_refused():
    with pytest.raises(ValueError, match="label_smoothing is expected in \\[0, 1\\), got 1"):
        SoftmaxCrossEntropy(label_smoothing=1)
