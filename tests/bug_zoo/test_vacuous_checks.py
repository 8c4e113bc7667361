"""Checks that a wrong layer passes, and that the checker therefore refuses or the built-in checks avoid."""

import numpy as np
import pytest

from minisora.gradcheck import FunctionPair, Probe, check, named_checks, randomize, structure
from minisora.gradcheck.differences import two_point
from minisora.kernels.numpy_attention import softmax_backward, softmax_forward
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.layer import Layer, Parameter
from minisora.layers.normalization import LayerNorm


class GammaOutside(LayerNorm):
    def backward(self, dout, cache):
        gamma, self.gamma.data = self.gamma.data, np.ones_like(self.gamma.data)
        dx = gamma * super().backward(dout, cache)
        self.gamma.data = gamma
        return dx


def test_gamma_outside_the_sums_is_exact_at_gamma_one_and_far_off_elsewhere(rng):
    layer, right = GammaOutside(7, dtype=np.float64), LayerNorm(7, dtype=np.float64)
    x, dout = rng.normal(size=(2, 3, 7))
    _, cache = right.forward(x)
    np.testing.assert_array_equal(layer.backward(dout, cache), right.backward(dout, cache))
    with pytest.raises(ValueError, match="'gamma' = 1 everywhere"):
        Probe(layer, {"x": x})
    result = check(Probe(randomize(layer, rng), {"x": x}))
    assert result.worst.name == "x"
    assert result.largest_relative_error > 0.05


def test_under_an_upstream_of_ones_any_softmax_backward_is_right(rng):
    pair = FunctionPair(
        lambda scores: (softmax_forward(scores)[0],) * 2, lambda dout, weights: softmax_backward(dout, weights) / 3
    )
    probe = Probe(pair, {"scores": rng.normal(size=(3, 5))})
    _, cache = probe.forward()
    assert np.abs(pair.backward(np.ones((3, 5)), cache)).max() < 1e-16  # and so is the true gradient
    with pytest.raises(ValueError, match="random upstream gradient"):
        check(probe, dout=np.ones((3, 5)))
    assert check(probe).largest_relative_error == pytest.approx(2 / 3)


def test_float32_differences_cannot_tell_right_from_wrong():
    x = np.float32(0.7)
    in_float32 = two_point(lambda t: np.sin(np.array([x + np.float32(t)])), step=np.float32(1e-5))
    assert abs(in_float32 / np.cos(0.7) - 1) > 1e-3  # worse than a gradient that is wrong by 0.1 %


def test_with_one_position_heads_need_no_permutation(rng, monkeypatch):
    layer = randomize(MultiHeadAttention(6, 2, rng, dtype=np.float64), rng)
    x = rng.normal(size=(3, 1, 6))
    right = layer(x)
    monkeypatch.setattr(MultiHeadAttention, "split", lambda self, x: x.reshape(len(x), self.num_heads, x.shape[1], -1))
    np.testing.assert_array_equal(layer(x), right)
    longer = rng.normal(size=(3, 5, 6))
    assert structure.position_mixing(layer, longer, rng.permutation(5)) > 1e-2


def test_absolute_tolerances_pass_small_gradients_that_are_wrong(rng):
    class Small(Layer):
        """out = 1e-9 x w, and a gradient of the wrong sign."""

        def __init__(self):
            self.weight = Parameter(np.array([2.0, 3.0, 5.0]))

        def forward(self, x, *, key=None):
            return 1e-9 * x * self.weight.data, x

        def backward(self, dout, cache):
            self.weight.grad -= 1e-9 * (dout * cache).sum(axis=0)
            return 1e-9 * dout * self.weight.data

    probe = Probe(Small(), {"x": rng.normal(size=(2, 3))})
    _, cache = probe.forward()
    wrong = probe.backward(np.ones((2, 3)), cache)["weight"]
    np.testing.assert_allclose(wrong, -wrong, atol=1e-8)  # "close" to the right one
    assert check(probe).worst.name == "weight"
    assert check(probe).largest_relative_error == pytest.approx(2.0)


def test_no_built_in_check_has_equal_lengths_or_single_positions():
    for named in named_checks():
        probe = named.build(np.random.default_rng(0))
        lengths = [value.shape[-2] for value in probe.inputs.values() if value.ndim >= 3]
        lengths += [value.shape[-1] for value in probe.inputs.values() if value.dtype.kind == "i"]
        assert 1 not in lengths, named.name
        if named.layer in ("Decoder", "DecoderLayer", "SoraModel"):
            assert len(set(lengths)) == 2, named.name


def test_every_built_in_gamma_is_random():
    for named in named_checks():
        for name, value in named.build(np.random.default_rng(0)).variables.items():
            if name.endswith(("gamma", "beta", "bias")):
                assert np.ptp(value) > 0.1, (named.name, name)
