"""Linear and TiedLinear by hand."""

import numpy as np
import pytest

from minisora.layers.linear import Linear, TiedLinear, many


def test_by_hand(rng):
    layer = Linear(2, 3, rng, dtype=np.float64)
    layer.weight.data[:] = [[1, 2, 3], [4, 5, 6]]
    layer.bias.data[:] = [10, 20, 30]
    out, cache = layer.forward(np.array([[1.0, -1.0]]))
    np.testing.assert_array_equal(out, [[7, 17, 27]])
    np.testing.assert_array_equal(layer.backward(np.array([[1.0, 0.0, -1.0]]), cache), [[-2, -2]])
    np.testing.assert_array_equal(layer.weight.grad, [[1, 0, -1], [-1, 0, 1]])
    np.testing.assert_array_equal(layer.bias.grad, [1, 0, -1])


@pytest.mark.parametrize(
    ("shape", "answer"),
    [((8, 8, 1), True), ((64, 1, 2), True), ((1, 64, 2), True), ((2, 32, 1, 1), True)]
    + [((9, 7, 1), False), ((7, 9, 50), False), ((64, 2), False), ((100, 0, 1), False)],
)
def test_many_vectors_are_64_of_sequences(shape, answer):
    assert many(np.empty(shape)) is answer


def test_leading_axes_are_kept_and_summed_over(rng):
    layer = Linear(3, 5, rng, dtype=np.float64)
    x, dout = rng.normal(size=(2, 7, 3)), rng.normal(size=(2, 7, 5))
    out, cache = layer.forward(x)
    assert out.shape == (2, 7, 5)
    assert layer.backward(dout, cache).shape == x.shape
    np.testing.assert_allclose(layer.weight.grad, np.einsum("bti,bto->io", x, dout), rtol=1e-13)
    np.testing.assert_allclose(layer.bias.grad, dout.sum(axis=(0, 1)), rtol=1e-13)


def test_without_bias(rng):
    layer = Linear(3, 5, rng, bias=False)
    assert [name for name, _ in layer.parameters()] == ["weight"]
    assert (layer(np.zeros((2, 3), np.float32)) == 0).all()


def test_initial_weights_have_glorots_variance_and_the_bias_does_not_decay(rng):
    layer = Linear(300, 500, rng)
    assert layer.weight.data.var() == pytest.approx(2 / 800, rel=0.02)
    assert abs(layer.weight.data).max() <= np.sqrt(6 / 800)
    assert (layer.weight.decay, layer.bias.decay) == (True, False)
    assert layer.weight.data.dtype == np.float32


def test_tied_adds_into_the_tables_gradient(rng):
    table = Linear(3, 5, rng, dtype=np.float64).weight  # (V, D) = (3, 5)
    layer = TiedLinear(table)
    x, dout = rng.normal(size=(2, 7, 5)), rng.normal(size=(2, 7, 3))
    out, cache = layer.forward(x)
    np.testing.assert_allclose(out, x @ table.data.T, rtol=1e-13)
    table.grad += 1
    np.testing.assert_allclose(layer.backward(dout, cache), dout @ table.data, rtol=1e-13)
    np.testing.assert_allclose(table.grad, 1 + np.einsum("btv,btd->vd", dout, x), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Linear", lambda rng: Linear(3, 5, rng)), ("TiedLinear", lambda rng: TiedLinear(Linear(5, 3, rng).weight))],
)
def test_a_wrong_width_is_refused(rng, name, kind):
    message = rf"^{name} expects 3 values in the last axis, got an array of shape \(2, 4\)"
    with pytest.raises(ValueError, match=message):
        kind(rng)(np.zeros((2, 4), np.float32))
