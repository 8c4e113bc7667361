"""What a check may be made of."""

import numpy as np
import pytest

from minisora.gradcheck import FunctionPair, Probe, check, randomize
from minisora.layers.embedding import TokenEmbedding
from minisora.layers.layer import Layer
from minisora.layers.linear import Linear
from minisora.layers.normalization import LayerNorm


def normal(*shape):
    return np.random.default_rng(3).normal(size=shape)


def test_float32_inputs_are_refused_with_the_reason():
    layer = randomize(Linear(3, 5, np.random.default_rng(0), dtype=np.float64), np.random.default_rng(1))
    with pytest.raises(
        ValueError, match=r"needs float64, got float32 in 'x': finite differences in float32 have two or three"
    ):
        Probe(layer, {"x": normal(2, 3).astype(np.float32)})


def test_float32_parameters_are_refused():
    with pytest.raises(ValueError, match="needs float64, got float32 in 'weight'"):
        Probe(Linear(3, 5, np.random.default_rng(0)), {"x": normal(2, 3)})


def test_gamma_at_one_is_refused():
    with pytest.raises(ValueError, match=r"needs random values, got 'gamma' = 1 everywhere"):
        Probe(LayerNorm(5, dtype=np.float64), {"x": normal(3, 5)})


def test_constant_inputs_are_refused():
    layer = randomize(LayerNorm(5, dtype=np.float64), np.random.default_rng(1))
    with pytest.raises(ValueError, match="needs random values, got 'x' = 2 everywhere"):
        Probe(layer, {"x": np.full((3, 5), 2.0)})


def test_values_that_are_not_finite_are_refused():
    layer = randomize(LayerNorm(5, dtype=np.float64), np.random.default_rng(1))
    with pytest.raises(ValueError, match="needs finite values, got some in 'x'"):
        Probe(layer, {"x": np.array([[1.0, 2.0, np.nan, 4.0, 5.0]])})


def test_randomize_moves_what_is_constant_and_nothing_else():
    layer = Linear(3, 5, np.random.default_rng(0), dtype=np.float64)
    weight = layer.weight.data.copy()
    assert randomize(layer, np.random.default_rng(1)) is layer
    assert np.ptp(layer.bias.data) > 0
    np.testing.assert_array_equal(layer.weight.data, weight)


def test_a_check_leaves_layer_and_inputs_as_they_were():
    rng = np.random.default_rng(0)
    layer, x = randomize(Linear(3, 5, rng, dtype=np.float64), rng), normal(2, 3)
    before = x.copy(), layer.weight.data.copy(), layer.bias.data.copy()
    for mode in ("central", "directional"):
        check(Probe(layer, {"x": x}), mode=mode)
    for old, new in zip(before, (x, layer.weight.data, layer.bias.data), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_parameters_are_restored_when_forward_raises():
    class Fragile(Linear):
        calls = 0

        def forward(self, x, *, key=None):
            self.calls += 1
            if self.calls == 5:
                raise RuntimeError("forward failed")
            return super().forward(x)

    layer = Fragile(3, 5, np.random.default_rng(0), bias=False, dtype=np.float64)
    before = layer.weight.data.copy()
    with pytest.raises(RuntimeError, match="forward failed"):
        check(Probe(layer, {"x": normal(2, 3)}), mode="directional")
    np.testing.assert_array_equal(layer.weight.data, before)


def test_ids_are_handed_on_and_not_differentiated():
    probe = Probe(TokenEmbedding(7, 3, np.random.default_rng(0), dtype=np.float64), {"ids": np.array([[2, 2, 5]])})
    assert list(probe.variables) == ["table"]
    assert check(probe).passed


def test_parameters_that_are_not_trained_are_not_differentiated():
    layer = Linear(3, 5, np.random.default_rng(0), bias=False, dtype=np.float64)
    layer.weight.trainable = False
    assert list(Probe(layer, {"x": normal(2, 3)}).variables) == ["x"]


def test_a_plain_pair_of_functions():
    pair = FunctionPair(
        lambda a, b, *, scale: (scale * a * b, (a, b, scale)), lambda d, c: (d * c[1] * c[2], d * c[0] * c[2])
    )
    a, b = np.random.default_rng(5).normal(size=(2, 3, 5))
    result = check(Probe(pair, {"a": a, "b": b}, masks={"scale": 0.7}))
    assert result.passed
    assert [tensor.name for tensor in result.tensors] == ["a", "b"]


def test_too_few_gradients_are_an_error_that_names_the_inputs():
    pair = FunctionPair(lambda a, b: (a * b, (a, b)), lambda d, c: d * c[1])
    a, b = np.random.default_rng(5).normal(size=(2, 3, 5))
    with pytest.raises(ValueError, match="one gradient for each of the inputs a, b, got 1"):
        check(Probe(pair, {"a": a, "b": b}))


def test_a_layer_with_nothing_to_differentiate_is_refused():
    class Constant(Layer):
        def forward(self, ids, *, key=None):
            return np.array([1.0, 2.0]), None

    with pytest.raises(ValueError, match="Constant has no float64 input and no trainable parameter"):
        check(Probe(Constant(), {"ids": np.array([1, 2])}))
